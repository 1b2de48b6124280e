#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "absl/strings/str_format.h"
#include "compression/quantize.h"
#include "compression/symbol_check.h"
#include "core/base/simd_clones.h"
#include "core/base/status_macros.h"

namespace tern::compression {
namespace {

// kBlock values: (symbol * 2^shift - zero) * scale.
TERN_SIMD_CLONES void ScaleSymbols(const uint8_t* __restrict symbols, int shift, int32_t zero,
                                   float scale, float* __restrict values) {
  for (int64_t i = 0; i < kBlock; ++i) {
    values[i] = static_cast<float>((static_cast<int32_t>(symbols[i]) << shift) - zero) * scale;
  }
}

class QuantizeDequantizer final : public Dequantizer {
 public:
  explicit QuantizeDequantizer(int bits) : bits_(bits), levels_(QuantizeLevels(bits)) {}

  QuantizerShape shape() const override { return QuantizeShape(bits_); }

  absl::Status Check(const SymbolBlock& block, float max_abs_value) const override {
    const ScaleBits bits = ReadScale(block.parameters);
    const float scale = ScaleOf(bits);
    if (!IsNormalOrZero(bits)) {
      return absl::InvalidArgumentError(
          absl::StrFormat("block %d (from value %d): scale is %.9g, expected 0 or a normal number",
                          block.first / kBlock, block.first, scale));
    }
    const float largest = scale * static_cast<float>(levels_);
    if (!(largest <= max_abs_value && std::isfinite(largest))) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "block %d (from value %d): scale %.9g reaches magnitude %.9g, expected at most %.9g",
          block.first / kBlock, block.first, scale, largest, max_abs_value));
    }
    return CheckSymbols(block, shape().alphabet);
  }

  void Dequantize(const SymbolBlock& block, const RandomKey& /*key*/,
                  float* values) const override {
    const float scale = ScaleOf(ReadScale(block.parameters));
    const int shift = bits_ == 1 ? 1 : 0;
    if (block.count == kBlock) {
      ScaleSymbols(block.symbols, shift, levels_, scale, values);
      return;
    }
    std::array<uint8_t, kBlock> symbols{};
    std::array<float, kBlock> all_values;
    std::memcpy(symbols.data(), block.symbols, static_cast<size_t>(block.count));
    ScaleSymbols(symbols.data(), shift, levels_, scale, all_values.data());
    std::copy(all_values.begin(), all_values.begin() + block.count, values);
  }

 private:
  const int bits_;
  const int levels_;
};

}  // namespace

std::unique_ptr<Dequantizer> MakeQuantizeDequantizer(const StageSpec& stage) {
  return std::make_unique<QuantizeDequantizer>(static_cast<int>(stage.arguments[0]));
}

}  // namespace tern::compression
