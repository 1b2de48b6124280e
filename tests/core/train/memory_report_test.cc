#include "core/train/memory_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "core/engine/program.h"
#include "core/model/zoo.h"
#include "core/train/plan_cost.h"
#include "tests/core/train/small_plan.h"
#include "tests/testing/status_matchers.h"

namespace tern {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::IsOk;
using ::testing::Not;
using testing::SmallPlan;
using testing::StatusIs;

MemoryReport ReportOf(const Plan& plan, int64_t num_examples = 0) {
  const auto report = DescribeMemory(plan, num_examples);
  EXPECT_THAT(report, IsOk());
  return report.value_or(MemoryReport());
}

std::vector<std::string> TensorNames(const MemoryReport& report) {
  std::vector<std::string> names;
  for (const ArenaTensor& tensor : report.tensors) names.push_back(tensor.name);
  return names;
}

// Plans of all models and memory modes, for several batches.
std::vector<Plan> PlansOfTheZoo() {
  std::vector<Plan> plans;
  for (const std::string& model : ZooModelNames()) {
    for (const int64_t batch_size : {1, 10, 32}) {
      for (const MemoryMode memory : {MemoryMode::kFast, MemoryMode::kSmall}) {
        plans.push_back({.model = ZooModel(model).value(),
                         .train = {.batch_size = batch_size, .memory = memory}});
      }
    }
  }
  return plans;
}

TEST(DescribeMemory, Peak_IsThePlanCostToTheByte) {
  for (Plan& plan : PlansOfTheZoo()) {
    for (TrainOptions train : testing::TrainOptionsWithMemory()) {
      train.batch_size = plan.train.batch_size;
      train.memory = plan.train.memory;
      for (const bool other_options : {false, true}) {
        train.micro_batch_size = other_options ? (train.batch_size + 1) / 2 : 0;
        train.only_present_classes = other_options;
        plan.train = train;
        EXPECT_EQ(ReportOf(plan, 37).peak_bytes(), PlanCost(plan, 37)->train_bytes)
            << plan.model.name << " batch " << train.batch_size;
      }
    }
  }
}

TEST(DescribeMemory, PeakOfEveryTrainingOption_IsThePlanCostToTheByte) {
  for (const TrainOptions& train : testing::EveryTrainOption()) {
    Plan plan = SmallPlan();
    plan.train = train;
    EXPECT_EQ(ReportOf(plan, 7).peak_bytes(), PlanCost(plan, 7)->train_bytes);
  }
}

TEST(DescribeMemory, Arena_IsThatOfTheProgram_AndHoldsTheLowerBoundAtTheFullestStep) {
  for (const Plan& plan : PlansOfTheZoo()) {
    const MemoryReport report = ReportOf(plan);
    const Program program = Program::Compile(plan.model, ToProgramOptions(plan.train)).value();
    EXPECT_EQ(report.arena_bytes, 4 * program.arena_floats());
    EXPECT_EQ(report.lower_bound_bytes, 4 * program.schedule().training.lower_bound_floats);
    std::vector<int64_t> alive(report.steps.size());
    for (const ArenaTensor& tensor : report.tensors) {
      EXPECT_LE(tensor.end_bytes(), report.arena_bytes);
      for (auto step = static_cast<size_t>(tensor.first_step);
           step <= static_cast<size_t>(tensor.last_step); ++step) {
        alive.at(step) += tensor.end_bytes() - tensor.offset_bytes;
      }
    }
    EXPECT_EQ(*std::max_element(alive.begin(), alive.end()), report.lower_bound_bytes);
    EXPECT_EQ(alive.at(static_cast<size_t>(report.fullest_step)), report.lower_bound_bytes);
  }
}

TEST(DescribeMemory, TensorsThatLiveTogether_DoNotOverlap) {
  for (const Plan& plan : PlansOfTheZoo()) {
    const std::vector<ArenaTensor> tensors = ReportOf(plan).tensors;
    for (size_t i = 0; i < tensors.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        const ArenaTensor& a = tensors[i];
        const ArenaTensor& b = tensors[j];
        if (a.last_step < b.first_step || b.last_step < a.first_step) continue;
        EXPECT_TRUE(a.end_bytes() <= b.offset_bytes || b.end_bytes() <= a.offset_bytes)
            << plan.model.name << ": " << a.name << ", " << b.name;
      }
    }
  }
}

TEST(DescribeMemory, StepsAndTensors_HaveTheNamesOfTheirLayers) {
  Plan plan = SmallPlan();
  plan.train.batch_size = 1;  // at which a dense layer has no workspace
  const MemoryReport report = ReportOf(plan);
  EXPECT_THAT(report.steps, ElementsAre("fc1 forward", "fc2 forward", "loss", "fc2 backward",
                                        "relu backward", "fc1 backward"));
  EXPECT_THAT(TensorNames(report),
              ElementsAre("fc1 output", "fc2 output", "gradient of fc1 output"));
}

TEST(DescribeMemory, NamesOfAModelsTensors_AreItsOwn) {
  for (const Plan& plan : PlansOfTheZoo()) {
    const std::vector<std::string> names = TensorNames(ReportOf(plan));
    EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size())
        << plan.model.name;
  }
}

TEST(DescribeMemory, Convolutions_HaveWorkspaceAndPoolingHasSaved) {
  Plan plan = {.model = ZooModel("lenet5").value()};
  const MemoryReport report = ReportOf(plan);
  EXPECT_THAT(TensorNames(report), Contains("gradient of conv1 output"));
  EXPECT_THAT(TensorNames(report), Contains("conv2 workspace (backward)"));
  EXPECT_THAT(report.steps, Contains("conv1 backward"));
}

TEST(DescribeMemory, WhatIsComputedAgain_SaysSo) {
  // The output of the first is kept for neither of the others.
  ModelSpec model = {.name = "deep", .input = {256}};
  for (int i = 0; i < 12; ++i) {
    const std::string number = std::to_string(i);
    model.layers.push_back({.name = "fc" + number, .kind = LayerKind::kDense, .units = 256});
    model.layers.push_back({.name = "relu" + number, .kind = LayerKind::kRelu});
  }
  Plan plan = {.model = model, .train = {.batch_size = 32}};
  const auto is_again = [](absl::string_view name) { return absl::EndsWith(name, " again"); };
  const MemoryReport fast = ReportOf(plan);
  EXPECT_EQ(std::count_if(fast.steps.begin(), fast.steps.end(), is_again), 0);
  plan.train.memory = MemoryMode::kSmall;
  const MemoryReport small = ReportOf(plan);
  EXPECT_LT(small.arena_bytes, fast.arena_bytes);
  EXPECT_THAT(small.steps, Contains("fc1 forward again"));
  EXPECT_THAT(TensorNames(small), Contains("fc1 output again"));
}

TEST(DescribeMemory, SharedParameters_HaveOneGradientUnderTheirName) {
  Plan plan = SmallPlan();
  plan.model.layers = {
      {.name = "flatten", .kind = LayerKind::kFlatten},
      {.name = "fc1", .kind = LayerKind::kDense, .parameters = "shared", .units = 18},
      {.name = "fc2", .kind = LayerKind::kDense, .parameters = "shared", .units = 18}};
  const MemoryReport report = ReportOf(plan);
  EXPECT_THAT(TensorNames(report), Contains("shared gradient of shared").Times(1));
  plan.model.layers[1].parameters.clear();
  plan.model.layers[2].parameters = "fc1";
  EXPECT_THAT(TensorNames(ReportOf(plan)), Contains("shared gradient of fc1").Times(1));
}

TEST(DescribeMemory, Held_IsWhatTheOptionsNeed) {
  Plan plan = SmallPlan();
  constexpr int64_t kParameters = 4 * (19 * 12 + 13 * 4);
  EXPECT_THAT(ReportOf(plan, 100).held,
              ElementsAre(MemoryItem{"parameters", kParameters},
                          MemoryItem{"inputs of a batch", 4 * 8 * 18}, MemoryItem{"labels", 4 * 8},
                          MemoryItem{"order of the examples", 400}));
  plan.train.momentum = 0.9f;
  plan.train.micro_batch_size = 2;
  plan.train.proximal_mu = 0.1f;
  plan.train.only_present_classes = true;
  EXPECT_THAT(
      ReportOf(plan, 100).held,
      ElementsAre(MemoryItem{"parameters", kParameters}, MemoryItem{"velocity", kParameters},
                  MemoryItem{"gradient", kParameters}, MemoryItem{"start of FedProx", kParameters},
                  MemoryItem{"inputs of a batch", 4 * 2 * 18}, MemoryItem{"labels", 4 * 2},
                  MemoryItem{"order of the examples", 400}, MemoryItem{"classes that occur", 4}));
  plan = SmallPlan();
  plan.train.method = ClientMethod::kScaffoldGradient;
  EXPECT_THAT(ReportOf(plan).held, Contains(MemoryItem{"gradient at the start", kParameters}));
  plan.train.scope.frozen_layers = {"fc1"};
  EXPECT_THAT(ReportOf(plan).held, Contains(MemoryItem{"gradient at the start", 4 * 13 * 4}));
}

TEST(DescribeMemory, PlanThatCannotRun_IsInvalidArgument) {
  Plan plan = SmallPlan();
  plan.train.batch_size = 0;
  EXPECT_THAT(DescribeMemory(plan, 1),
              StatusIs(absl::StatusCode::kInvalidArgument, "batch_size is 0"));
}

TEST(LargestItems, ComeFirst_EqualOnesInTheirOrder) {
  const std::vector<MemoryItem> items = {{"a", 5}, {"b", 70}, {"c", 5}, {"d", 1234567}};
  EXPECT_EQ(MemoryItemsText(LargestItems(items, 3)), "d 1,234,567 B, b 70 B, a 5 B");
  EXPECT_EQ(LargestItems(items, 9).size(), 4u);
  EXPECT_EQ(MemoryItemsText({}), "");
}

TEST(BytesText, GroupsDigitsByThree) {
  EXPECT_EQ(BytesText(0), "0 B");
  EXPECT_EQ(BytesText(999), "999 B");
  EXPECT_EQ(BytesText(1000), "1,000 B");
  EXPECT_EQ(BytesText(123456), "123,456 B");
}

}  // namespace
}  // namespace tern
