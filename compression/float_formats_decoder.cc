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

// The functions that follow are of kBlock values.

// Any 16 bits; infinity and not a number stay such.
TERN_SIMD_CLONES void FromFloat16(const uint16_t* __restrict halves, float* __restrict values) {
  constexpr uint32_t kExponentOffset = 112u << 23;  // the difference of the biases
  constexpr float kSmallestNormal = 0x1p-14f;
  for (int64_t i = 0; i < kBlock; ++i) {
    const uint32_t magnitude = halves[i] & 0x7FFFu;
    const uint32_t bits = (magnitude << 13) + kExponentOffset;
    const uint32_t normal = bits + (magnitude >= 0x7C00 ? kExponentOffset : 0);
    // A mantissa behind the exponent of 2^-14 is more by 2^-14 than the subnormal number.
    const float with_one = std::bit_cast<float>(bits + (1u << 23));
    const uint32_t subnormal = std::bit_cast<uint32_t>(with_one - kSmallestNormal);
    const uint32_t sign = (halves[i] & 0x8000u) << 16;
    values[i] = std::bit_cast<float>((magnitude < 0x400 ? subnormal : normal) | sign);
  }
}

TERN_SIMD_CLONES void FromBfloat16(const uint16_t* __restrict halves, float* __restrict values) {
  for (int64_t i = 0; i < kBlock; ++i) {
    values[i] = std::bit_cast<float>(static_cast<uint32_t>(halves[i]) << 16);
  }
}

class FloatDequantizer : public Dequantizer {
 public:
  absl::Status Check(const SymbolBlock& block, float max_abs_value) const final {
    const int64_t symbol_bytes = shape().bits / 8;
    std::array<float, kBlock> values;
    for (int64_t start = 0; start < block.count; start += kBlock) {
      const int64_t count = std::min(kBlock, block.count - start);
      ToValues(block.symbols + start * symbol_bytes, count, values.data());
      TERN_RETURN_IF_ERROR(
          CheckMagnitudes(absl::MakeConstSpan(values.data(), static_cast<size_t>(count)),
                          max_abs_value, block.first + start));
    }
    return absl::OkStatus();
  }

  void Dequantize(const SymbolBlock& block, const RandomKey& /*key*/, float* values) const final {
    ToValues(block.symbols, block.count, values);
  }

 private:
  virtual void ToValues(const uint8_t* symbols, int64_t count, float* values) const = 0;
};

class Float32Dequantizer final : public FloatDequantizer {
 public:
  QuantizerShape shape() const override { return {.bits = 32, .block = kFloatBlock}; }

 private:
  void ToValues(const uint8_t* symbols, int64_t count, float* values) const override {
    std::memcpy(values, symbols, static_cast<size_t>(count) * sizeof(float));
  }
};

class HalfDequantizer final : public FloatDequantizer {
 public:
  using Convert = void (*)(const uint16_t*, float*);
  explicit HalfDequantizer(Convert convert) : convert_(convert) {}
  QuantizerShape shape() const override { return {.bits = 16, .block = kFloatBlock}; }

 private:
  void ToValues(const uint8_t* symbols, int64_t count, float* values) const override {
    std::array<uint16_t, kBlock> halves{};
    for (; count >= kBlock; count -= kBlock) {
      std::memcpy(halves.data(), symbols, sizeof(halves));
      convert_(halves.data(), values);
      symbols += sizeof(halves);
      values += kBlock;
    }
    std::array<float, kBlock> last;
    std::memcpy(halves.data(), symbols, static_cast<size_t>(count) * sizeof(uint16_t));
    convert_(halves.data(), last.data());
    std::copy(last.begin(), last.begin() + count, values);
  }

  const Convert convert_;
};

}  // namespace

std::unique_ptr<Dequantizer> MakeFloatDequantizer(const StageSpec& stage) {
  if (stage.name == "float16") return std::make_unique<HalfDequantizer>(FromFloat16);
  if (stage.name == "bfloat16") return std::make_unique<HalfDequantizer>(FromBfloat16);
  return std::make_unique<Float32Dequantizer>();
}

}  // namespace tern::compression
