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
  const auto report = trainer.Train(plan, 1, dataset, absl::MakeSpan(parameters), {});
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
    const SgdOptions sgd = ToSgdOptions(train);
    const int vectors =
        int{sgd.needs_velocity()} + int{sgd.needs_gradient()} + int{sgd.needs_start()};
    EXPECT_EQ(cost->train_bytes - plain.train_bytes, vectors * plain.num_parameters * 4);
    EXPECT_EQ(cost->training_flops, plain.training_flops);
  }
  for (const TrainOptions& train : testing::EveryTrainOption()) {
    Plan plan = SmallPlan();
    plan.train = train;
    EXPECT_EQ(PlanCost(plan, 30)->train_bytes, TrainBytes(trainer, plan, dataset));
  }
}

// A product of a dense layer takes 2 * inputs * units operations in each pass, its bias `units`.
TEST(PlanCost, FrozenLayers_CostNeitherTheirGradientsNorTheVectorsOfSgd) {
  Plan plan = SmallPlan();
  plan.train.momentum = 0.9f;
  const Cost whole = PlanCost(plan).value();
  plan.train.scope.frozen_layers = {"fc1"};
  const Cost last = PlanCost(plan).value();
  // fc1 maps 18 to 12: the gradients of its weight, bias and ReLU and of fc2's input go.
  EXPECT_EQ(last.training_flops, whole.training_flops - (2 * 18 * 12 + 12) - 12 - 2 * 12 * 4);
  EXPECT_LE(last.train_bytes, whole.train_bytes - 4 * (18 + 1) * 12);
  plan.train.scope.frozen_layers = {"fc2"};
  const Cost first = PlanCost(plan).value();
  EXPECT_EQ(first.training_flops, whole.training_flops - (2 * 12 * 4 + 4));
  EXPECT_LE(first.train_bytes, whole.train_bytes - 4 * (12 + 1) * 4);
  EXPECT_EQ(first.num_parameters, whole.num_parameters);
}

TEST(PlanCost, MicroBatches_CostMemoryOnly_InPlaceOfTheWholeBatch) {
  Plan plan = {.model = ZooModel("lenet5").value(), .train = {.batch_size = 16}};
  const Cost whole = PlanCost(plan).value();
  plan.train.micro_batch_size = 16;
  EXPECT_EQ(PlanCost(plan)->train_bytes, whole.train_bytes);
  plan.train.micro_batch_size = 1;
  const Cost one = PlanCost(plan).value();
  plan.train = {.batch_size = 1};
  // As a batch of one, and the gradient of the parameters.
  EXPECT_EQ(one.train_bytes, PlanCost(plan)->train_bytes + 4 * one.num_parameters);
  EXPECT_LT(one.train_bytes, whole.train_bytes);
  EXPECT_EQ(one.training_flops, whole.training_flops);
}

TEST(StartFlops, AreOfThePassThatTheStartLossOrGradientNeeds) {
  TrainOptions train = SmallPlan().train;
  const Cost cost = PlanCost(SmallPlan()).value();
  EXPECT_EQ(StartFlops(cost, train, 30), 0.0);
  train.method = ClientMethod::kScaffold;
  EXPECT_EQ(StartFlops(cost, train, 30), 0.0);
  train.measure_start_loss = true;
  EXPECT_EQ(StartFlops(cost, train, 30), 30.0 * static_cast<double>(cost.forward_flops));
  // The gradient's pass gives the loss, too.
  train.method = ClientMethod::kScaffoldGradient;
  EXPECT_EQ(StartFlops(cost, train, 30), 30.0 * static_cast<double>(cost.training_flops));
}

TEST(PlanCost, ScopeThatIsNotOfTheModel_IsInvalidArgument) {
  Plan plan = SmallPlan();
  plan.train.scope.frozen_layers = {"fc9"};
  EXPECT_THAT(PlanCost(plan), StatusIs(absl::StatusCode::kInvalidArgument,
                                       "frozen_layers has 'fc9', expected a layer of model"));
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
