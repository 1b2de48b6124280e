// How a learning rate changes over the rounds of a task.
#ifndef TERN_AGGREGATION_LEARNING_RATE_SCHEDULE_H_
#define TERN_AGGREGATION_LEARNING_RATE_SCHEDULE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace tern::aggregation {

struct LearningRateSchedule {
  // constant; exponential: decay^(r / every); step: decay^floor(r / every); inverse_sqrt:
  // 1 / sqrt(1 + r / every); cosine: from 1 down to what would be `floor` in the round after the
  // last. r: rounds before this one, without those of the warm-up.
  std::string kind = "constant";
  int64_t warmup_rounds = 0;  // the factor rises from 1 / (warmup_rounds + 1) to 1, linearly
  float decay = 0.99f;        // exponential, step: above 0, at most 1
  int64_t every = 1;          // exponential, step, inverse_sqrt: rounds
  float floor = 0.0f;         // no factor of any kind, warm-up apart, is less; below 1

  bool operator==(const LearningRateSchedule&) const = default;
};

// INVALID_ARGUMENT names the field, its value and what was expected.
absl::Status ValidateSchedule(const LearningRateSchedule& schedule);

// What the learning rate is multiplied by in round `round`, from 1 to `num_rounds`.
float ScheduleFactor(const LearningRateSchedule& schedule, int64_t round, int64_t num_rounds);

}  // namespace tern::aggregation

#endif  // TERN_AGGREGATION_LEARNING_RATE_SCHEDULE_H_
