// The part of a configuration that says how updates become the next model.
#ifndef TERN_SERVER_CONFIG_LOAD_STRATEGY_H_
#define TERN_SERVER_CONFIG_LOAD_STRATEGY_H_

#include "absl/status/status.h"
#include "aggregation/learning_rate_schedule.h"
#include "server/task.h"

namespace tern::v1 {
class Schedule;
class Strategy;
}  // namespace tern::v1

namespace tern::server {

// Sets the strategy of `task`, all of it. INVALID_ARGUMENT begins with the field: an unknown word.
// What else may be wrong is for ValidateTask to say.
absl::Status SetStrategy(const v1::Strategy& source, Task& task);

aggregation::LearningRateSchedule ScheduleOf(const v1::Schedule& source);

}  // namespace tern::server

#endif  // TERN_SERVER_CONFIG_LOAD_STRATEGY_H_
