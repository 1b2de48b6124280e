// Aggregators for a round's accumulating threads: each takes one that is free, or a new one if all
// are in use, so that there are never more than threads accumulate at once. Merging them gives the
// bits of a single one.
#ifndef TERN_SERVER_ACCUMULATOR_POOL_H_
#define TERN_SERVER_ACCUMULATOR_POOL_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "aggregation/aggregator.h"
#include "core/base/mutex.h"

namespace tern::server {

// Thread-safe.
class AccumulatorPool {
 public:
  // Name and limits were accepted by MakeAggregator before.
  AccumulatorPool(std::string aggregator, const aggregation::AggregatorLimits& limits)
      : aggregator_(std::move(aggregator)), limits_(limits) {}

  void Accumulate(const compression::Decoder& decoder, absl::string_view payload, int64_t weight);

  // The aggregate of all that was accumulated since the last Report; the pool is empty then. No
  // Accumulate may be running. FAILED_PRECONDITION if there was nothing.
  absl::StatusOr<std::vector<float>> Report();

  // Forgets what was accumulated.
  void Clear();

 private:
  const std::string aggregator_;
  const aggregation::AggregatorLimits limits_;
  Mutex mutex_;
  std::vector<std::unique_ptr<aggregation::Aggregator>> free_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tern::server

#endif  // TERN_SERVER_ACCUMULATOR_POOL_H_
