// Centered clipping (Karimireddy et al. 2021, Learning from history for Byzantine robust
// optimization, section 4).
#ifndef TERN_AGGREGATION_ROBUST_CENTERED_CLIP_H_
#define TERN_AGGREGATION_ROBUST_CENTERED_CLIP_H_

#include <vector>

#include "absl/status/statusor.h"
#include "aggregation/robust/rule.h"

namespace tern::aggregation {

// With v at first the last round's aggregate (0 where none is given, as ByzFL in every round),
// `iterations` times (0: 1)
//
//   v += sum((x_i - v) min(1, clip_norm / |x_i - v|)) / n
absl::StatusOr<std::vector<float>> CenteredClip(const RuleInputs& inputs);

}  // namespace tern::aggregation

#endif  // TERN_AGGREGATION_ROBUST_CENTERED_CLIP_H_
