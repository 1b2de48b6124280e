// `tern-sim plan`: what a round would cost each class of devices. Nothing is trained.
#ifndef TERN_SIMULATION_PLAN_COMMAND_H_
#define TERN_SIMULATION_PLAN_COMMAND_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/task.h"
#include "simulation/class_plans.h"

namespace tern::simulation {

struct PlanCommand {
  std::string config;
  std::vector<std::string> overrides;  // "a.b.c=value"
  bool memory = false;                 // shows what the plans' memory is made of, too
  std::string memory_svg;              // and draws it into this file; empty: does not
};

// Prints to standard output. Errors as LoadConfig, LoadDataset, ChoosePlans and
// WriteFileAtomically; FAILED_PRECONDITION: memory is asked for and every class is refused.
absl::Status ShowPlans(const PlanCommand& command);

// A table with two lines for each class: its plan, or why it gets none. INVALID_ARGUMENT as
// CountCost.
absl::StatusOr<std::string> DescribePlans(const server::Task& task,
                                          absl::Span<const ClassPlan> plans, int64_t num_examples);

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_PLAN_COMMAND_H_
