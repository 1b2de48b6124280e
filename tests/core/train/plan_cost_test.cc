#include "core/train/plan_cost.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/model/zoo.h"
#include "core/train/engine_trainer.h"
#include "tests/core/train/small_plan.h"
#include "tests/testing/fake_dataset.h"
#include "tests/testing/status_matchers.h"

namespace tern {
namespace {

using testing::FakeDataset;
using testing::IsOk;
using testing::SmallPlan;
using testing::StartOf;
using testing::StatusIs;

// What `trainer` reports.
int64_t TrainBytes(EngineTrainer& trainer, const Plan& plan, const Dataset& dataset) {
  std::vector<float> parameters = StartOf(plan);
  const auto report = trainer.Train(plan, 1, dataset, absl::MakeSpan(parameters));
  EXPECT_THAT(report, IsOk());
  return report.ok() ? report->train_bytes : -1;
}

TEST(PlanCost, TrainBytes_AreThoseThatTheTrainerReportsForEveryOption) {
  const FakeDataset dataset = FakeDataset::Random({2, 3, 3}, 4, 30);
  const Cost plain = PlanCost(SmallPlan(), 30).value();
  EngineTrainer trainer;
  for (const TrainOptions& train : testing::TrainOptionsWithMemory()) {
    Plan plan = SmallPlan();
    plan.train = train;
    const auto cost = PlanCost(plan, 30);
    ASSERT_THAT(cost, IsOk());
    EXPECT_EQ(cost->train_bytes, TrainBytes(trainer, plan, dataset));
    EXPECT_EQ(cost->train_bytes - plain.train_bytes,
              ToSgdOptions(train).num_vectors() * plain.num_parameters * 4);
    EXPECT_EQ(cost->training_flops, plain.training_flops);
  }
}

TEST(PlanCost, AfterALargerPlan_TheTrainerHoldsWhatTheSmallerOneNeeds) {
  const FakeDataset many = FakeDataset::Random({2, 3, 3}, 4, 500);
  const FakeDataset few = FakeDataset::Random({2, 3, 3}, 4, 7);
  Plan plan = SmallPlan();
  plan.train.batch_size = 64;
  EngineTrainer trainer;
  TrainBytes(trainer, plan, many);
  plan.train.batch_size = 2;
  EXPECT_EQ(TrainBytes(trainer, plan, few), PlanCost(plan, 7)->train_bytes);
}

TEST(PlanCost, TrainBytes_AreThoseThatTheTrainerReports) {
  EngineTrainer trainer;
  for (const char* model : {"tiny_cnn", "mlp_200_200", "lenet5"}) {
    for (const int64_t batch_size : {1, 10}) {
      const Plan plan = {.model = ZooModel(model).value(), .train = {.batch_size = batch_size}};
      const FakeDataset dataset = FakeDataset::Random({1, 28, 28}, 10, 13);
      const auto cost = PlanCost(plan, 13);
      ASSERT_THAT(cost, IsOk());
      EXPECT_EQ(cost->train_bytes, TrainBytes(trainer, plan, dataset))
          << model << " batch " << batch_size;
      EXPECT_EQ(PlanCost(plan)->train_bytes, cost->train_bytes - 13 * 4);
      EXPECT_EQ(cost->num_parameters, static_cast<int64_t>(StartOf(plan).size()));
      EXPECT_EQ(cost->encode_bytes, 0);
      EXPECT_EQ(cost->decode_bytes, 0);
    }
  }
}

TEST(PlanCost, PlanThatCannotRun_IsInvalidArgument) {
  Plan plan = SmallPlan();
  plan.train.batch_size = 0;
  EXPECT_THAT(PlanCost(plan), StatusIs(absl::StatusCode::kInvalidArgument, "batch_size is 0"));
  plan = SmallPlan();
  plan.model.layers.clear();
  EXPECT_THAT(PlanCost(plan), StatusIs(absl::StatusCode::kInvalidArgument, "0 layers"));
}

}  // namespace
}  // namespace tern
