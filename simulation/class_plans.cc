#include "simulation/class_plans.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/model/submodel.h"
#include "core/wire/device_memory.h"
#include "simulation/device_capabilities.h"

namespace tern::simulation {
namespace {

// As a lease carries it, but for what takes no memory.
absl::StatusOr<Plan> MakePlan(const server::Task& task, const server::PlanChoice& choice) {
  TERN_ASSIGN_OR_RETURN(
      const Submodel submodel,
      MakeSubmodel(task.model, {.rule = task.adapt.submodel, .width = choice.width}));
  TrainOptions train = choice.train;
  train.max_local_steps = 0;
  return Plan{.model = submodel.model,
              .train = train,
              .codec = choice.codec,
              .submodel = submodel.name,
              .error_feedback = choice.error_feedback};
}

std::string PlanText(const server::PlanChoice& choice) {
  return absl::StrCat("width ", choice.width, ", batch ", BatchText(choice.train), ", codec ",
                      choice.codec);
}

}  // namespace

absl::StatusOr<std::vector<ClassPlan>> ChoosePlans(const server::LoadedConfig& config,
                                                   int64_t num_examples) {
  TERN_ASSIGN_OR_RETURN(const Population population,
                        Population::Create(config.population, config.num_clients, config.seed));
  TERN_ASSIGN_OR_RETURN(const server::Planner planner, server::Planner::Create(config.task));
  std::vector<ClassPlan> plans;
  for (const DeviceClass& device : population.classes()) {
    const DeviceProfile& profile = device.profile;
    CheckInRequest request = {
        .capabilities = DeclaredCapabilities(profile, FullBatteryJoules(profile.battery)),
        .num_examples = num_examples};
    auto answer = planner.Choose(request);
    plans.push_back({.device = device, .request = std::move(request), .answer = std::move(answer)});
  }
  return plans;
}

absl::StatusOr<std::vector<PlanMemory>> DescribeMemoryOfPlans(const server::Task& task,
                                                              absl::Span<const ClassPlan> plans) {
  std::vector<PlanMemory> memories;
  std::vector<Plan> described;  // those of `memories`
  for (const ClassPlan& entry : plans) {
    const auto* choice = std::get_if<server::PlanChoice>(&entry.answer);
    if (choice == nullptr) continue;
    TERN_ASSIGN_OR_RETURN(const Plan plan, MakePlan(task, *choice));
    const auto same = std::find(described.begin(), described.end(), plan);
    if (same != described.end()) {
      std::string& classes = memories[static_cast<size_t>(same - described.begin())].classes;
      absl::StrAppend(&classes, "; ", entry.device.name);
      continue;
    }
    TERN_ASSIGN_OR_RETURN(MemoryReport report,
                          DescribeDeviceMemory(plan, entry.request.num_examples));
    memories.push_back(
        {.plan = PlanText(*choice), .classes = entry.device.name, .report = std::move(report)});
    described.push_back(plan);
  }
  return memories;
}

std::string BatchText(const TrainOptions& train) {
  std::string text = absl::StrCat(train.batch_size);
  if (train.micro_batch_size > 0 && train.micro_batch_size < train.batch_size) {
    absl::StrAppend(&text, " in ", train.micro_batch_size, "s");
  }
  if (train.memory == MemoryMode::kSmall) absl::StrAppend(&text, " small");
  return text;
}

}  // namespace tern::simulation
