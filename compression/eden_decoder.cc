#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"
#include "compression/eden.h"
#include "compression/random_subset.h"
#include "compression/symbol_check.h"

namespace tern::compression {
namespace {

class NormalDequantizer final : public Dequantizer {
 public:
  explicit NormalDequantizer(const NormalCode& code) : code_(code), centroids_(Centroids(code)) {}

  QuantizerShape shape() const override { return code_.shape; }

  // Nothing is known of a coordinate's magnitude before the block is rotated back.
  absl::Status Check(const SymbolBlock& block, float /*max_abs_value*/) const override {
    const ScaleBits bits = ReadScale(block.parameters);
    const float scale = ScaleOf(bits);
    const float largest = centroids_[static_cast<size_t>(code_.book.alphabet - 1)];
    if (!IsNormalOrZero(bits) || !std::isfinite(scale * largest)) {
      return absl::InvalidArgumentError(
          absl::StrFormat("block %d (from coordinate %d): scale is %.9g, expected 0 or a normal "
                          "number, finite also when multiplied by %.9g",
                          block.first / kMaxBlock, block.first, scale, largest));
    }
    // Symbols of eden fill their bits.
    return code_.book.step > 0.0 ? CheckSymbols(block, code_.book.alphabet) : absl::OkStatus();
  }

  void Dequantize(const SymbolBlock& block, const RandomKey& key, float* values) const override {
    const float scale = ScaleOf(ReadScale(block.parameters));
    CentroidTable decoded{};
    for (size_t i = 0; i < static_cast<size_t>(code_.book.alphabet); ++i) {
      decoded[i] = centroids_[i] * scale;
    }
    const int64_t symbols = code_.shape.Symbols(block.count);
    if (symbols == block.count) {
      for (int64_t i = 0; i < symbols; ++i) values[i] = decoded[block.symbols[i]];
      return;
    }
    SubsetBitmap kept;
    DrawSubsetBitmap(key, block.first / kMaxBlock, block.count, symbols, kept);
    const uint8_t* symbol = block.symbols;
    for (int64_t i = 0; i < block.count; ++i) {
      values[i] = IsInSubset(kept, i) ? decoded[*symbol++] : 0.0f;
    }
  }

  bool Probabilities(absl::Span<double> of) const override {
    FillProbabilities(code_, of);
    return true;
  }

 private:
  const NormalCode code_;
  const CentroidTable centroids_;
};

}  // namespace

std::unique_ptr<Dequantizer> MakeEdenDequantizer(const StageSpec& stage) {
  return std::make_unique<NormalDequantizer>(EdenCode(stage));
}

std::unique_ptr<Dequantizer> MakeEcsqDequantizer(const StageSpec& stage) {
  return std::make_unique<NormalDequantizer>(EcsqCode(stage));
}

}  // namespace tern::compression
