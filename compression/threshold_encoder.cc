#include <algorithm>

#include "compression/magnitude.h"
#include "compression/magnitude_scan.h"
#include "compression/threshold.h"

namespace tern::compression {
namespace {

class ThresholdSparsifier final : public Sparsifier {
 public:
  explicit ThresholdSparsifier(float magnitude) : lowest_bits_(MagnitudeBits(magnitude)) {}

  int64_t ScratchBytes(const CodecContext& /*context*/) const override { return 0; }

  absl::StatusOr<int64_t> Select(absl::Span<const float> values, const CodecContext& /*context*/,
                                 absl::Span<char> /*scratch*/,
                                 absl::Span<int32_t> indices) const override {
    int64_t kept = 0;
    int32_t largest = 0;
    ScanAtLeast(values, lowest_bits_, [&](absl::Span<const int32_t> found) {
      for (const int32_t index : found) {
        largest = std::max(largest, MagnitudeBits(values[static_cast<size_t>(index)]));
      }
      std::copy(found.begin(), found.end(), indices.begin() + kept);
      kept += static_cast<int64_t>(found.size());
    });
    // What is not finite is at least any threshold.
    if (largest > MagnitudeBits(kLargestFinite)) return CheckMagnitudes(values, kLargestFinite, 0);
    return kept;
  }

 private:
  const int32_t lowest_bits_;
};

}  // namespace

std::unique_ptr<Sparsifier> MakeThresholdSparsifier(const StageSpec& stage) {
  return std::make_unique<ThresholdSparsifier>(static_cast<float>(stage.arguments[0]));
}

}  // namespace tern::compression
