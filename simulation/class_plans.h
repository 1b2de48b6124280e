// The plans that the classes of a population get, and what their memory is made of.
#ifndef TERN_SIMULATION_CLASS_PLANS_H_
#define TERN_SIMULATION_CLASS_PLANS_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/train/memory_report.h"
#include "core/wire/messages.h"
#include "server/config/load_config.h"
#include "server/planner.h"
#include "simulation/population.h"

namespace tern::simulation {

struct ClassPlan {
  DeviceClass device;
  CheckInRequest request;  // of a device of the class with a full battery
  std::variant<server::PlanChoice, Refusal> answer;
};

// For every class what a device with `num_examples` examples gets. Errors as Population::Create and
// Planner::Create.
absl::StatusOr<std::vector<ClassPlan>> ChoosePlans(const server::LoadedConfig& config,
                                                   int64_t num_examples);

struct PlanMemory {
  std::string plan;     // "width 0.5, batch 10 small, codec quantize(8)"
  std::string classes;  // that get it: "cortex_m7, nb_iot; phone_low, 4g"
  MemoryReport report;
};

// One for each plan that takes other memory than those before it; empty when every class is
// refused.
absl::StatusOr<std::vector<PlanMemory>> DescribeMemoryOfPlans(const server::Task& task,
                                                              absl::Span<const ClassPlan> plans);

// "10", "10 small", "32 in 4s".
std::string BatchText(const TrainOptions& train);

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_CLASS_PLANS_H_
