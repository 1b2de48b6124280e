#include "server/accumulator_pool.h"

#include <utility>

namespace tern::server {

void AccumulatorPool::Accumulate(const compression::Decoder& decoder, absl::string_view payload,
                                 int64_t weight) {
  std::unique_ptr<aggregation::Aggregator> aggregator;
  {
    MutexLock lock(mutex_);
    if (!free_.empty()) {
      aggregator = std::move(free_.back());
      free_.pop_back();
    }
  }
  if (aggregator == nullptr) aggregator = *aggregation::MakeAggregator(aggregator_, limits_);
  aggregator->Accumulate(decoder, payload, weight);
  MutexLock lock(mutex_);
  free_.push_back(std::move(aggregator));
}

absl::StatusOr<std::vector<float>> AccumulatorPool::Report() {
  MutexLock lock(mutex_);
  if (free_.empty()) return absl::FailedPreconditionError("no update was accumulated");
  std::unique_ptr<aggregation::Aggregator> total = std::move(free_.back());
  free_.pop_back();
  for (auto& other : free_) total->Merge(std::move(*other));
  free_.clear();
  return std::move(*total).Report();
}

void AccumulatorPool::Clear() {
  MutexLock lock(mutex_);
  free_.clear();
}

}  // namespace tern::server
