// Rules that look at each coordinate alone (Yin et al. 2018, Byzantine-robust distributed learning:
// towards optimal statistical rates). They take updates of submodels: each coordinate's aggregate
// is of the m updates that hold it.
#ifndef TERN_AGGREGATION_ROBUST_COORDINATE_RULES_H_
#define TERN_AGGREGATION_ROBUST_COORDINATE_RULES_H_

#include <vector>

#include "absl/status/statusor.h"
#include "aggregation/robust/rule.h"
#include "aggregation/robust/update_blocks.h"

namespace tern::aggregation {

// Definition 1 there. Of an even m, the mean of the middle two (numpy.median; Flower).
absl::StatusOr<std::vector<float>> CoordinateMedian(const RuleInputs& inputs);

// Definition 2 there: the mean without the largest and the smallest c values. c = `attackers`
// (ByzFL), or floor(trim * m) if trim > 0 (Flower, scipy.stats.trim_mean).
//
// Of both: a coordinate that fewer than 2 attackers + 1 updates hold stays as it is, at 0.
absl::StatusOr<std::vector<float>> TrimmedMean(const RuleInputs& inputs);

// Copies coordinates [first, first + kSortLanes) of a strip, counted from its begin, into `columns`
// (updates, kSortLanes) and sorts them.
void SortStripColumns(const UpdateStrip& strip, size_t num_updates, int64_t first, float* columns);

}  // namespace tern::aggregation

#endif  // TERN_AGGREGATION_ROBUST_COORDINATE_RULES_H_
