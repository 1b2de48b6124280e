// What the options beyond SGD's do to a client's training: micro-batches, memory, scope and loss.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "core/base/random.h"
#include "core/model/zoo.h"
#include "core/train/engine_trainer.h"
#include "core/train/evaluator.h"
#include "core/train/plan_cost.h"
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

// Trains from the plan's start; the parameters, and what was reported.
struct Trained {
  std::vector<float> parameters;
  TrainReport report;
};

Trained Train(const Plan& plan, const Dataset& dataset) {
  Trained trained = {.parameters = StartOf(plan)};
  EngineTrainer trainer;
  const auto report = trainer.Train(plan, 77, dataset, absl::MakeSpan(trained.parameters), {});
  EXPECT_THAT(report, IsOk());
  if (report.ok()) trained.report = *report;
  return trained;
}

float LargestDifference(const std::vector<float>& a, const std::vector<float>& b) {
  float largest = 0.0f;
  for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

std::vector<TrainOptions> EverySgd() {
  std::vector<TrainOptions> all = testing::TrainOptionsWithMemory();
  all.push_back(SmallPlan().train);
  return all;
}

// 30 examples in batches of 8: the last of an epoch has 6.
class EngineTrainerOptionsTest : public ::testing::Test {
 protected:
  // Coordinates of SmallPlan's parameters.
  static constexpr size_t kFc1Bias = 18 * 12;
  static constexpr size_t kFc2 = kFc1Bias + 12;
  static constexpr size_t kFc2Bias = kFc2 + 12 * 4;
  static constexpr size_t kEnd = kFc2Bias + 4;

  // Whether coordinates [begin, end) are, bit for bit, where they were; they all move, or none.
  void ExpectMoved(const std::vector<float>& trained, size_t begin, size_t end, bool moved) {
    const std::vector<float> start = StartOf(plan_);
    size_t changed = 0;
    for (size_t i = begin; i < end; ++i) changed += trained[i] != start[i] ? 1 : 0;
    EXPECT_EQ(changed, moved ? end - begin : 0) << "of [" << begin << ", " << end << ")";
  }

  const FakeDataset dataset_ = FakeDataset::Random({2, 3, 3}, 4, 30);
  Plan plan_ = SmallPlan();
};

TEST_F(EngineTrainerOptionsTest, MicroBatches_GiveTheUpdateOfTheWholeBatch) {
  for (const TrainOptions& train : EverySgd()) {
    plan_.train = train;
    const Trained whole = Train(plan_, dataset_);
    EXPECT_GT(LargestDifference(whole.parameters, StartOf(plan_)), 1e-2f);
    for (const int64_t micro_batch_size : {1, 3, 4, 7}) {
      plan_.train.micro_batch_size = micro_batch_size;
      const Trained cut = Train(plan_, dataset_);
      EXPECT_LT(LargestDifference(cut.parameters, whole.parameters), 2e-6f)
          << micro_batch_size << testing::ToString(ToSgdOptions(train));
      EXPECT_NEAR(cut.report.train_loss, whole.report.train_loss, 1e-6);
      EXPECT_EQ(cut.report.local_steps, whole.report.local_steps);
    }
    plan_.train.micro_batch_size = train.batch_size;
    EXPECT_EQ(Train(plan_, dataset_).parameters, whole.parameters);
  }
}

TEST_F(EngineTrainerOptionsTest, MicroBatches_HoldLessMemory_AsMuchAsThePlanCosts) {
  const FakeDataset images = FakeDataset::Random({1, 28, 28}, 10, 40);
  Plan plan = {.model = ZooModel("lenet5").value(), .train = {.batch_size = 32}};
  int64_t last = Train(plan, images).report.train_bytes;
  for (const int64_t micro_batch_size : {8, 4, 2, 1}) {
    plan.train.micro_batch_size = micro_batch_size;
    const int64_t bytes = Train(plan, images).report.train_bytes;
    EXPECT_LT(bytes, last);
    EXPECT_EQ(bytes, PlanCost(plan, 40)->train_bytes);
    last = bytes;
  }
}

TEST_F(EngineTrainerOptionsTest, SmallMemory_TrainsToNearlyTheSameParametersInLess) {
  const FakeDataset images = FakeDataset::Random({1, 28, 28}, 10, 40);
  for (const char* model : {"tiny_cnn", "lenet5"}) {
    Plan plan = {.model = ZooModel(model).value(), .train = {.batch_size = 8}};
    const Trained fast = Train(plan, images);
    plan.train.memory = MemoryMode::kSmall;
    const Trained small = Train(plan, images);
    EXPECT_LT(LargestDifference(small.parameters, fast.parameters), 1e-5f) << model;
    EXPECT_GT(LargestDifference(small.parameters, StartOf(plan)), 1e-3f) << model;
    EXPECT_LT(small.report.train_bytes, fast.report.train_bytes) << model;
    EXPECT_EQ(small.report.train_bytes, PlanCost(plan, 40)->train_bytes) << model;
  }
}

TEST_F(EngineTrainerOptionsTest, FrozenLayers_StayBitForBitWhateverTheOptions) {
  for (TrainOptions train : EverySgd()) {
    for (const int64_t micro_batch_size : {0, 3}) {
      train.micro_batch_size = micro_batch_size;
      plan_.train = train;
      plan_.train.scope.frozen_layers = {"fc1"};
      const std::vector<float> last = Train(plan_, dataset_).parameters;
      ExpectMoved(last, 0, kFc2, false);
      ExpectMoved(last, kFc2Bias, kEnd, true);
      plan_.train.scope.frozen_layers = {"fc2"};
      const std::vector<float> first = Train(plan_, dataset_).parameters;
      ExpectMoved(first, kFc1Bias, kFc1Bias + 1, true);
      ExpectMoved(first, kFc2, kEnd, false);
    }
  }
}

// The velocity, the norm that is clipped and the start have the trained coordinates only.
TEST_F(EngineTrainerOptionsTest, WhatIsLeft_TrainsAsByItself) {
  // The features that the frozen layers give, as the inputs of a model of the last one.
  const std::vector<float> start = StartOf(plan_);
  std::vector<float> features;
  std::vector<int32_t> labels(30);
  std::vector<int32_t> all(30);
  std::vector<float> inputs(30 * 18);
  std::iota(all.begin(), all.end(), 0);
  dataset_.Gather(all, absl::MakeSpan(inputs), absl::MakeSpan(labels));
  for (size_t example = 0; example < 30; ++example) {
    for (size_t unit = 0; unit < 12; ++unit) {
      double sum = static_cast<double>(start[kFc1Bias + unit]);
      for (size_t i = 0; i < 18; ++i) {
        sum += double{start[unit * 18 + i]} * double{inputs[example * 18 + i]};
      }
      features.push_back(static_cast<float>(std::max(sum, 0.0)));
    }
  }
  const FakeDataset of_features({12}, 4, features, labels);
  for (const TrainOptions& train : EverySgd()) {
    plan_.train = train;
    plan_.train.scope.last_layers = 1;
    const std::vector<float> trained = Train(plan_, dataset_).parameters;
    Plan last = plan_;
    last.train.scope = {};
    last.model = {.name = "last", .input = {12}, .layers = {plan_.model.layers.back()}};
    std::vector<float> expected(start.begin() + kFc2, start.end());
    ASSERT_THAT(EngineTrainer().Train(last, 77, of_features, absl::MakeSpan(expected), {}), IsOk());
    EXPECT_LT(LargestDifference(expected, {trained.begin() + kFc2, trained.end()}), 2e-6f)
        << testing::ToString(ToSgdOptions(train));
    plan_.train.scope = {.frozen_layers = {"fc1"}};
    EXPECT_EQ(Train(plan_, dataset_).parameters, trained);
  }
}

TEST_F(EngineTrainerOptionsTest, BiasesOnly_MovesNoWeight) {
  for (const TrainOptions& train : EverySgd()) {
    plan_.train = train;
    plan_.train.scope.biases_only = true;
    const std::vector<float> trained = Train(plan_, dataset_).parameters;
    ExpectMoved(trained, 0, kFc1Bias, false);
    ExpectMoved(trained, kFc2, kFc2Bias, false);
    ExpectMoved(trained, kFc2Bias, kEnd, true);
  }
}

// A third of 12 and of 4 output channels, rounded up.
TEST_F(EngineTrainerOptionsTest, Channels_MovesTheFirstOfEachWeightAndAllBiases) {
  for (const TrainOptions& train : EverySgd()) {
    plan_.train = train;
    plan_.train.scope.channels = 0.3f;
    const std::vector<float> trained = Train(plan_, dataset_).parameters;
    ExpectMoved(trained, 4 * 18, kFc1Bias, false);
    ExpectMoved(trained, kFc2 + 2 * 12, kFc2Bias, false);
    ExpectMoved(trained, kFc2Bias, kEnd, true);
    EXPECT_NE(trained[0], StartOf(plan_)[0]);
    EXPECT_NE(trained[kFc2 + 12], StartOf(plan_)[kFc2 + 12]);
  }
}

TEST_F(EngineTrainerOptionsTest, ScopeThatIsNotOfTheModel_IsInvalidArgument) {
  EngineTrainer trainer;
  plan_.train.scope.frozen_layers = {"fc3"};
  EXPECT_THAT(trainer.Prepare(plan_, 30), StatusIs(absl::StatusCode::kInvalidArgument,
                                                   "frozen_layers has 'fc3', expected a layer"));
  plan_.train.scope.frozen_layers = {"relu"};
  EXPECT_THAT(trainer.Prepare(plan_, 30),
              StatusIs(absl::StatusCode::kInvalidArgument, "'relu', which has no parameters"));
  plan_.train.scope.frozen_layers = {"fc1", "fc2"};
  EXPECT_THAT(trainer.Prepare(plan_, 30),
              StatusIs(absl::StatusCode::kInvalidArgument, "no layer left to train"));
}

// Another plan on the same trainer does not leave its options behind.
TEST_F(EngineTrainerOptionsTest, OptionsOfOnePlan_AreNotThoseOfTheNext) {
  EngineTrainer trainer;
  const std::vector<float> expected = Train(plan_, dataset_).parameters;
  for (const TrainOptions& train : testing::EveryTrainOption()) {
    Plan other = SmallPlan();
    other.train = train;
    std::vector<float> parameters = StartOf(other);
    ASSERT_THAT(trainer.Train(other, 77, dataset_, absl::MakeSpan(parameters), {}), IsOk());
    EXPECT_EQ(parameters, Train(other, dataset_).parameters);
    parameters = StartOf(plan_);
    ASSERT_THAT(trainer.Train(plan_, 77, dataset_, absl::MakeSpan(parameters), {}), IsOk());
    EXPECT_EQ(parameters, expected);
  }
}

// A client that has classes 1 and 3 only.
FakeDataset TwoClasses() {
  const FakeDataset all = FakeDataset::Random({2, 3, 3}, 4, 60);
  std::vector<float> inputs;
  std::vector<int32_t> labels;
  for (int32_t i = 0; i < all.size(); ++i) {
    if (all.label(i) % 2 == 0) continue;
    std::vector<float> input(18);
    int32_t label = 0;
    all.Gather({&i, 1}, absl::MakeSpan(input), {&label, 1});
    inputs.insert(inputs.end(), input.begin(), input.end());
    labels.push_back(label);
  }
  return FakeDataset({2, 3, 3}, 4, inputs, labels);
}

TEST_F(EngineTrainerOptionsTest, OnlyPresentClasses_LeavesTheOthersWhereTheyWere) {
  const FakeDataset two = TwoClasses();
  for (const LossOptions& loss : {LossOptions{}, LossOptions{.label_smoothing = 0.2f},
                                  LossOptions{.kind = LossKind::kBinaryCrossEntropy},
                                  LossOptions{.kind = LossKind::kMeanSquaredError}}) {
    for (const int64_t micro_batch_size : {0, 3}) {
      plan_.train.loss = loss;
      plan_.train.micro_batch_size = micro_batch_size;
      plan_.train.only_present_classes = false;
      ExpectMoved(Train(plan_, two).parameters, kFc2Bias, kEnd, true);
      plan_.train.only_present_classes = true;
      const std::vector<float> trained = Train(plan_, two).parameters;
      for (size_t label = 0; label < 4; ++label) {
        const bool present = label % 2 == 1;
        ExpectMoved(trained, kFc2Bias + label, kFc2Bias + label + 1, present);
        if (!present) ExpectMoved(trained, kFc2 + 12 * label, kFc2 + 12 * label + 12, false);
      }
    }
  }
}

TEST_F(EngineTrainerOptionsTest, OnlyPresentClasses_OfAClientThatHasAll_ChangesNothing) {
  const std::vector<float> trained = Train(plan_, dataset_).parameters;
  plan_.train.only_present_classes = true;
  EXPECT_EQ(Train(plan_, dataset_).parameters, trained);
}

// The class is the largest of four numbers.
FakeDataset LargestNumber(int64_t size, uint64_t seed) {
  RandomStream random({.seed = seed});
  std::vector<float> inputs(static_cast<size_t>(4 * size));
  std::vector<int32_t> labels;
  for (float& value : inputs) value = random.NextFloat();
  for (auto it = inputs.begin(); it != inputs.end(); it += 4) {
    labels.push_back(static_cast<int32_t>(std::max_element(it, it + 4) - it));
  }
  return FakeDataset({4}, 4, inputs, labels);
}

TEST_F(EngineTrainerOptionsTest, EveryLoss_LearnsARule) {
  const FakeDataset train = LargestNumber(400, 1);
  const FakeDataset test = LargestNumber(200, 2);
  plan_.model.input = {4};
  plan_.model.layers.erase(plan_.model.layers.begin());
  ThreadPool pool(1);
  const std::vector<float> start = StartOf(plan_);
  for (const LossOptions& loss : {LossOptions{}, LossOptions{.label_smoothing = 0.2f},
                                  LossOptions{.kind = LossKind::kBinaryCrossEntropy},
                                  LossOptions{.kind = LossKind::kMeanSquaredError}}) {
    plan_.train = {.local_epochs = 60,
                   .batch_size = 10,
                   .learning_rate = 0.1f,
                   .momentum = 0.9f,
                   .micro_batch_size = 4,
                   .loss = loss};
    const auto before = Evaluate(plan_.model, start, test, pool, loss);
    const auto after = Evaluate(plan_.model, Train(plan_, train).parameters, test, pool, loss);
    ASSERT_THAT(before, IsOk());
    ASSERT_THAT(after, IsOk());
    EXPECT_LT(after->loss, 0.5 * before->loss) << LossKindName(loss.kind);
    EXPECT_LT(before->accuracy, 0.6) << LossKindName(loss.kind);
    EXPECT_GT(after->accuracy, 0.9) << LossKindName(loss.kind);
  }
}

FakeDataset WithNanInTheSecondStep(const FakeDataset& dataset, const Plan& plan) {
  std::vector<int32_t> order(static_cast<size_t>(dataset.size()));
  std::iota(order.begin(), order.end(), 0);
  std::vector<float> inputs(order.size() * 18);
  std::vector<int32_t> labels(order.size());
  dataset.Gather(order, absl::MakeSpan(inputs), absl::MakeSpan(labels));
  RandomStream random({.seed = plan.seed,
                       .round = plan.round,
                       .client = 77,
                       .purpose = RandomPurpose::kBatchOrder});
  random.Shuffle(absl::MakeSpan(order));
  // The last of its batch: micro-batches before it are finite.
  const auto example = static_cast<size_t>(order[15]);
  inputs[example * 18 + 4] = std::numeric_limits<float>::quiet_NaN();
  return FakeDataset({2, 3, 3}, 4, inputs, labels);
}

TEST_F(EngineTrainerOptionsTest, LossThatIsNotFinite_LeavesTheParametersOfTheStepBefore) {
  for (TrainOptions train : testing::EveryTrainOption()) {
    // It looks at all examples before the first step.
    if (train.method == ClientMethod::kScaffoldGradient) continue;
    for (const int64_t micro_batch_size : {0, 3}) {
      train.micro_batch_size = micro_batch_size;
      plan_.train = train;
      const FakeDataset damaged = WithNanInTheSecondStep(dataset_, plan_);
      std::vector<float> parameters = StartOf(plan_);
      EXPECT_THAT(EngineTrainer().Train(plan_, 77, damaged, absl::MakeSpan(parameters), {}),
                  StatusIs(absl::StatusCode::kAborted,
                           "training diverged at step 2: the loss is not finite; lower "
                           "learning_rate, which is 0.1"));
      plan_.train.max_local_steps = 1;
      EXPECT_EQ(parameters, Train(plan_, dataset_).parameters);
    }
  }
}

// The first step makes weights of about 1e23, whose logits are then infinite.
TEST_F(EngineTrainerOptionsTest, LearningRateFarTooHigh_LeavesTheParametersOfTheStepBefore) {
  const FakeDataset large({2, 3, 3}, 4, std::vector<float>(30 * 18, 1e20f),
                          std::vector<int32_t>(30, 1));
  plan_.model.layers = {plan_.model.layers.front(), plan_.model.layers.back()};
  for (const float momentum : {0.0f, 0.9f}) {
    for (const int64_t micro_batch_size : {0, 3}) {
      plan_.train = {.batch_size = 8,
                     .learning_rate = 1000.0f,
                     .momentum = momentum,
                     .micro_batch_size = micro_batch_size};
      std::vector<float> parameters(StartOf(plan_).size(), 0.0f);
      std::vector<float> expected = parameters;
      EXPECT_THAT(EngineTrainer().Train(plan_, 77, large, absl::MakeSpan(parameters), {}),
                  StatusIs(absl::StatusCode::kAborted,
                           "training diverged at step 2: the loss is not finite"));
      plan_.train.max_local_steps = 1;
      ASSERT_THAT(EngineTrainer().Train(plan_, 77, large, absl::MakeSpan(expected), {}), IsOk());
      EXPECT_EQ(parameters, expected);
    }
  }
}

}  // namespace
}  // namespace tern
