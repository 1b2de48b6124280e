#include "simulation/class_plans.h"

#include <string>
#include <vector>

#include "core/model/zoo.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace tern::simulation {
namespace {

using ::tern::testing::IsOk;
using ::testing::IsEmpty;

server::LoadedConfig ConfigOf(const std::vector<server::DeviceGroupOptions>& population) {
  server::LoadedConfig config;
  config.num_clients = 100;
  config.population = population;
  config.task = {.name = "study",
                 .model = *ZooModel("lenet5"),
                 .adapt = {.widths = {1.0, 0.25}},
                 .round = {.deadline = absl::Hours(1)}};
  return config;
}

std::vector<ClassPlan> PlansOf(const server::LoadedConfig& config) {
  auto plans = ChoosePlans(config, 600);
  EXPECT_THAT(plans, IsOk());
  return plans.ok() ? *std::move(plans) : std::vector<ClassPlan>();
}

TEST(ChoosePlans, EachClass_GetsWhatThePlannerGivesIt) {
  const std::vector<ClassPlan> plans =
      PlansOf(ConfigOf({{.profile = "raspberry_pi_4", .fraction = 0.5},
                        {.profile = "phone_low", .fraction = 0.5, .ram_bytes = 1000}}));
  ASSERT_EQ(plans.size(), 2u);
  EXPECT_EQ(plans[0].device.name, "raspberry_pi_4, wifi");
  EXPECT_EQ(plans[0].request.num_examples, 600);
  EXPECT_EQ(std::get<server::PlanChoice>(plans[0].answer).width, 1.0);
  EXPECT_EQ(std::get<Refusal>(plans[1].answer).reason, RefusalReason::kDeviceTooSmall);
}

TEST(ChoosePlans, ProfileThatDoesNotExist_IsNotFound) {
  EXPECT_EQ(ChoosePlans(ConfigOf({{.profile = "abacus", .fraction = 1.0}}), 600).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(DescribeMemoryOfPlans, ClassesWithTheSamePlan_ShareOneDescription) {
  const server::LoadedConfig config =
      ConfigOf({{.profile = "raspberry_pi_4", .fraction = 0.3},
                {.profile = "phone_low", .fraction = 0.3, .ram_bytes = 200000},
                {.profile = "phone_low", .fraction = 0.2, .ram_bytes = 1000},
                {.profile = "laptop", .fraction = 0.2}});
  const std::vector<ClassPlan> plans = PlansOf(config);
  const auto memories = DescribeMemoryOfPlans(config.task, plans);
  ASSERT_THAT(memories, IsOk());
  ASSERT_EQ(memories->size(), 2u);
  const PlanMemory& full = memories->at(0);
  const PlanMemory& narrow = memories->at(1);
  EXPECT_EQ(full.plan, "width 1, batch 10, codec none");
  EXPECT_EQ(full.classes, "raspberry_pi_4, wifi; laptop, wifi");
  EXPECT_EQ(narrow.plan, "width 0.25, batch 10, codec none");
  for (const auto& [memory, index] : {std::pair(full, 0), std::pair(narrow, 1)}) {
    const auto& plan = std::get<server::PlanChoice>(plans[static_cast<size_t>(index)].answer);
    EXPECT_EQ(memory.report.peak_bytes(), plan.estimate.peak_bytes);
  }
}

TEST(DescribeMemoryOfPlans, WhenAllAreRefused_IsEmpty) {
  const server::LoadedConfig config =
      ConfigOf({{.profile = "phone_low", .fraction = 1.0, .ram_bytes = 1000}});
  const auto memories = DescribeMemoryOfPlans(config.task, PlansOf(config));
  ASSERT_THAT(memories, IsOk());
  EXPECT_THAT(*memories, IsEmpty());
}

TEST(BatchText, SaysHowTheBatchIsTrained) {
  EXPECT_EQ(BatchText({.batch_size = 10}), "10");
  EXPECT_EQ(BatchText({.batch_size = 10, .memory = MemoryMode::kSmall}), "10 small");
  EXPECT_EQ(BatchText({.batch_size = 32, .micro_batch_size = 4}), "32 in 4s");
  EXPECT_EQ(BatchText({.batch_size = 32, .micro_batch_size = 32}), "32");
}

}  // namespace
}  // namespace tern::simulation
