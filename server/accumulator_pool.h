// Aggregators for a round's accumulating threads: each takes one that is free, or a new one if all
// are in use, so that there are never more than threads accumulate at once. Merging them gives the
// bits of a single one.
#ifndef TERN_SERVER_ACCUMULATOR_POOL_H_
#define TERN_SERVER_ACCUMULATOR_POOL_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "aggregation/aggregator.h"
#include "core/base/mutex.h"

namespace tern::server {

// Thread-safe. Call order: (Take Return)* (Report | Clear).
class AccumulatorPool {
 public:
  // An aggregator for one thread. It may hold what others have accumulated: it must be returned.
  using Loan = std::unique_ptr<aggregation::Aggregator>;

  // Options and limits were accepted by MakeAggregator before.
  AccumulatorPool(aggregation::AggregatorOptions options,
                  const aggregation::AggregatorLimits& limits)
      : options_(std::move(options)), limits_(limits) {}

  Loan Take();
  void Return(Loan aggregator);

  // The aggregate of all that was returned since the last Report or Clear; the pool is empty then.
  // FAILED_PRECONDITION if there was nothing, or too little for the rule.
  absl::StatusOr<aggregation::Aggregate> Report(const aggregation::ReportInputs& inputs);

  // Forgets what was accumulated.
  void Clear();

 private:
  const aggregation::AggregatorOptions options_;
  const aggregation::AggregatorLimits limits_;
  Mutex mutex_;
  std::vector<Loan> free_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tern::server

#endif  // TERN_SERVER_ACCUMULATOR_POOL_H_
