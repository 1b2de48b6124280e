// Selection by magnitude in few passes over the values, each nearly as fast as reading them. A
// sample says about where the threshold is. One pass counts the values around it, and only these,
// by the bits of their magnitude, in a histogram so fine that a bucket holds few; a second one
// takes what is above the bucket with the threshold, and the best of those in it. A bucket that
// holds too many, equal ones for example, is divided further; where the sample was misleading, the
// search begins again without it.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "compression/magnitude.h"
#include "compression/magnitude_scan.h"
#include "compression/topk.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"

namespace tern::compression {
namespace {

constexpr size_t kBuckets = 2048;
constexpr int32_t kLastBucket = static_cast<int32_t>(kBuckets) - 1;
using Histogram = absl::Span<uint32_t>;  // kBuckets

constexpr int32_t kNotFinite = 0x7F800000;  // the lowest magnitude bits of what is not finite
// Zeros are never counted, so that many of them cost nothing.
constexpr int32_t kSmallestCounted = 1;

// Magnitude bits from `lowest` on. Bucket i holds 2^shift of them, the last bucket all that follow.
struct Window {
  int32_t lowest;
  int shift;

  int32_t Bucket(int32_t bits) const { return std::min((bits - lowest) >> shift, kLastBucket); }
  int32_t LowestOf(int32_t bucket) const {
    return static_cast<int32_t>(std::min(lowest + (int64_t{bucket} << shift), int64_t{kNotFinite}));
  }
};

// The finest window in which [lowest, end) is in front of the last bucket.
Window WindowOver(int32_t lowest, int32_t end) {
  int shift = 0;
  while ((end - 1 - lowest) >> shift >= kLastBucket) ++shift;
  return {lowest, shift};
}

// What is kept: all coordinates whose magnitude bits are at least `end`, and of those in
// [lowest, end), of which there are `candidates`, the best `wanted`.
struct Threshold {
  int32_t lowest = 0;
  int32_t end = 0;
  int64_t candidates = 0;
  int64_t wanted = 0;
};

// Lines of 16 values, evenly apart; by an odd number of lines, so that not all are of the same
// columns of a matrix.
constexpr size_t kLine = 16;
constexpr size_t kSampledLines = 512;  // at least
constexpr size_t kMaxSampleStride = 63;
// 64 powers of two in steps of 1/32 of each; updates are seldom outside 2^-59 to 2^5.
constexpr Window kSampleWindow = {.lowest = (127 - 59) << 23, .shift = 18};

// Where the `kept`-th largest magnitude will most likely be.
Window GuessWindow(absl::Span<const float> values, int64_t kept, Histogram histogram) {
  const size_t stride = std::min(values.size() / kLine / kSampledLines, kMaxSampleStride) | 1;
  std::fill(histogram.begin(), histogram.end(), 0);
  int64_t sampled = 0;
  for (size_t start = 0; start < values.size(); start += stride * kLine) {
    for (const float value : values.subspan(start, kLine)) {
      const int32_t bits = MagnitudeBits(value);
      ++sampled;
      if (bits < kSampleWindow.lowest) continue;
      ++histogram[static_cast<size_t>(kSampleWindow.Bucket(bits))];
    }
  }
  // The rank in the sample of that magnitude varies by about its square root.
  const double rank =
      static_cast<double>(kept) * static_cast<double>(sampled) / static_cast<double>(values.size());
  const double margin = stride == 1 ? 0.0 : 4.0 * std::sqrt(rank) + 1.0;
  int32_t end = kNotFinite;
  double above = 0.0;
  for (int32_t bucket = kLastBucket; bucket >= 0; --bucket) {
    above += histogram[static_cast<size_t>(bucket)];
    if (above < rank - margin) end = kSampleWindow.LowestOf(bucket);
    if (above >= rank + margin) return WindowOver(kSampleWindow.LowestOf(bucket), end);
  }
  return WindowOver(kSmallestCounted, end);
}

// Counts the values in the window. Returns the largest magnitude bits among them, 0 if there are
// none.
int32_t Count(absl::Span<const float> values, const Window& window, Histogram histogram) {
  std::fill(histogram.begin(), histogram.end(), 0);
  int32_t largest = 0;
  ScanAtLeast(values, window.lowest, [&](absl::Span<const int32_t> found) {
    for (const int32_t index : found) {
      const int32_t bits = MagnitudeBits(values[static_cast<size_t>(index)]);
      largest = std::max(largest, bits);
      ++histogram[static_cast<size_t>(window.Bucket(bits))];
    }
  });
  return largest;
}

// Where the `kept`-th largest magnitude is, 1 <= kept <= values.size(), so near that the candidates
// have room in the histogram's place or are all equal. Nothing: a value is not finite.
std::optional<Threshold> FindThreshold(absl::Span<const float> values, int64_t kept,
                                       Histogram histogram) {
  Window window = GuessWindow(values, kept, histogram);
  while (true) {
    if (Count(values, window, histogram) >= kNotFinite) return std::nullopt;
    int64_t wanted = kept;
    int32_t bucket = kLastBucket;
    while (bucket >= 0 && histogram[static_cast<size_t>(bucket)] < wanted) {
      wanted -= histogram[static_cast<size_t>(bucket--)];
    }
    if (bucket < 0 && window.lowest == kSmallestCounted) {
      return Threshold{.lowest = 0,
                       .end = kSmallestCounted,
                       .candidates = static_cast<int64_t>(values.size()) - kept + wanted,
                       .wanted = wanted};
    }
    if (bucket < 0) {
      window = WindowOver(kSmallestCounted, window.lowest);
    } else if (bucket == kLastBucket) {
      window = WindowOver(window.LowestOf(bucket), kNotFinite);
    } else {
      const int32_t lowest = window.LowestOf(bucket);
      const int32_t end = window.LowestOf(bucket + 1);
      const int64_t candidates = histogram[static_cast<size_t>(bucket)];
      if (window.shift == 0 || candidates <= static_cast<int64_t>(kBuckets)) {
        return Threshold{.lowest = lowest, .end = end, .candidates = candidates, .wanted = wanted};
      }
      window = WindowOver(lowest, end);
    }
  }
}

// Moves the best `wanted` of `candidates`, indices of values, to the front, ascending.
void ChooseBest(absl::Span<const float> values, int64_t wanted, absl::Span<int32_t> candidates) {
  const auto better = [&](int32_t a, int32_t b) {
    const int32_t bits_a = MagnitudeBits(values[static_cast<size_t>(a)]);
    const int32_t bits_b = MagnitudeBits(values[static_cast<size_t>(b)]);
    return bits_a != bits_b ? bits_a > bits_b : a < b;
  };
  std::nth_element(candidates.begin(), candidates.begin() + wanted - 1, candidates.end(), better);
  std::sort(candidates.begin(), candidates.begin() + wanted);
}

// Merges `from`, ascending, into the first `count` of `indices`, which has room for both.
void MergeInto(absl::Span<const int32_t> from, int64_t count, int32_t* indices) {
  auto to = count + static_cast<int64_t>(from.size());
  while (!from.empty()) {
    const bool first = count > 0 && indices[count - 1] > from.back();
    indices[--to] = first ? indices[--count] : from.back();
    if (!first) from.remove_suffix(1);
  }
}

// Fills `indices` with what the threshold keeps. `room`: for kBuckets candidates.
void Collect(absl::Span<const float> values, const Threshold& threshold, absl::Span<int32_t> room,
             absl::Span<int32_t> indices) {
  const bool fits = threshold.candidates <= static_cast<int64_t>(kBuckets);
  int64_t above = 0;
  int64_t candidates = 0;
  ScanAtLeast(values, threshold.lowest, [&](absl::Span<const int32_t> found) {
    for (const int32_t index : found) {
      if (MagnitudeBits(values[static_cast<size_t>(index)]) >= threshold.end) {
        indices[static_cast<size_t>(above++)] = index;
      } else if (fits) {
        room[static_cast<size_t>(candidates++)] = index;
      } else if (candidates++ < threshold.wanted) {
        indices[static_cast<size_t>(above++)] = index;
      }
    }
  });
  if (!fits) return;
  const absl::Span<int32_t> chosen = room.first(static_cast<size_t>(candidates));
  ChooseBest(values, threshold.wanted, chosen);
  MergeInto(chosen.first(static_cast<size_t>(threshold.wanted)), above, indices.data());
}

class TopKSparsifier final : public Sparsifier {
 public:
  explicit TopKSparsifier(const StageSpec& stage)
      : fraction_(stage.arguments[0]),
        floor_(stage.arguments.size() > 1 ? static_cast<int64_t>(stage.arguments[1]) : 0) {}

  int64_t ScratchBytes(const CodecContext& /*context*/) const override {
    return static_cast<int64_t>(kBuckets * sizeof(uint32_t));
  }

  absl::StatusOr<int64_t> Select(absl::Span<const float> values, const CodecContext& context,
                                 absl::Span<char> scratch,
                                 absl::Span<int32_t> indices) const override {
    const auto count = static_cast<int64_t>(values.size());
    if (floor_ == 0 || context.tensor_sizes.empty()) {
      return SelectOf(values, {0, count}, scratch, indices);
    }
    int64_t kept = 0;
    int64_t begin = 0;
    for (const int64_t size : context.tensor_sizes) {
      TERN_CHECK(size <= count - begin);
      TERN_ASSIGN_OR_RETURN(
          const int64_t of_tensor,
          SelectOf(values, {begin, size}, scratch, indices.subspan(static_cast<size_t>(kept))));
      kept += of_tensor;
      begin += size;
    }
    TERN_CHECK(begin == count);
    return kept;
  }

 private:
  struct Vector {
    int64_t begin;
    int64_t size;
  };

  // Selects of one vector among the values; the rest as Select.
  absl::StatusOr<int64_t> SelectOf(absl::Span<const float> values, const Vector& vector,
                                   absl::Span<char> scratch, absl::Span<int32_t> indices) const {
    const int64_t kept = TopKOfVector(fraction_, floor_, vector.size);
    const absl::Span<int32_t> selected = indices.first(static_cast<size_t>(kept));
    const absl::Span<const float> of_vector =
        values.subspan(static_cast<size_t>(vector.begin), static_cast<size_t>(vector.size));
    if (kept == vector.size) {
      TERN_RETURN_IF_ERROR(CheckMagnitudes(of_vector, kLargestFinite, vector.begin));
      std::iota(selected.begin(), selected.end(), static_cast<int32_t>(vector.begin));
      return kept;
    }
    auto* const histogram = reinterpret_cast<uint32_t*>(scratch.data());
    const std::optional<Threshold> threshold =
        FindThreshold(of_vector, kept, Histogram(histogram, kBuckets));
    if (!threshold.has_value()) return CheckMagnitudes(of_vector, kLargestFinite, vector.begin);
    auto* const room = reinterpret_cast<int32_t*>(scratch.data());
    Collect(of_vector, *threshold, absl::MakeSpan(room, kBuckets), selected);
    for (int32_t& index : selected) index += static_cast<int32_t>(vector.begin);
    return kept;
  }

  const double fraction_;
  const int64_t floor_;
};

}  // namespace

std::unique_ptr<Sparsifier> MakeTopKSparsifier(const StageSpec& stage) {
  return std::make_unique<TopKSparsifier>(stage);
}

}  // namespace tern::compression
