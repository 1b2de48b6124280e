#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "compression/magnitude.h"
#include "compression/topk.h"
#include "core/base/status_macros.h"

namespace tern::compression {
namespace {

// The 31 bits of a magnitude are found digit by digit, from the highest; one pass over the
// coordinates counts those that agree so far by their next digit.
struct Digit {
  int shift;
  int bits;
};
constexpr Digit kDigits[] = {{20, 11}, {9, 11}, {0, 9}};
constexpr size_t kMaxBuckets = size_t{1} << 11;
// The lowest first digit of magnitudes that are not finite.
constexpr size_t kFirstNotFinite = 0x7F8;

using Histogram = absl::Span<uint32_t>;

// Writes the shortest varint of `number`; returns where it ends.
char* WriteVarint(uint32_t number, char* out) {
  while (number >= 0x80) {
    *out++ = static_cast<char>(number | 0x80);
    number >>= 7;
  }
  *out++ = static_cast<char>(number);
  return out;
}

// The largest total length of `kept` varints whose sum is at most `sum`. Each further byte of a
// number takes more of the sum than the one before, so the longest total comes from raising as many
// as possible to two bytes, then those to three, and so on.
int64_t MaxVarintBytes(int64_t kept, int64_t sum) {
  int64_t total = kept;
  int64_t raised = kept;
  int64_t smallest = 0;  // number that has as many bytes as the raised ones
  for (int64_t longer = 128; raised > 0 && longer <= kTopKMaxCount; longer *= 128) {
    const int64_t price = longer - smallest;
    raised = std::min(raised, sum / price);
    sum -= raised * price;
    total += raised;
    smallest = longer;
  }
  return total;
}

// What is kept: all coordinates with a magnitude above the threshold, and the first `num_equal` of
// those that have it.
struct Threshold {
  int32_t magnitude_bits = 0;
  int64_t num_equal = 0;
};

// Counts by this digit the magnitudes whose bits above it are `prefix`.
void CountDigits(absl::Span<const float> values, const Digit& digit, int32_t prefix,
                 Histogram histogram) {
  std::fill(histogram.begin(), histogram.end(), 0);
  const int prefix_shift = digit.shift + digit.bits;
  const auto mask = static_cast<uint32_t>(histogram.size() - 1);
  for (const float value : values) {
    const auto bits = static_cast<uint32_t>(MagnitudeBits(value));
    if (bits >> prefix_shift != static_cast<uint32_t>(prefix)) continue;
    ++histogram[(bits >> digit.shift) & mask];
  }
}

// Finds the `kept`-th largest magnitude, 1 <= kept <= values.size(). INVALID_ARGUMENT: a value is
// not finite.
absl::StatusOr<Threshold> FindThreshold(absl::Span<const float> values, int64_t kept,
                                        uint32_t* buckets) {
  int32_t prefix = 0;
  int64_t wanted = kept;  // still to be found among those that agree with the prefix
  for (const Digit& digit : kDigits) {
    const Histogram histogram(buckets, size_t{1} << digit.bits);
    CountDigits(values, digit, prefix, histogram);
    if (digit.shift == kDigits[0].shift &&
        std::any_of(histogram.begin() + kFirstNotFinite, histogram.end(),
                    [](uint32_t count) { return count != 0; })) {
      return CheckMagnitudes(values, kLargestFinite, 0);
    }
    size_t bucket = histogram.size() - 1;
    while (histogram[bucket] < wanted) wanted -= histogram[bucket--];
    prefix = (prefix << digit.bits) | static_cast<int32_t>(bucket);
  }
  return Threshold{.magnitude_bits = prefix, .num_equal = wanted};
}

class TopKEncoder final : public Encoder {
 public:
  explicit TopKEncoder(double fraction) : fraction_(fraction) {}

  int64_t ScratchBytes(int64_t count) const override {
    return count == 0 ? 0 : static_cast<int64_t>(kMaxBuckets * sizeof(uint32_t));
  }
  int64_t MinEncodedBytes(int64_t count) const override {
    return TopKMinBytes(TopKKept(fraction_, count));
  }
  int64_t MaxEncodedBytes(int64_t count) const override {
    const int64_t kept = TopKKept(fraction_, count);
    return kTopKHeaderBytes + MaxVarintBytes(kept, count - kept) +
           kept * static_cast<int64_t>(sizeof(float));
  }

  absl::Status Encode(absl::Span<const float> values, const RandomKey& /*key*/,
                      absl::Span<char> scratch, ByteWriter& out) const override {
    const auto count = static_cast<int64_t>(values.size());
    if (count > kTopKMaxCount) {
      return absl::InvalidArgumentError(
          absl::StrCat(count, " coordinates, topk takes at most ", kTopKMaxCount));
    }
    const int64_t kept = TopKKept(fraction_, count);
    out.Write(static_cast<uint32_t>(kept));
    if (kept == 0) return absl::OkStatus();
    TERN_ASSIGN_OR_RETURN(const Threshold threshold,
                          FindThreshold(values, kept, reinterpret_cast<uint32_t*>(scratch.data())));
    WriteKept(values, kept, threshold, out);
    return absl::OkStatus();
  }

 private:
  // Gaps and values in one pass: the values go behind the longest gaps that there could be, and are
  // then moved to where the gaps end.
  static void WriteKept(absl::Span<const float> values, int64_t kept, Threshold threshold,
                        ByteWriter& out) {
    const auto count = static_cast<int64_t>(values.size());
    const int64_t max_gap_bytes = MaxVarintBytes(kept, count - kept);
    const int64_t value_bytes = kept * static_cast<int64_t>(sizeof(float));
    char* const begin = out.Extend(static_cast<size_t>(max_gap_bytes + value_bytes));
    char* gap_end = begin;
    char* value_end = begin + max_gap_bytes;
    int64_t next = 0;  // behind the last kept coordinate
    for (int64_t i = 0; i < count; ++i) {
      const float value = values[static_cast<size_t>(i)];
      const int32_t bits = MagnitudeBits(value);
      if (bits < threshold.magnitude_bits) continue;
      if (bits == threshold.magnitude_bits && threshold.num_equal-- <= 0) continue;
      gap_end = WriteVarint(static_cast<uint32_t>(i - next), gap_end);
      std::memcpy(value_end, &value, sizeof(value));
      value_end += sizeof(value);
      next = i + 1;
    }
    std::memmove(gap_end, begin + max_gap_bytes, static_cast<size_t>(value_bytes));
    out.TakeBack(static_cast<size_t>(begin + max_gap_bytes - gap_end));
  }

  const double fraction_;
};

}  // namespace

std::unique_ptr<Encoder> MakeTopKEncoder(const StageSpec& stage) {
  return std::make_unique<TopKEncoder>(stage.arguments[0]);
}

}  // namespace tern::compression
