#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "compression/float_formats.h"
#include "compression/magnitude.h"
#include "core/base/simd_clones.h"
#include "core/base/status_macros.h"

namespace tern::compression {
namespace {

// The last magnitudes that are rounded to a finite number.
constexpr float kLargestFloat16 = std::bit_cast<float>(0x477FEFFF);
constexpr float kLargestBfloat16 = std::bit_cast<float>(0x7F7F7FFF);

// The functions that follow are of kBlock values, finite in the format.

TERN_SIMD_CLONES void ToFloat16(const float* __restrict values, uint16_t* __restrict out) {
  constexpr uint32_t kSmallestNormal = 0x38800000;  // 2^-14
  constexpr uint32_t kExponentOffset = 112u << 23;  // the difference of the biases
  constexpr float kSubnormalUnit = 0.5f;            // floats from it on are 2^-24 apart
  for (int64_t i = 0; i < kBlock; ++i) {
    const auto bits = std::bit_cast<uint32_t>(values[i]);
    const uint32_t magnitude = bits & 0x7FFFFFFF;
    const uint32_t rounded = magnitude + 0xFFF + ((magnitude >> 13) & 1);
    const uint32_t normal = (rounded - kExponentOffset) >> 13;
    // The sum is rounded to a multiple of 2^-24, as subnormal numbers are.
    const float sum = std::bit_cast<float>(magnitude) + kSubnormalUnit;
    const uint32_t subnormal =
        std::bit_cast<uint32_t>(sum) - std::bit_cast<uint32_t>(kSubnormalUnit);
    const uint32_t half = magnitude < kSmallestNormal ? subnormal : normal;
    out[i] = static_cast<uint16_t>(half | ((bits >> 16) & 0x8000));
  }
}

TERN_SIMD_CLONES void ToBfloat16(const float* __restrict values, uint16_t* __restrict out) {
  for (int64_t i = 0; i < kBlock; ++i) {
    const auto bits = std::bit_cast<uint32_t>(values[i]);
    out[i] = static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
  }
}

class Float32Quantizer final : public Quantizer {
 public:
  QuantizerShape shape() const override { return {.bits = 32, .block = kFloatBlock}; }
  absl::Status Quantize(const ValueBlock& block, const char* /*header*/, const RandomKey& /*key*/,
                        RandomStream& /*random*/, char* /*parameters*/,
                        uint8_t* symbols) const override {
    std::memcpy(symbols, block.values, static_cast<size_t>(block.count) * sizeof(float));
    return absl::OkStatus();
  }
};

class HalfQuantizer final : public Quantizer {
 public:
  using Convert = void (*)(const float*, uint16_t*);
  HalfQuantizer(Convert convert, float largest) : convert_(convert), largest_(largest) {}

  QuantizerShape shape() const override { return {.bits = 16, .block = kFloatBlock}; }
  absl::Status Quantize(const ValueBlock& block, const char* /*header*/, const RandomKey& /*key*/,
                        RandomStream& /*random*/, char* /*parameters*/,
                        uint8_t* symbols) const override {
    absl::Span<const float> values(block.values, static_cast<size_t>(block.count));
    TERN_RETURN_IF_ERROR(CheckMagnitudes(values, largest_, block.first));
    std::array<uint16_t, kBlock> halves;
    for (; values.size() >= kBlock; values.remove_prefix(kBlock)) {
      convert_(values.data(), halves.data());
      std::memcpy(symbols, halves.data(), sizeof(halves));
      symbols += sizeof(halves);
    }
    std::array<float, kBlock> last{};
    std::copy(values.begin(), values.end(), last.begin());
    convert_(last.data(), halves.data());
    std::memcpy(symbols, halves.data(), values.size() * sizeof(uint16_t));
    return absl::OkStatus();
  }

 private:
  const Convert convert_;
  const float largest_;
};

}  // namespace

std::unique_ptr<Quantizer> MakeFloatQuantizer(const StageSpec& stage) {
  if (stage.name == "float16") return std::make_unique<HalfQuantizer>(ToFloat16, kLargestFloat16);
  if (stage.name == "bfloat16") {
    return std::make_unique<HalfQuantizer>(ToBfloat16, kLargestBfloat16);
  }
  return std::make_unique<Float32Quantizer>();
}

}  // namespace tern::compression
