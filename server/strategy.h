// How a task's updates become the next model: what of it depends on more than one of its parts.
#ifndef TERN_SERVER_STRATEGY_H_
#define TERN_SERVER_STRATEGY_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "aggregation/aggregator.h"
#include "core/wire/messages.h"
#include "server/task.h"

namespace tern::server {

// INVALID_ARGUMENT names the field, its value and what was expected: aggregator, server optimizer,
// weights and schedules, and whether they go with one another, with what the clients do, with the
// codecs and with the size of a cohort.
absl::Status ValidateStrategy(const Task& task, int64_t num_parameters);

// What the aggregator of `task` counts of the update of a client, which was trained as `train`
// says. `rank`: of the client's id among the cohort's, which no client can choose as it could a
// hash of its id. INVALID_ARGUMENT names the field of `report` that is missing or out of range.
absl::StatusOr<aggregation::UpdateFacts> FactsOf(const Task& task, const TrainOptions& train,
                                                 uint64_t rank, const UpdateReport& report);

}  // namespace tern::server

#endif  // TERN_SERVER_STRATEGY_H_
