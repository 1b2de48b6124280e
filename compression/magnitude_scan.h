// Finds the few large ones among many values, at nearly the speed of reading them: sparsifiers.
#ifndef TERN_COMPRESSION_MAGNITUDE_SCAN_H_
#define TERN_COMPRESSION_MAGNITUDE_SCAN_H_

#include <algorithm>
#include <array>
#include <cstdint>

#include "absl/types/span.h"

namespace tern::compression {

// Values that are scanned at a time.
inline constexpr int64_t kScanRun = 1024;
// The indices of one run, and room that FindAtLeast overwrites behind them.
using ScanIndices = std::array<int32_t, kScanRun + 4>;

// Fills `indices` with those of `values`, at most kScanRun floats, whose MagnitudeBits are at least
// `lowest_bits`, ascending, plus `first`; returns how many. Not a number counts as largest.
int64_t FindAtLeast(absl::Span<const float> values, int32_t lowest_bits, int32_t first,
                    ScanIndices& indices);

// Calls visit(indices) with the indices of all such values, a run after the other.
template <typename Visit>
void ScanAtLeast(absl::Span<const float> values, int32_t lowest_bits, Visit visit) {
  ScanIndices indices;
  for (size_t start = 0; start < values.size(); start += kScanRun) {
    const int64_t found = FindAtLeast(values.subspan(start, kScanRun), lowest_bits,
                                      static_cast<int32_t>(start), indices);
    visit(absl::MakeConstSpan(indices.data(), static_cast<size_t>(found)));
  }
}

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_MAGNITUDE_SCAN_H_
