// What every robust rule is a function of.
#ifndef TERN_AGGREGATION_ROBUST_RULE_H_
#define TERN_AGGREGATION_ROBUST_RULE_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "aggregation/aggregator.h"
#include "aggregation/robust/kept_updates.h"

namespace tern::aggregation {

// As many updates as the rule needs, under options that it takes.
struct RuleInputs {
  absl::Span<const KeptUpdate> updates;  // by ascending id
  int64_t count = 0;                     // coordinates of the model
  const AggregatorOptions& options;
  const ReportInputs& given;

  int64_t num_updates() const { return static_cast<int64_t>(updates.size()); }
};

// Returns `count` values. FAILED_PRECONDITION: what was given, or the updates, do not allow one.
using RuleFunction = absl::StatusOr<std::vector<float>> (*)(const RuleInputs& inputs);

}  // namespace tern::aggregation

#endif  // TERN_AGGREGATION_ROBUST_RULE_H_
