// The aggregator of rules that are sums of terms, one for each update; see mean.h.
#ifndef TERN_AGGREGATION_STREAMING_AGGREGATOR_H_
#define TERN_AGGREGATION_STREAMING_AGGREGATOR_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "aggregation/aggregator.h"
#include "aggregation/weighted_sums.h"

namespace tern::aggregation {

class StreamingRule {
 public:
  virtual ~StreamingRule() = default;
  // What an update counts for; the same whatever came before.
  virtual WeightedSums::Term TermOf(const EncodedUpdate& update,
                                    const UpdateFacts& facts) const = 0;
  // Of the mean, when all updates are there.
  virtual double Multiplier(double /*mean_statistic*/) const { return 1.0; }
  // Aggregate::mean_squared_norm.
  virtual double MeanSquaredNorm(double /*mean_statistic*/) const { return 0.0; }
};

// What tells rules apart.
struct StreamingRuleId {
  absl::string_view name;  // must outlive the aggregator
  std::vector<double> options = {};
};

// INVALID_ARGUMENT, with the rule's name: as FractionBits and StatisticFractionBits.
absl::StatusOr<std::unique_ptr<Aggregator>> MakeStreamingAggregator(
    const StreamingRuleId& id, std::unique_ptr<const StreamingRule> rule, const SumLimits& limits);

}  // namespace tern::aggregation

#endif  // TERN_AGGREGATION_STREAMING_AGGREGATOR_H_
