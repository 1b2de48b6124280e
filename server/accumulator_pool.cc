#include "server/accumulator_pool.h"

#include <utility>

namespace tern::server {

AccumulatorPool::Loan AccumulatorPool::Take() {
  {
    MutexLock lock(mutex_);
    if (!free_.empty()) {
      Loan aggregator = std::move(free_.back());
      free_.pop_back();
      return aggregator;
    }
  }
  return *aggregation::MakeAggregator(options_, limits_);
}

void AccumulatorPool::Return(Loan aggregator) {
  MutexLock lock(mutex_);
  free_.push_back(std::move(aggregator));
}

absl::StatusOr<aggregation::Aggregate> AccumulatorPool::Report(
    const aggregation::ReportInputs& inputs) {
  MutexLock lock(mutex_);
  if (free_.empty()) return absl::FailedPreconditionError("no update was accumulated");
  std::unique_ptr<aggregation::Aggregator> total = std::move(free_.back());
  free_.pop_back();
  for (auto& other : free_) total->Merge(std::move(*other));
  free_.clear();
  return std::move(*total).Report(inputs);
}

void AccumulatorPool::Clear() {
  MutexLock lock(mutex_);
  free_.clear();
}

}  // namespace tern::server
