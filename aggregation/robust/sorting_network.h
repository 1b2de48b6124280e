// Sorts many short sequences at once: one sequence in each lane of the processor's vectors.
#ifndef TERN_AGGREGATION_ROBUST_SORTING_NETWORK_H_
#define TERN_AGGREGATION_ROBUST_SORTING_NETWORK_H_

#include <cstdint>

namespace tern::aggregation {

inline constexpr int64_t kSortLanes = 64;

// `columns`: (n, kSortLanes), without NaN and -0; sorts each column, the smallest first. A network
// of comparisons that depend on n alone: Batcher's odd-even merge sort for any n (Knuth, The Art
// of Computer Programming 3, algorithm 5.2.2M), about n log2(n)^2 / 4 of them for each column.
void SortColumns(float* columns, int64_t n);

}  // namespace tern::aggregation

#endif  // TERN_AGGREGATION_ROBUST_SORTING_NETWORK_H_
