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
// No sum overflows: |x| <= A = ceil(max_update_abs), an integer, so |round(x * 2^S)| <= A * 2^S,
// and a sum over weights of total at most W has magnitude at most
// W * A * 2^S <= (2^bits(W) - 1) * (2^bits(A) - 1) * 2^S < 2^63 by (1). By (2) the rounded values
// stay below 2^51, where rounding is one addition; see mean.cc.
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

// The aggregate is sum(weight * x) / sum(weight). Its error is at most 2^-(S + 1) before it is
// rounded to a float. Memory: 8 bytes for each coordinate. INVALID_ARGUMENT as MeanFractionBits.
absl::StatusOr<std::unique_ptr<Aggregator>> MakeMeanAggregator(const AggregatorLimits& limits);

}  // namespace tern::aggregation

#endif  // TERN_AGGREGATION_MEAN_H_
