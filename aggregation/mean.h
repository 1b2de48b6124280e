// The weighted mean in exact integer arithmetic.
//
// Each coordinate x of an update is rounded once, to the nearest multiple of 2^-S; what is summed
// is the integer weight * round(x * 2^S), in 64 bits. Integer addition is associative, so neither
// the order of the updates nor how they are spread over aggregators can be seen in the result.
//
// S, the bits of the fraction, is chosen once from the limits: with bits(n) the binary digits of n,
//
//   bits(ceil(max_update_abs)) + S + bits(max_total_weight) <= 63        (1)
//   bits(ceil(max_update_abs)) + S <= 51                                 (2)
//   20 <= S <= 40
//
// Updates of submodels hold some coordinates only: the aggregate of a coordinate is the sum over
// the updates that hold it, divided by their weight (Diao et al. 2021, HeteroFL, section 3), and 0
// where no update holds it. Weights are summed for each distinct coordinate set, not for each
// coordinate; they are integers too.
//
// No sum overflows: |x| <= A = ceil(max_update_abs), an integer, so |round(x * 2^S)| <= A * 2^S,
// and a sum over weights of total at most W has magnitude at most
// W * A * 2^S <= (2^bits(W) - 1) * (2^bits(A) - 1) * 2^S < 2^63 by (1). By (2) the rounded values
// stay below 2^51, where rounding is one addition; see mean.cc. W bounds the weight of all updates,
// whatever they hold, so that each coordinate's is within it.
#ifndef TERN_AGGREGATION_MEAN_H_
#define TERN_AGGREGATION_MEAN_H_

#include <memory>

#include "absl/status/statusor.h"
#include "aggregation/aggregator.h"

namespace tern::aggregation {

inline constexpr int kMinFractionBits = 20;
inline constexpr int kMaxFractionBits = 40;

// S for these limits. INVALID_ARGUMENT shows the arithmetic when fewer than kMinFractionBits are
// left.
absl::StatusOr<int> MeanFractionBits(const AggregatorLimits& limits);

// The aggregate is sum(weight * x) / sum(weight), over those that hold the coordinate. Its error is
// at most 2^-(S + 1) before it is rounded to a float. Updates of stage `rotate` that hold all
// coordinates are added up before their inverse rotation, to multiples of 2^-(S - 7), where S is 27
// or more, and rotated back once, in Report, in 32-bit floating point: their error is that of
// 32-bit sums of 4096. Memory: 8 bytes for each coordinate of updates that are not rotated, 8 of
// those that are. Report takes time proportional to the coordinates plus, for each run of a set,
// the number of sets. INVALID_ARGUMENT as MeanFractionBits.
absl::StatusOr<std::unique_ptr<Aggregator>> MakeMeanAggregator(const AggregatorLimits& limits);

}  // namespace tern::aggregation

#endif  // TERN_AGGREGATION_MEAN_H_
