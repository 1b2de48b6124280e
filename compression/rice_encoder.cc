#include "compression/rice.h"

#include <algorithm>
#include <array>
#include <limits>

#include "compression/bit_stream.h"
#include "core/base/simd_clones.h"

namespace tern::compression {
namespace {

// The parameters that the encoder tries: from RiceParameter less this to as much above it.
constexpr int kReach = 2;
constexpr size_t kCandidates = 2 * kReach + 1;
int FirstCandidate(const PositionCounts& counts) {
  return std::max(RiceParameter(counts) - kReach, 0);
}
int LastCandidate(const PositionCounts& counts) {
  return std::min(RiceParameter(counts) + kReach, kMaxRiceParameter);
}

// Bytes of `kept` positions whose unary parts have `ones` in all.
int64_t RiceBytes(int64_t kept, int parameter, int64_t ones) {
  return kRiceHeaderBytes + (kept * (parameter + 1) + ones + 7) / 8;
}

// Positions that are worked on at a time.
constexpr size_t kGaps = 256;
using Gaps = std::array<uint32_t, kGaps>;

// Adds up the unary parts of `gaps` for kCandidates parameters from `first` on. The sum of all gaps
// is below 2^31.
using OnesOfCandidates = std::array<uint32_t, kCandidates>;
TERN_SIMD_CLONES void AddOnes(const uint32_t* gaps, int first, uint32_t* ones) {
  for (size_t k = 0; k < kCandidates; ++k) {
    uint32_t sum = 0;
    for (size_t i = 0; i < kGaps; ++i) sum += gaps[i] >> first >> k;
    ones[k] += sum;
  }
}

// Calls `take` with the gaps of `indices` in ascending order, kGaps at a time; those that the last
// lacks are 0.
template <typename Take>
void ForGaps(absl::Span<const int32_t> indices, Take take) {
  int32_t next = 0;
  Gaps gaps;
  for (size_t start = 0; start < indices.size(); start += kGaps) {
    const size_t size = std::min(kGaps, indices.size() - start);
    const int32_t* block = indices.data() + start;
    gaps[0] = static_cast<uint32_t>(block[0] - next);
    for (size_t i = 1; i < size; ++i) gaps[i] = static_cast<uint32_t>(block[i] - block[i - 1] - 1);
    std::fill(gaps.begin() + size, gaps.end(), 0);
    next = block[size - 1] + 1;
    take(gaps, size);
  }
}

int BestParameter(absl::Span<const int32_t> indices, const PositionCounts& counts) {
  const int first = FirstCandidate(counts);
  OnesOfCandidates ones{};
  ForGaps(indices, [&](const Gaps& gaps, size_t) { AddOnes(gaps.data(), first, ones.data()); });
  int best = first;
  int64_t best_bits = std::numeric_limits<int64_t>::max();
  for (int r = first; r <= LastCandidate(counts); ++r) {
    const int64_t bits = counts.kept * (r + 1) + ones[static_cast<size_t>(r - first)];
    if (bits < best_bits) best = r;
    best_bits = std::min(bits, best_bits);
  }
  return best;
}

void WriteGap(uint32_t gap, int parameter, BitWriter& writer) {
  const uint32_t ones = gap >> parameter;
  const uint64_t low = gap & ((uint32_t{1} << parameter) - 1);
  const uint64_t length = uint64_t{ones} + 1 + static_cast<uint64_t>(parameter);
  if (length <= 63) {
    const uint64_t unary = (uint64_t{1} << ones) - 1;
    writer.Write(low << 1 << ones | unary, static_cast<int>(length));
  } else {
    writer.WriteOnes(ones);
    writer.Write(low << 1, parameter + 1);
  }
}

}  // namespace

// Of gaps with P(g) = (1 - t) t^g a unary part has 1 / (1 - t^(2^r)) bits, so one more low bit pays
// where t^(2^r) > (sqrt(5) - 1) / 2, that is where 2^r < 0.48121 / -ln(t) (Kiely 2004, "Selecting
// the Golomb parameter in Rice coding"). With t = 1 - kept / count, -1 / ln(t) is nearly
// count / kept - 1/2, and 31537 / 2^16 nearly 0.48121.
int RiceParameter(const PositionCounts& counts) {
  if (counts.kept == 0) return 0;
  const int64_t wanted = (2 * counts.count - counts.kept) * 31537;
  int parameter = 0;
  while ((counts.kept << 17 << parameter) < wanted) ++parameter;
  return std::min(parameter, kMaxRiceParameter);
}

int64_t MaxRiceBytes(const PositionCounts& counts) {
  if (counts.kept == 0) return kRiceHeaderBytes;
  int64_t bytes = std::numeric_limits<int64_t>::max();
  for (int r = FirstCandidate(counts); r <= LastCandidate(counts); ++r) {
    bytes = std::min(bytes, RiceBytes(counts.kept, r, (counts.count - counts.kept) >> r));
  }
  return bytes;
}

int64_t MinRiceBytes(const PositionCounts& counts) {
  return RiceBytes(counts.kept, FirstCandidate(counts), 0);
}

int64_t WriteRicePositions(absl::Span<const int32_t> indices, const PositionCounts& counts,
                           char* out) {
  const int parameter = indices.empty() ? 0 : BestParameter(indices, counts);
  *out = static_cast<char>(parameter);
  BitWriter writer(out + kRiceHeaderBytes);
  ForGaps(indices, [&](const Gaps& gaps, size_t size) {
    for (size_t i = 0; i < size; ++i) WriteGap(gaps[i], parameter, writer);
  });
  return writer.Finish() - out;
}

}  // namespace tern::compression
