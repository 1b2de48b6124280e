#include "core/train/engine_trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "core/base/random.h"
#include "core/model/zoo.h"
#include "core/train/plan_cost.h"
#include "tests/core/engine/allocation_counter.h"
#include "tests/testing/fake_dataset.h"
#include "tests/testing/status_matchers.h"

namespace tern {
namespace {

using testing::FakeDataset;
using testing::IsOk;
using testing::StatusIs;

ModelSpec SmallModel() {
  return {.name = "small",
          .input = {2, 3, 3},
          .layers = {{.name = "flatten", .kind = LayerKind::kFlatten},
                     {.name = "fc1", .kind = LayerKind::kDense, .units = 12},
                     {.name = "relu", .kind = LayerKind::kRelu},
                     {.name = "fc2", .kind = LayerKind::kDense, .units = 4}}};
}

Plan SmallPlan() {
  return {.model = SmallModel(),
          .train = {.local_epochs = 2, .batch_size = 8, .learning_rate = 0.1f},
          .seed = 5,
          .round = 3};
}

std::vector<float> StartOf(const Plan& plan) {
  return InitialParameters(MakeParameterLayout(plan.model).value(), 9);
}

// Trains from the plan's start and returns the parameters.
std::vector<float> Train(EngineTrainer& trainer, const Plan& plan, const Dataset& dataset,
                         uint64_t client = 77) {
  std::vector<float> parameters = StartOf(plan);
  EXPECT_THAT(trainer.Train(plan, client, dataset, absl::MakeSpan(parameters)), IsOk());
  return parameters;
}

TEST(EngineTrainer, Report_CountsExamplesStepsAndLoss) {
  // 20 examples in batches of 8: two whole steps and a short one in each of two epochs.
  const FakeDataset dataset = FakeDataset::Random({2, 3, 3}, 4, 20);
  const Plan plan = SmallPlan();
  std::vector<float> parameters = StartOf(plan);
  EngineTrainer trainer;
  const auto report = trainer.Train(plan, 77, dataset, absl::MakeSpan(parameters));
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->num_examples, 20);
  EXPECT_EQ(report->local_steps, 6);
  EXPECT_GT(report->train_loss, 0.5);
  EXPECT_LT(report->train_loss, 2.0);
}

TEST(EngineTrainer, Training_IsTheStepsOverTheStatedOrder) {
  const FakeDataset dataset = FakeDataset::Random({2, 3, 3}, 4, 20);
  const Plan plan = SmallPlan();
  EngineTrainer trainer;
  std::vector<float> trained = StartOf(plan);
  const auto report = trainer.Train(plan, 77, dataset, absl::MakeSpan(trained));
  ASSERT_THAT(report, IsOk());

  const Program program = Program::Compile(plan.model, 8).value();
  AlignedFloats arena = AlignedFloats::Allocate(program.arena_floats()).value();
  std::vector<float> expected = StartOf(plan);
  std::vector<int32_t> order(20);
  std::iota(order.begin(), order.end(), 0);
  RandomStream random({.seed = 5, .round = 3, .client = 77, .purpose = RandomPurpose::kBatchOrder});
  double total_loss = 0.0;
  for (int epoch = 0; epoch < 2; ++epoch) {
    random.Shuffle(absl::MakeSpan(order));
    for (const auto& [begin, count] : {std::pair{0, 8}, std::pair{8, 8}, std::pair{16, 4}}) {
      std::vector<float> inputs(static_cast<size_t>(count) * 18);
      std::vector<int32_t> labels(static_cast<size_t>(count));
      dataset.Gather(
          absl::MakeSpan(order).subspan(static_cast<size_t>(begin), static_cast<size_t>(count)),
          absl::MakeSpan(inputs), absl::MakeSpan(labels));
      total_loss += static_cast<double>(program.Step(absl::MakeSpan(expected), {inputs, labels},
                                                     arena.span(), {.learning_rate = 0.1f}));
    }
  }
  EXPECT_EQ(trained, expected);
  EXPECT_DOUBLE_EQ(report->train_loss, total_loss / 6.0);
}

TEST(EngineTrainer, SamePlanAndClient_SameBitsWhateverTheTrainerDidBefore) {
  const FakeDataset dataset = FakeDataset::Random({2, 3, 3}, 4, 30);
  const FakeDataset other_dataset = FakeDataset::Random({2, 3, 3}, 4, 41, 2);
  const Plan plan = SmallPlan();
  EngineTrainer fresh;
  const std::vector<float> expected = Train(fresh, plan, dataset);
  EngineTrainer used;
  Plan other = plan;
  other.train.batch_size = 3;
  Train(used, other, other_dataset);
  Train(used, plan, other_dataset);
  EXPECT_EQ(Train(used, plan, dataset), expected);
}

TEST(EngineTrainer, OtherSeedRoundOrClient_OtherOrder) {
  const FakeDataset dataset = FakeDataset::Random({2, 3, 3}, 4, 30);
  EngineTrainer trainer;
  const std::vector<float> reference = Train(trainer, SmallPlan(), dataset);
  Plan other_seed = SmallPlan();
  other_seed.seed = 6;
  Plan other_round = SmallPlan();
  other_round.round = 4;
  EXPECT_NE(Train(trainer, other_seed, dataset), reference);
  EXPECT_NE(Train(trainer, other_round, dataset), reference);
  EXPECT_NE(Train(trainer, SmallPlan(), dataset, 78), reference);
}

TEST(EngineTrainer, MoreEpochs_LearnTheDataset) {
  const FakeDataset dataset = FakeDataset::Random({2, 3, 3}, 4, 64);
  Plan plan = SmallPlan();
  EngineTrainer trainer;
  std::vector<float> parameters = StartOf(plan);
  const auto first = trainer.Train(plan, 1, dataset, absl::MakeSpan(parameters));
  plan.train.local_epochs = 200;
  ASSERT_THAT(trainer.Train(plan, 1, dataset, absl::MakeSpan(parameters)), IsOk());
  plan.train.local_epochs = 1;
  const auto last = trainer.Train(plan, 1, dataset, absl::MakeSpan(parameters));
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(last, IsOk());
  EXPECT_LT(last->train_loss, 0.5 * first->train_loss);
}

TEST(EngineTrainer, SamePlanAgain_AllocatesNothing) {
  if (!testing::CanCountAllocations()) GTEST_SKIP() << "a sanitizer has replaced malloc";
  const FakeDataset dataset = FakeDataset::Random({2, 3, 3}, 4, 30);
  const FakeDataset other = FakeDataset::Random({2, 3, 3}, 4, 30, 2);
  const Plan plan = SmallPlan();
  EngineTrainer trainer;
  std::vector<float> parameters = StartOf(plan);
  ASSERT_THAT(trainer.Train(plan, 1, dataset, absl::MakeSpan(parameters)), IsOk());
  const int64_t before = testing::NumAllocations();
  const bool ok = trainer.Train(plan, 2, other, absl::MakeSpan(parameters)).ok() &&
                  trainer.Train(plan, 3, dataset, absl::MakeSpan(parameters)).ok();
  EXPECT_EQ(testing::NumAllocations(), before);
  EXPECT_TRUE(ok);
}

// Four steps an epoch.
TEST(EngineTrainer, MaxLocalSteps_EndsTrainingInAnyEpoch) {
  const FakeDataset dataset = FakeDataset::Random({2, 3, 3}, 4, 30);
  Plan plan = SmallPlan();
  EngineTrainer trainer;
  std::vector<std::vector<float>> trained;
  for (const auto& [max_steps, steps] : std::vector<std::pair<int64_t, int64_t>>{
           {1, 1}, {3, 3}, {4, 4}, {5, 5}, {8, 8}, {9, 8}, {0, 8}}) {
    plan.train.max_local_steps = max_steps;
    std::vector<float> parameters = StartOf(plan);
    const auto report = trainer.Train(plan, 77, dataset, absl::MakeSpan(parameters));
    ASSERT_THAT(report, IsOk());
    EXPECT_EQ(report->local_steps, steps) << max_steps;
    EXPECT_TRUE(std::isfinite(report->train_loss));
    trained.push_back(parameters);
  }
  EXPECT_NE(trained[0], trained[1]);
  EXPECT_NE(trained[3], trained[4]);
  EXPECT_EQ(trained[5], trained[6]);
  // Its first steps are those of the longer training.
  plan.train = {.local_epochs = 1, .batch_size = 8, .learning_rate = 0.1f};
  EXPECT_EQ(Train(trainer, plan, dataset), trained[2]);
}

TEST(EngineTrainer, Prepare_LeavesNothingToAllocateForTraining) {
  if (!testing::CanCountAllocations()) GTEST_SKIP() << "a sanitizer has replaced malloc";
  const FakeDataset dataset = FakeDataset::Random({2, 3, 3}, 4, 30);
  const Plan plan = SmallPlan();
  EngineTrainer trainer;
  std::vector<float> parameters = StartOf(plan);
  ASSERT_THAT(trainer.Prepare(plan, 30), IsOk());
  const int64_t before = testing::NumAllocations();
  const bool ok = trainer.Train(plan, 1, dataset, absl::MakeSpan(parameters)).ok();
  EXPECT_EQ(testing::NumAllocations(), before);
  EXPECT_TRUE(ok);
}

TEST(EngineTrainer, Prepare_PlanThatCannotBeTrained_IsInvalidArgument) {
  EngineTrainer trainer;
  Plan plan = SmallPlan();
  plan.train.learning_rate = 0.0f;
  EXPECT_THAT(trainer.Prepare(plan, 30),
              StatusIs(absl::StatusCode::kInvalidArgument, "learning_rate"));
  plan = SmallPlan();
  plan.model.layers.clear();
  EXPECT_THAT(trainer.Prepare(plan, 30), StatusIs(absl::StatusCode::kInvalidArgument, "0 layers"));
}

TEST(PlanCost, AfterALargerPlan_TheTrainerHoldsWhatTheSmallerOneNeeds) {
  EngineTrainer trainer;
  const FakeDataset many = FakeDataset::Random({2, 3, 3}, 4, 500);
  const FakeDataset few = FakeDataset::Random({2, 3, 3}, 4, 7);
  Plan plan = SmallPlan();
  plan.train.batch_size = 64;
  Train(trainer, plan, many);
  plan.train.batch_size = 2;
  std::vector<float> parameters = StartOf(plan);
  const auto report = trainer.Train(plan, 1, few, absl::MakeSpan(parameters));
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->train_bytes, PlanCost(plan, 7)->train_bytes);
}

TEST(PlanCost, TrainBytes_AreThoseThatTheTrainerReports) {
  EngineTrainer trainer;
  for (const char* model : {"tiny_cnn", "mlp_200_200", "lenet5"}) {
    for (const int64_t batch_size : {1, 10}) {
      const Plan plan = {.model = ZooModel(model).value(), .train = {.batch_size = batch_size}};
      const FakeDataset dataset = FakeDataset::Random({1, 28, 28}, 10, 13);
      std::vector<float> parameters = StartOf(plan);
      const auto report = trainer.Train(plan, 1, dataset, absl::MakeSpan(parameters));
      const auto cost = PlanCost(plan, 13);
      ASSERT_THAT(report, IsOk());
      ASSERT_THAT(cost, IsOk());
      EXPECT_EQ(cost->train_bytes, report->train_bytes) << model << " batch " << batch_size;
      EXPECT_EQ(PlanCost(plan)->train_bytes, report->train_bytes - 13 * 4);
      EXPECT_EQ(cost->num_parameters, static_cast<int64_t>(parameters.size()));
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

class EngineTrainerErrorTest : public ::testing::Test {
 protected:
  absl::Status TrainOn(const Dataset& dataset) {
    return trainer_.Train(plan_, 1, dataset, absl::MakeSpan(parameters_)).status();
  }

  Plan plan_ = SmallPlan();
  std::vector<float> parameters_ = StartOf(plan_);
  EngineTrainer trainer_;
};

TEST_F(EngineTrainerErrorTest, EmptyDataset_IsInvalidArgument) {
  EXPECT_THAT(TrainOn(FakeDataset({2, 3, 3}, 4, {}, {})),
              StatusIs(absl::StatusCode::kInvalidArgument, "the dataset has no examples"));
}

TEST_F(EngineTrainerErrorTest, OtherExampleShape_IsInvalidArgumentAndNamesBoth) {
  EXPECT_THAT(TrainOn(FakeDataset::Random({1, 28, 28}, 4, 8)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "model 'small' takes input [N, 2, 3, 3], the dataset's examples are "
                       "[N, 1, 28, 28]"));
}

TEST_F(EngineTrainerErrorTest, MoreClassesThanTheModel_IsInvalidArgument) {
  EXPECT_THAT(
      TrainOn(FakeDataset::Random({2, 3, 3}, 5, 8)),
      StatusIs(absl::StatusCode::kInvalidArgument, "tells 4 classes apart, the dataset has 5"));
}

TEST_F(EngineTrainerErrorTest, WrongNumberOfParameters_IsInvalidArgument) {
  parameters_.pop_back();
  EXPECT_THAT(TrainOn(FakeDataset::Random({2, 3, 3}, 4, 8)),
              StatusIs(absl::StatusCode::kInvalidArgument, "has 280 parameters, got 279"));
}

TEST_F(EngineTrainerErrorTest, BadTrainOptions_AreInvalidArgument) {
  plan_.train.local_epochs = 0;
  EXPECT_THAT(TrainOn(FakeDataset::Random({2, 3, 3}, 4, 8)),
              StatusIs(absl::StatusCode::kInvalidArgument, "local_epochs"));
}

TEST_F(EngineTrainerErrorTest, LossThatIsNotFinite_IsAbortedAtItsStep) {
  parameters_[3] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(TrainOn(FakeDataset::Random({2, 3, 3}, 4, 8)),
              StatusIs(absl::StatusCode::kAborted,
                       "training diverged at step 1: the loss is not finite; lower learning_rate"));
}

TEST_F(EngineTrainerErrorTest, ParametersThatOverflowInTheLastStep_AreAborted) {
  // One step: its loss, of the parameters before it, is finite.
  plan_.train = {.local_epochs = 1, .batch_size = 8, .learning_rate = 1000.0f};
  const FakeDataset dataset({2, 3, 3}, 4, std::vector<float>(18, 1e37f), {1});
  std::fill(parameters_.begin(), parameters_.end(), 0.0f);
  // Without weights in fc2 the loss is log 4, with a bias in fc1 the gradient of fc2 is huge.
  std::fill_n(parameters_.begin(), 18, 1.0f);
  EXPECT_THAT(TrainOn(dataset), StatusIs(absl::StatusCode::kAborted,
                                         "training diverged at step 1: parameters are not finite"));
}

}  // namespace
}  // namespace tern
