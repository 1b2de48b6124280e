#include "core/train/engine_trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "core/base/random.h"
#include "tests/core/engine/allocation_counter.h"
#include "tests/core/engine/sgd_reference.h"
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
using testing::TrainOptionsWithMemory;

// Trains from the plan's start and returns the parameters.
std::vector<float> Train(EngineTrainer& trainer, const Plan& plan, const Dataset& dataset,
                         uint64_t client = 77) {
  std::vector<float> parameters = StartOf(plan);
  EXPECT_THAT(trainer.Train(plan, client, dataset, absl::MakeSpan(parameters), {}), IsOk());
  return parameters;
}

TEST(EngineTrainer, Report_CountsExamplesStepsAndLoss) {
  // 20 examples in batches of 8: two whole steps and a short one in each of two epochs.
  const FakeDataset dataset = FakeDataset::Random({2, 3, 3}, 4, 20);
  const Plan plan = SmallPlan();
  std::vector<float> parameters = StartOf(plan);
  EngineTrainer trainer;
  const auto report = trainer.Train(plan, 77, dataset, absl::MakeSpan(parameters), {});
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
  const auto report = trainer.Train(plan, 77, dataset, absl::MakeSpan(trained), {});
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
  const auto first = trainer.Train(plan, 1, dataset, absl::MakeSpan(parameters), {});
  plan.train.local_epochs = 200;
  ASSERT_THAT(trainer.Train(plan, 1, dataset, absl::MakeSpan(parameters), {}), IsOk());
  plan.train.local_epochs = 1;
  const auto last = trainer.Train(plan, 1, dataset, absl::MakeSpan(parameters), {});
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
  ASSERT_THAT(trainer.Train(plan, 1, dataset, absl::MakeSpan(parameters), {}), IsOk());
  const int64_t before = testing::NumAllocations();
  const bool ok = trainer.Train(plan, 2, other, absl::MakeSpan(parameters), {}).ok() &&
                  trainer.Train(plan, 3, dataset, absl::MakeSpan(parameters), {}).ok();
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
    const auto report = trainer.Train(plan, 77, dataset, absl::MakeSpan(parameters), {});
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
  const bool ok = trainer.Train(plan, 1, dataset, absl::MakeSpan(parameters), {}).ok();
  EXPECT_EQ(testing::NumAllocations(), before);
  EXPECT_TRUE(ok);
}

// The second round starts from the first's model, without its velocity.
TEST(EngineTrainer, Options_AreThoseOfTheEngineAnewInEveryRound) {
  const FakeDataset dataset = FakeDataset::Random({2, 3, 3}, 4, 8);
  EngineTrainer trainer;
  for (const TrainOptions& train : TrainOptionsWithMemory()) {
    Plan plan = SmallPlan();
    plan.train = train;
    plan.train.max_local_steps = 2;
    std::vector<float> trained = StartOf(plan);
    const Program program = Program::Compile(plan.model, 8).value();
    AlignedFloats arena = AlignedFloats::Allocate(program.arena_floats()).value();
    std::vector<float> expected = trained;
    std::vector<float> inputs(8 * 18);
    std::vector<int32_t> labels(8);
    for (uint64_t round = 1; round <= 2; ++round) {
      plan.round = round;
      ASSERT_THAT(trainer.Train(plan, 77, dataset, absl::MakeSpan(trained), {}), IsOk());
      testing::SgdMemory memory(ToSgdOptions(train), expected);
      RandomStream random(
          {.seed = 5, .round = round, .client = 77, .purpose = RandomPurpose::kBatchOrder});
      std::vector<int32_t> order = {0, 1, 2, 3, 4, 5, 6, 7};
      for (int epoch = 0; epoch < 2; ++epoch) {
        random.Shuffle(absl::MakeSpan(order));
        dataset.Gather(order, absl::MakeSpan(inputs), absl::MakeSpan(labels));
        program.Step(absl::MakeSpan(expected), {inputs, labels}, arena.span(), ToSgdOptions(train),
                     memory.vectors());
      }
    }
    EXPECT_EQ(trained, expected) << testing::ToString(ToSgdOptions(train));
  }
}

TEST(EngineTrainer, EveryOption_AllocatesInPrepareAlone) {
  if (!testing::CanCountAllocations()) GTEST_SKIP() << "a sanitizer has replaced malloc";
  const FakeDataset dataset = FakeDataset::Random({2, 3, 3}, 4, 30);
  for (const TrainOptions& train : testing::EveryTrainOption()) {
    Plan plan = SmallPlan();
    plan.train = train;
    EngineTrainer trainer;
    std::vector<float> parameters = StartOf(plan);
    ASSERT_THAT(trainer.Prepare(plan, 30), IsOk());
    const int64_t before = testing::NumAllocations();
    const bool ok = trainer.Train(plan, 1, dataset, absl::MakeSpan(parameters), {}).ok();
    EXPECT_EQ(testing::NumAllocations(), before);
    EXPECT_TRUE(ok);
  }
}

TEST(EngineTrainer, Proximal_StaysCloserToTheStart) {
  const FakeDataset dataset = FakeDataset::Random({2, 3, 3}, 4, 30);
  EngineTrainer trainer;
  const auto distance = [&](float proximal_mu) {
    Plan plan = SmallPlan();
    plan.train.local_epochs = 10;
    plan.train.proximal_mu = proximal_mu;
    const std::vector<float> start = StartOf(plan);
    const std::vector<float> trained = Train(trainer, plan, dataset);
    float squares = 0.0f;
    for (size_t i = 0; i < start.size(); ++i) {
      squares += (trained[i] - start[i]) * (trained[i] - start[i]);
    }
    return squares;
  };
  EXPECT_LT(distance(1.0f), 0.5f * distance(0.0f));
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

class EngineTrainerErrorTest : public ::testing::Test {
 protected:
  absl::Status TrainOn(const Dataset& dataset) {
    return trainer_.Train(plan_, 1, dataset, absl::MakeSpan(parameters_), {}).status();
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

TEST_F(EngineTrainerErrorTest, GradientNormThatIsNotFinite_IsAborted) {
  plan_.train = {.local_epochs = 1, .batch_size = 8, .learning_rate = 0.1f, .clip_norm = 1.0f};
  const FakeDataset dataset({2, 3, 3}, 4, std::vector<float>(18, 1e37f), {1});
  // fc1 gives 1e-30 whatever the input, and the first row of fc2 makes 1e-10 of it: the loss is log
  // 4. The gradient of fc1's weights is 1e20 times the input.
  std::fill(parameters_.begin(), parameters_.end(), 0.0f);
  std::fill_n(parameters_.begin() + 12 * 18, 12, 1e-30f);
  std::fill_n(parameters_.begin() + 12 * 18 + 12, 12, 1e20f);
  EXPECT_THAT(TrainOn(dataset), StatusIs(absl::StatusCode::kAborted,
                                         "training diverged at step 1: parameters are not finite"));
}

}  // namespace
}  // namespace tern
