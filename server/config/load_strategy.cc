#include "server/config/load_strategy.h"

#include "absl/strings/str_cat.h"
#include "aggregation/server_optimizer.h"
#include "server/update_weight.h"
#include "tern/v1/config.pb.h"

namespace tern::server {

aggregation::LearningRateSchedule ScheduleOf(const v1::Schedule& source) {
  return {.kind = source.kind(),
          .warmup_rounds = source.warmup_rounds(),
          .decay = source.decay(),
          .every = source.every(),
          .floor = source.floor()};
}

absl::Status SetStrategy(const v1::Strategy& source, Task& task) {
  const auto in_field = [](absl::string_view field, const absl::Status& status) {
    return absl::Status(status.code(),
                        absl::StrCat("task.strategy.", field, ": ", status.message()));
  };
  const auto weights = ParseWeightKind(source.weights());
  if (!weights.ok()) return in_field("weights", weights.status());
  const auto variant = aggregation::ParseAdaptiveVariant(source.variant());
  if (!variant.ok()) return in_field("variant", variant.status());
  task.aggregator = {.name = source.aggregator(),
                     .attackers = source.attackers(),
                     .trim = source.trim(),
                     .keep = source.keep(),
                     .clip_norm = source.clip_norm(),
                     .iterations = source.iterations(),
                     .smoothing = source.smoothing(),
                     .fairness = source.fairness()};
  task.optimizer = {.name = source.optimizer(),
                    .learning_rate = source.learning_rate(),
                    .momentum = source.momentum(),
                    .variant = *variant,
                    .beta1 = source.beta1(),
                    .beta2 = source.beta2(),
                    .tau = source.tau(),
                    .epsilon = source.epsilon()};
  task.server_schedule = ScheduleOf(source.schedule());
  task.weights = {.kind = *weights, .max_weight = source.max_weight()};
  task.max_update_abs = source.max_update_abs();
  task.max_num_examples = source.max_num_examples();
  task.population_size = source.population_size();
  task.root_examples = source.root_examples();
  return absl::OkStatus();
}

}  // namespace tern::server
