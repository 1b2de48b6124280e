#include "aggregation/robust/sorting_network.h"

#include <bit>

#include "core/base/simd_clones.h"

namespace tern::aggregation {
namespace {

// Puts the smaller of each two into `low`, the larger into `high`.
inline void CompareRows(float* __restrict low, float* __restrict high) {
  for (int64_t lane = 0; lane < kSortLanes; ++lane) {
    const float a = low[lane];
    const float b = high[lane];
    low[lane] = a < b ? a : b;
    high[lane] = a < b ? b : a;
  }
}

}  // namespace

TERN_SIMD_CLONES void SortColumns(float* columns, int64_t n) {
  if (n < 2) return;
  const auto top = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(n)) / 2);
  for (int64_t p = top; p > 0; p /= 2) {
    int64_t remainder = 0;
    int64_t distance = p;
    for (int64_t q = top;; q /= 2) {
      for (int64_t i = 0; i < n - distance; ++i) {
        if ((i & p) != remainder) continue;
        CompareRows(columns + i * kSortLanes, columns + (i + distance) * kSortLanes);
      }
      if (q == p) break;
      distance = q - p;
      remainder = p;
    }
  }
}

}  // namespace tern::aggregation
