#include <algorithm>

#include "compression/magnitude.h"
#include "compression/randk.h"
#include "core/base/status_macros.h"

namespace tern::compression {
namespace {

class RandKSparsifier final : public Sparsifier {
 public:
  RandKSparsifier(double fraction, bool unbiased) : fraction_(fraction), unbiased_(unbiased) {}

  int64_t ScratchBytes(const CodecContext& /*context*/) const override { return 0; }

  absl::StatusOr<int64_t> Select(absl::Span<const float> values, const CodecContext& context,
                                 absl::Span<char> /*scratch*/,
                                 absl::Span<int32_t> indices) const override {
    int64_t kept = 0;
    for (int64_t index = 0; index * kRandKStratum < context.count; ++index) {
      const RandKStratum stratum(fraction_, context.count, index);
      const auto size = static_cast<size_t>(stratum.end - stratum.begin);
      TERN_RETURN_IF_ERROR(CheckMagnitudes(
          values.subspan(static_cast<size_t>(stratum.begin), size),
          unbiased_ ? kLargestFinite / Factor(stratum) : kLargestFinite, stratum.begin));
      const absl::Span<int32_t> drawn =
          indices.subspan(static_cast<size_t>(kept), static_cast<size_t>(stratum.kept));
      DrawSubset(context.key, index, stratum.end - stratum.begin, drawn);
      for (int32_t& coordinate : drawn) coordinate += static_cast<int32_t>(stratum.begin);
      kept += stratum.kept;
    }
    return kept;
  }

  void Gather(absl::Span<const float> values, const CodecContext& context,
              absl::Span<const int32_t> indices, float* kept) const override {
    Sparsifier::Gather(values, context, indices, kept);
    if (!unbiased_) return;
    size_t i = 0;
    while (i < indices.size()) {
      const RandKStratum stratum(fraction_, context.count, indices[i] / kRandKStratum);
      const float factor = Factor(stratum);
      for (; i < indices.size() && indices[i] < stratum.end; ++i) kept[i] *= factor;
    }
  }

 private:
  static float Factor(const RandKStratum& stratum) {
    return static_cast<float>(stratum.end - stratum.begin) / static_cast<float>(stratum.kept);
  }

  const double fraction_;
  const bool unbiased_;
};

}  // namespace

std::unique_ptr<Sparsifier> MakeRandKSparsifier(const StageSpec& stage) {
  return std::make_unique<RandKSparsifier>(stage.arguments[0], stage.option == "unbiased");
}

}  // namespace tern::compression
