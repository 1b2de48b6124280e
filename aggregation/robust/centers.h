// What rules need that look at whole updates: weighted sums of them, and distances.
#ifndef TERN_AGGREGATION_ROBUST_CENTERS_H_
#define TERN_AGGREGATION_ROBUST_CENTERS_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "aggregation/robust/update_blocks.h"

namespace tern::aggregation {

// The most that a coordinate may be, so that sums of squares of differences stay finite in 32 bits.
inline constexpr float kMaxComparedAbs = 1e15f;

// |a - b|^2 of `size` coordinates, a multiple of kStripUnit. In each lane 16 squares are added up
// in 32 bits, all else in 64: for the random errors of rounding the relative error is about 1e-8
// over 10,000 coordinates, and at most 1e-6. Differences below 1e-19 count as 0.
double SquaredDistance(const float* a, const float* b, int64_t size);

// center = keep * center + sum(factors_i * x_i), in double precision, rounded once. Returns the
// squared distances of all updates to the new center. `center`: blocks.count() coordinates;
// `factors`: of each update. Reads the updates once.
std::vector<double> MoveCenter(UpdateBlocks& blocks, double keep, absl::Span<const double> factors,
                               absl::Span<float> center);

// sum(factors_i * x_i), as above.
std::vector<float> WeightedSum(UpdateBlocks& blocks, absl::Span<const double> factors);

}  // namespace tern::aggregation

#endif  // TERN_AGGREGATION_ROBUST_CENTERS_H_
