#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "compression/quantize.h"
#include "compression/stochastic_rounding.h"
#include "core/base/simd_clones.h"

namespace tern::compression {
namespace {

// Between 2^23 and 2^24 floats are the integers. Adding 1.5 * 2^23 to a number of small magnitude
// rounds it to the nearest integer, ties to even, by which the sum's bit pattern is above this one.
constexpr float kRoundToInteger = 12582912.0f;
constexpr int32_t kRoundToIntegerBits = 0x4B400000;

// The functions that follow are of kBlock values.

TERN_SIMD_CLONES void RoundToNearest(const float* __restrict values, float inverse, int32_t levels,
                                     uint8_t* __restrict symbols) {
  for (int64_t i = 0; i < kBlock; ++i) {
    const float rounded = values[i] * inverse + kRoundToInteger;
    const int32_t q = std::bit_cast<int32_t>(rounded) - kRoundToIntegerBits;
    symbols[i] = static_cast<uint8_t>(std::min(std::max(q, -levels), levels) + levels);
  }
}

TERN_SIMD_CLONES void TakeSigns(const float* __restrict values, uint8_t* __restrict symbols) {
  for (int64_t i = 0; i < kBlock; ++i) symbols[i] = values[i] >= 0.0f ? 1 : 0;
}

ScaleBits RoundDown(float scale) {
  return static_cast<ScaleBits>(std::bit_cast<uint32_t>(scale) >> kScaleShift);
}

ScaleBits RoundUp(float scale) {
  return static_cast<ScaleBits>((std::bit_cast<uint32_t>(scale) + (1u << kScaleShift) - 1) >>
                                kScaleShift);
}

float Inverse(ScaleBits scale) { return scale == 0 ? 0.0f : 1.0f / ScaleOf(scale); }

class QuantizeQuantizer final : public Quantizer {
 public:
  QuantizeQuantizer(int bits, bool stochastic)
      : bits_(bits), stochastic_(stochastic), levels_(QuantizeLevels(bits)) {}

  QuantizerShape shape() const override { return QuantizeShape(bits_); }

  absl::Status Quantize(const ValueBlock& block, const char* /*header*/, const RandomKey& /*key*/,
                        RandomStream& random, char* parameters, uint8_t* symbols) const override {
    if (block.count == kBlock) {
      QuantizeWhole(block.values, kBlock, random, parameters, symbols);
      return absl::OkStatus();
    }
    // Zeros behind the end change neither the largest magnitude nor the sum.
    std::array<float, kBlock> values{};
    std::array<uint8_t, kBlock> all_symbols;
    std::copy(block.values, block.values + block.count, values.begin());
    QuantizeWhole(values.data(), block.count, random, parameters, all_symbols.data());
    std::memcpy(symbols, all_symbols.data(), static_cast<size_t>(block.count));
    return absl::OkStatus();
  }

 private:
  // Of kBlock values and symbols, where the mean is that of the first `count`.
  void QuantizeWhole(const float* values, int64_t count, RandomStream& random, char* parameters,
                     uint8_t* symbols) const {
    const auto largest = std::bit_cast<float>(LargestMagnitudeBits(values));
    ScaleBits scale;
    if (stochastic_) {
      scale = StochasticScale(largest);
      const float steps = bits_ == 1 ? 0.5f : 1.0f;
      RoundStochastically(values,
                          {.inverse = Inverse(scale),
                           .steps = steps,
                           .zero = steps * static_cast<float>(levels_),
                           .largest = bits_ == 1 ? 1 : 2 * levels_},
                          random, symbols);
    } else if (bits_ == 1) {
      scale = MeanScale(values, count, largest);
      TakeSigns(values, symbols);
    } else {
      scale = NearestScale(largest);
      RoundToNearest(values, Inverse(scale), levels_, symbols);
    }
    std::memcpy(parameters, &scale, sizeof(scale));
  }

  ScaleBits NearestScale(float largest) const {
    const ScaleBits scale = RoundDown(largest / static_cast<float>(levels_));
    return scale < kSmallestNormalScale ? ScaleBits{0} : scale;
  }

  ScaleBits StochasticScale(float largest) const {
    if (largest == 0.0f) return 0;
    const auto levels = static_cast<float>(levels_);
    ScaleBits scale = std::max(RoundUp(largest / levels), kSmallestNormalScale);
    if (!std::isfinite(levels * ScaleOf(scale))) --scale;
    return scale;
  }

  static ScaleBits MeanScale(const float* values, int64_t count, float largest) {
    const double sum = SumOfMagnitudes(absl::MakeConstSpan(values, kBlock));
    ScaleBits scale = RoundScaleToEven(static_cast<float>(sum / static_cast<double>(count)));
    if (ScaleOf(scale) > largest) scale = RoundDown(largest);
    return scale < kSmallestNormalScale ? ScaleBits{0} : scale;
  }

  const int bits_;
  const bool stochastic_;
  const int levels_;
};

}  // namespace

std::unique_ptr<Quantizer> MakeQuantizeQuantizer(const StageSpec& stage) {
  return std::make_unique<QuantizeQuantizer>(static_cast<int>(stage.arguments[0]),
                                             stage.option == "stochastic");
}

}  // namespace tern::compression
