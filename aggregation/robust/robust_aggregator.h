// Rules that withstand some updates that lie. They need all updates of a round at once, so they
// keep where each is, and read them back by blocks when they report.
#ifndef TERN_AGGREGATION_ROBUST_ROBUST_AGGREGATOR_H_
#define TERN_AGGREGATION_ROBUST_ROBUST_AGGREGATOR_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "aggregation/aggregator.h"

namespace tern::aggregation {

// Names of the rules that there are, in the order of MakeAggregator's comment.
std::vector<std::string> RobustRuleNames();
bool IsRobustRule(absl::string_view name);
// Whether the rule takes updates that hold some of the model's coordinates only.
bool RobustRuleTakesSubmodels(absl::string_view name);

// For a name of theirs. Errors as MakeAggregator.
absl::StatusOr<std::unique_ptr<Aggregator>> MakeRobustAggregator(const AggregatorOptions& options,
                                                                 const AggregatorLimits& limits);

}  // namespace tern::aggregation

#endif  // TERN_AGGREGATION_ROBUST_ROBUST_AGGREGATOR_H_
