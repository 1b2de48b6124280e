// What a plan costs the device that trains it, known before it runs.
#ifndef TERN_CORE_TRAIN_PLAN_COST_H_
#define TERN_CORE_TRAIN_PLAN_COST_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "core/model/cost.h"
#include "core/train/plan.h"

namespace tern {

// Parameters, operations (of training those that the plan does, with what it computes twice and
// without what it leaves frozen), and train_bytes: what EngineTrainer holds while it trains the
// plan on `num_examples` examples, parameters included (the few kilobytes of the compiled program
// are not counted). The other phases are not a matter of training, their memory stays 0.
// INVALID_ARGUMENT as Program::Compile.
absl::StatusOr<Cost> PlanCost(const Plan& plan, int64_t num_examples = 0);

// Whether training keeps a whole gradient beside the parameters.
bool NeedsGradient(const TrainOptions& train);

// The examples that a training goes over; the last step of an epoch takes those that are left.
int64_t ExamplesTrained(const TrainOptions& train, int64_t num_examples);

// Operations before the first step: of the pass that option I of SCAFFOLD or the start loss needs.
// `cost` is PlanCost's.
double StartFlops(const Cost& cost, const TrainOptions& train, int64_t num_examples);

}  // namespace tern

#endif  // TERN_CORE_TRAIN_PLAN_COST_H_
