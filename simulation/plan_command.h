// `tern-sim plan`: what a round would cost each class of devices. Nothing is trained.
#ifndef TERN_SIMULATION_PLAN_COMMAND_H_
#define TERN_SIMULATION_PLAN_COMMAND_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/config/load_config.h"

namespace tern::simulation {

struct PlanCommand {
  std::string config;
  std::vector<std::string> overrides;  // "a.b.c=value"
};

// Prints the plans to standard output. Errors as LoadConfig, LoadDataset and DescribePlans.
absl::Status ShowPlans(const PlanCommand& command);

// A table with two lines for each class of the configuration's population: the plan that a device
// with `num_examples` examples and a full battery gets, or why it gets none. Errors as
// Population::Create and Planner::Create.
absl::StatusOr<std::string> DescribePlans(const server::LoadedConfig& config, int64_t num_examples);

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_PLAN_COMMAND_H_
