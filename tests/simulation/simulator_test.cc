#include "simulation/simulator.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/model/parameter_layout.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/simulation/small_task.h"
#include "tests/testing/fake_dataset.h"

namespace tern::simulation {
namespace {

using ::testing::HasSubstr;

class SimulatorTest : public ::testing::Test {
 protected:
  // The model's hash after every round.
  std::vector<std::string> Run(server::Task task, int num_threads) {
    auto simulator = Simulator::Create({.task = std::move(task), .num_threads = num_threads},
                                       &train_, *PartitionIid(train_.size(), 20, 1), &test_);
    EXPECT_TRUE(simulator.ok()) << simulator.status();
    std::vector<std::string> hashes;
    while (!(*simulator)->finished()) {
      const absl::StatusOr<SimulatedRound> round = (*simulator)->RunRound();
      if (!round.ok()) {
        ADD_FAILURE() << round.status();
        break;
      }
      rounds_.push_back(*round);
      hashes.push_back(round->record.model->hash);
    }
    traffic_ = (*simulator)->total_traffic();
    return hashes;
  }

  testing::FakeDataset train_ = testing::FakeDataset::Random({8}, 4, 400);
  testing::FakeDataset test_ = testing::FakeDataset::Random({8}, 4, 100);
  std::vector<SimulatedRound> rounds_;
  server::Traffic traffic_;
};

TEST_F(SimulatorTest, GivesTheSameModelsForAnyNumberOfThreads) {
  const std::vector<std::string> one = Run(SmallTask(), 1);
  EXPECT_EQ(one.size(), 5u);
  EXPECT_EQ(Run(SmallTask(), 2), one);
  EXPECT_EQ(Run(SmallTask(), 5), one);
}

TEST_F(SimulatorTest, GivesTheSameModelsForAnyNumberOfThreads_WithOverSelection) {
  server::Task task = SmallTask();
  task.round.over_selection = 1.5;
  const std::vector<std::string> one = Run(task, 1);
  EXPECT_EQ(Run(task, 3), one);
  EXPECT_EQ(rounds_[0].record.clients_selected, 9);
  EXPECT_EQ(rounds_[0].record.clients_completed, 6);
  EXPECT_EQ(rounds_[0].record.clients_dropped.at("not_needed"), 3);
}

TEST_F(SimulatorTest, AnotherSeed_GivesAnotherModel) {
  server::Task task = SmallTask();
  const std::vector<std::string> one = Run(task, 1);
  task.seed = 2;
  EXPECT_NE(Run(task, 1).back(), one.back());
}

TEST_F(SimulatorTest, TrainsAndCountsBytesAndMemory) {
  server::Task task = SmallTask();
  task.num_rounds = 30;
  Run(task, 2);
  EXPECT_LT(rounds_.back().record.train_loss, 0.8 * rounds_.front().record.train_loss);
  ASSERT_TRUE(rounds_.back().evaluation.has_value());
  EXPECT_EQ(rounds_.back().evaluation->num_examples, 100);
  const server::RoundRecord& record = rounds_.back().record;
  EXPECT_EQ(record.clients_available, 20);
  EXPECT_GT(record.traffic.bytes_up, 6 * 212);  // 212 parameters, one byte each
  EXPECT_GT(record.traffic.bytes_down, 6 * 4 * 212);
  EXPECT_GT(record.device_peak_memory_bytes, 2 * 4 * 212);
  EXPECT_GE(traffic_.bytes_up, 30 * 6 * 212);
}

// Half-width submodels know a frozen layer by the same name.
TEST_F(SimulatorTest, FrozenLayer_StaysBitForBitInWideAndNarrowModels) {
  for (const double width : {1.0, 0.5}) {
    server::Task task = SmallTask();
    task.adapt.widths = {width};
    task.train.momentum = 0.9f;
    task.train.weight_decay = 0.01f;
    task.train.scope.frozen_layers = {"fc1"};
    const auto initial = InitialParameters(MakeParameterLayout(task.model).value(), task.seed);
    rounds_.clear();
    Run(task, 2);
    const std::vector<float>& parameters = rounds_.back().record.model->parameters;
    constexpr std::ptrdiff_t kFc1 = 8 * 16 + 16;
    EXPECT_TRUE(std::equal(parameters.begin(), parameters.begin() + kFc1, initial.begin()));
    EXPECT_NE(parameters, initial);
  }
}

TEST_F(SimulatorTest, EvaluatesWithTheLossOfTheTask) {
  server::Task task = SmallTask();
  task.train.loss = {.kind = LossKind::kMeanSquaredError};
  Run(task, 2);
  ThreadPool pool(1);
  const std::vector<float>& parameters = rounds_.back().record.model->parameters;
  const auto expected = Evaluate(task.model, parameters, test_, pool, task.train.loss);
  const auto other = Evaluate(task.model, parameters, test_, pool);
  EXPECT_EQ(rounds_.back().evaluation->loss, expected->loss);
  EXPECT_NE(rounds_.back().evaluation->loss, other->loss);
}

TEST_F(SimulatorTest, MoreClientsPerRoundThanThereAre_IsAnErrorThatNamesBoth) {
  server::Task task = SmallTask();
  task.round.cohort_size = 21;
  const auto simulator =
      Simulator::Create({.task = task}, &train_, *PartitionIid(400, 20, 1), &test_);
  EXPECT_EQ(simulator.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(simulator.status().message(), HasSubstr("selects 21 clients"));
}

TEST_F(SimulatorTest, AModelThatDoesNotFitTheData_EndsWithTheClientsMessage) {
  server::Task task = SmallTask();
  task.model.input = {9};
  const auto simulator =
      Simulator::Create({.task = task}, &train_, *PartitionIid(400, 20, 1), &test_);
  ASSERT_TRUE(simulator.ok());
  const absl::Status status = (*simulator)->RunRound().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(status.message(), HasSubstr("client 'client-"));
}

}  // namespace
}  // namespace tern::simulation
