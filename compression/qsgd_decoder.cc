#include <array>
#include <cmath>
#include <cstring>

#include "absl/strings/str_format.h"
#include "compression/magnitude.h"
#include "compression/qsgd.h"
#include "compression/symbol_check.h"
#include "core/base/simd_clones.h"
#include "core/base/status_macros.h"

namespace tern::compression {
namespace {

constexpr int64_t kGroup = 64;

struct Scale {
  int32_t levels;
  float inverse_levels;
  float norm;

  float ValueOf(uint8_t symbol) const {
    return static_cast<float>(int32_t{symbol} - levels) * inverse_levels * norm;
  }
};

// Of so many groups.
TERN_SIMD_CLONES void ScaleSymbols(const uint8_t* __restrict symbols, int64_t groups, Scale scale,
                                   float* __restrict values) {
  for (int64_t start = 0; start < groups * kGroup; start += kGroup) {
    for (int64_t i = start; i < start + kGroup; ++i) values[i] = scale.ValueOf(symbols[i]);
  }
}

class QsgdDequantizer final : public Dequantizer {
 public:
  explicit QsgdDequantizer(const QsgdOptions& options) : options_(options) {}

  QuantizerShape shape() const override { return options_.Shape(); }

  absl::Status Check(const SymbolBlock& block, float max_abs_value) const override {
    const float norm = ScaleOf(block).norm;
    if (norm != 0.0f && !(norm > 0.0f && std::isnormal(norm))) {
      return absl::InvalidArgumentError(
          absl::StrFormat("bucket %d (from value %d): norm is %.9g, expected 0 or a normal number",
                          block.first / options_.bucket, block.first, norm));
    }
    TERN_RETURN_IF_ERROR(CheckSymbols(block, shape().alphabet));
    if (norm <= max_abs_value) return absl::OkStatus();
    // The norm of a bucket is far above most of its values.
    std::array<float, kBlock> values;
    for (int64_t start = 0; start < block.count; start += kBlock) {
      const int64_t count = std::min(kBlock, block.count - start);
      ToValues(block.symbols + start, count, ScaleOf(block), values.data());
      TERN_RETURN_IF_ERROR(
          CheckMagnitudes(absl::MakeConstSpan(values.data(), static_cast<size_t>(count)),
                          max_abs_value, block.first + start));
    }
    return absl::OkStatus();
  }

  void Dequantize(const SymbolBlock& block, const RandomKey& /*key*/,
                  float* values) const override {
    ToValues(block.symbols, block.count, ScaleOf(block), values);
  }

 private:
  Scale ScaleOf(const SymbolBlock& block) const {
    Scale scale = {.levels = options_.levels,
                   .inverse_levels = 1.0f / static_cast<float>(options_.levels),
                   .norm = 0.0f};
    std::memcpy(&scale.norm, block.parameters, sizeof(scale.norm));
    return scale;
  }

  static void ToValues(const uint8_t* symbols, int64_t count, const Scale& scale, float* values) {
    const int64_t groups = count / kGroup;
    ScaleSymbols(symbols, groups, scale, values);
    for (int64_t i = groups * kGroup; i < count; ++i) values[i] = scale.ValueOf(symbols[i]);
  }

  const QsgdOptions options_;
};

}  // namespace

std::unique_ptr<Dequantizer> MakeQsgdDequantizer(const StageSpec& stage) {
  return std::make_unique<QsgdDequantizer>(QsgdOptions(stage));
}

}  // namespace tern::compression
