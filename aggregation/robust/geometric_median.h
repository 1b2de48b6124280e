// The geometric median of whole updates, by the smoothed Weiszfeld algorithm (Pillutla et al. 2022,
// Robust aggregation for federated learning, algorithm 2: RFA).
#ifndef TERN_AGGREGATION_ROBUST_GEOMETRIC_MEDIAN_H_
#define TERN_AGGREGATION_ROBUST_GEOMETRIC_MEDIAN_H_

#include <vector>

#include "absl/status/statusor.h"
#include "aggregation/robust/rule.h"

namespace tern::aggregation {

// With w the updates' weights, z at first their weighted mean, `iterations` times (0: 4)
//
//   beta_i = w_i / max(smoothing, |z - x_i|),   z = sum(beta_i x_i) / sum(beta_i)
//
// and fewer once sum(w_i |z - x_i|) changes by less than 1e-6 of itself, as the authors' program.
// ByzFL starts at 0, with smoothing 0.1 and 3 iterations. A client that may claim a large weight
// counts as much as many: bound weights, or make them equal.
absl::StatusOr<std::vector<float>> GeometricMedian(const RuleInputs& inputs);

}  // namespace tern::aggregation

#endif  // TERN_AGGREGATION_ROBUST_GEOMETRIC_MEDIAN_H_
