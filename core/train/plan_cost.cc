#include "core/train/plan_cost.h"

#include "core/base/status_macros.h"
#include "core/engine/program.h"

namespace tern {

absl::StatusOr<Cost> PlanCost(const Plan& plan, int64_t num_examples) {
  TERN_ASSIGN_OR_RETURN(Cost cost, CountCost(plan.model));
  TERN_ASSIGN_OR_RETURN(const Program program, Program::Compile(plan.model, plan.train.batch_size));
  const int64_t vectors = 1 + ToSgdOptions(plan.train).num_vectors();
  const int64_t floats = vectors * cost.num_parameters + program.arena_floats() +
                         plan.train.batch_size * NumElements(plan.model.input);
  const int64_t labels_and_order = plan.train.batch_size + num_examples;
  cost.train_bytes = floats * static_cast<int64_t>(sizeof(float)) +
                     labels_and_order * static_cast<int64_t>(sizeof(int32_t));
  return cost;
}

int64_t ExamplesTrained(const TrainOptions& train, int64_t num_examples) {
  const int64_t all = train.local_epochs * num_examples;
  if (train.max_local_steps == 0) return all;
  const int64_t steps_per_epoch = (num_examples - 1) / train.batch_size + 1;
  const int64_t epochs = train.max_local_steps / steps_per_epoch;
  if (epochs >= train.local_epochs) return all;
  return epochs * num_examples + train.max_local_steps % steps_per_epoch * train.batch_size;
}

}  // namespace tern
