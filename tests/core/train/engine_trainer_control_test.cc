// Control variates, the gradient of SCAFFOLD's option I and the start loss.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "core/train/engine_trainer.h"
#include "core/train/plan_cost.h"
#include "tests/core/engine/sgd_reference.h"
#include "tests/core/train/small_plan.h"
#include "tests/testing/fake_dataset.h"
#include "tests/testing/status_matchers.h"

namespace tern {
namespace {

using ::testing::ElementsAre;
using testing::FakeDataset;
using ::testing::IsEmpty;
using testing::IsOk;
using ::testing::Pair;
using testing::SmallPlan;
using testing::StartOf;
using testing::StatusIs;

// A batch of the dataset, in memory.
struct Examples {
  Examples(const Dataset& dataset, absl::Span<const int32_t> indices)
      : inputs(indices.size() * static_cast<size_t>(NumElements(dataset.example_shape()))),
        labels(indices.size()) {
    dataset.Gather(indices, absl::MakeSpan(inputs), absl::MakeSpan(labels));
  }
  Batch batch() const { return {.inputs = inputs, .labels = labels}; }

  std::vector<float> inputs;
  std::vector<int32_t> labels;
};

std::vector<int32_t> AllIndices(const Dataset& dataset) {
  std::vector<int32_t> indices(static_cast<size_t>(dataset.size()));
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

// A program of the plan's, for batches of any size up to the dataset's.
class Reference {
 public:
  Reference(const Plan& plan, const Dataset& dataset)
      : dataset_(dataset),
        program_(Program::Compile(plan.model, {.batch_size = dataset.size(),
                                               .scope = plan.train.scope,
                                               .loss = plan.train.loss})
                     .value()),
        arena_(AlignedFloats::Allocate(program_.arena_floats()).value()) {}

  // Of the trained coordinates.
  std::vector<float> Gradient(const std::vector<float>& parameters,
                              absl::Span<const int32_t> indices) {
    std::vector<float> gradient(static_cast<size_t>(program_.trained().size));
    program_.Gradient(parameters, Examples(dataset_, indices).batch(), arena_.span(),
                      absl::MakeSpan(gradient));
    return gradient;
  }
  float Loss(const std::vector<float>& parameters) {
    return program_.Loss(parameters, Examples(dataset_, AllIndices(dataset_)).batch(),
                         arena_.span());
  }
  std::vector<float> Pack(const std::vector<float>& full) const {
    std::vector<float> packed;
    for (const TrainedRange& range : program_.trained().ranges) {
      packed.insert(packed.end(), full.begin() + range.begin,
                    full.begin() + range.begin + range.size);
    }
    return packed;
  }
  std::vector<float> Unpack(const std::vector<double>& packed, std::vector<float> full) const {
    for (const TrainedRange& range : program_.trained().ranges) {
      for (int64_t i = 0; i < range.size; ++i) {
        full[static_cast<size_t>(range.begin + i)] =
            static_cast<float>(packed[static_cast<size_t>(range.offset + i)]);
      }
    }
    return full;
  }

 private:
  const Dataset& dataset_;
  const Program program_;
  AlignedFloats arena_;
};

// 20 examples in batches of 8: two whole steps and a short one in each of two epochs.
class EngineTrainerControlTest : public ::testing::Test {
 protected:
  EngineTrainerControlTest() {
    RandomStream random({.seed = 3});
    for (size_t i = 0; i < StartOf(plan_).size(); ++i) {
      control_.push_back(0.2f * (random.NextFloat() - 0.5f));
    }
    plan_.train.method = ClientMethod::kScaffold;
  }

  struct Trained {
    std::vector<float> parameters;
    std::vector<float> control;
    TrainReport report;
  };
  Trained Train(const std::vector<float>& control) {
    Trained trained = {.parameters = StartOf(plan_), .control = control};
    const auto report = trainer_.Train(plan_, 77, dataset_, absl::MakeSpan(trained.parameters),
                                       absl::MakeSpan(trained.control));
    EXPECT_THAT(report, IsOk());
    trained.report = report.value_or(TrainReport());
    return trained;
  }

  // By SGD as sgd_reference.h writes it down, with the engine's gradients.
  std::vector<float> TrainByHand() {
    Reference reference(plan_, dataset_);
    const std::vector<float> start = StartOf(plan_);
    const std::vector<float> control = reference.Pack(control_);
    testing::SgdReference sgd(ToSgdOptions(plan_.train), reference.Pack(start));
    std::vector<int32_t> order = AllIndices(dataset_);
    RandomStream random(
        {.seed = 5, .round = 3, .client = 77, .purpose = RandomPurpose::kBatchOrder});
    for (int epoch = 0; epoch < 2; ++epoch) {
      random.Shuffle(absl::MakeSpan(order));
      for (size_t begin = 0; begin < order.size(); begin += 8) {
        std::vector<float> gradient = reference.Gradient(
            reference.Unpack(sgd.parameters, start), absl::MakeConstSpan(order).subspan(begin, 8));
        for (size_t i = 0; i < gradient.size(); ++i) gradient[i] += control[i];
        sgd.Step(gradient);
      }
    }
    return reference.Unpack(sgd.parameters, start);
  }

  const FakeDataset dataset_ = FakeDataset::Random({2, 3, 3}, 4, 20);
  Plan plan_ = SmallPlan();
  std::vector<float> control_;
  EngineTrainer trainer_;
};

// Rounding apart, which a step of at most 0.1 makes smaller; without the control variate the
// parameters are more than 1e-2 away.
TEST_F(EngineTrainerControlTest, Control_IsAddedToEveryGradient) {
  std::vector<TrainOptions> all = testing::TrainOptionsWithMemory();
  all.push_back(SmallPlan().train);
  all.push_back(SmallPlan().train);
  all.back().micro_batch_size = 3;
  for (TrainOptions train : all) {
    for (const ClientMethod method :
         {ClientMethod::kScaffold, ClientMethod::kScaffoldGradient, ClientMethod::kFedDyn}) {
      if (method == ClientMethod::kFedDyn && train.proximal_mu == 0.0f) continue;
      train.method = method;
      for (const UpdateScope& scope :
           {UpdateScope{}, UpdateScope{.frozen_layers = {"fc1"}}, UpdateScope{.biases_only = true},
            UpdateScope{.channels = 0.5f}}) {
        plan_.train = train;
        plan_.train.scope = scope;
        const std::vector<float> trained = Train(control_).parameters;
        const std::vector<float> expected = TrainByHand();
        for (size_t i = 0; i < trained.size(); ++i) {
          ASSERT_NEAR(trained[i], expected[i], 4e-6f) << i << testing::ToString(ToSgdOptions(train))
                                                      << " method " << static_cast<int>(method);
        }
      }
    }
  }
}

TEST_F(EngineTrainerControlTest, AControlOfZeros_AndNone_TrainAlike) {
  EXPECT_EQ(Train(std::vector<float>(280, 0.0f)).parameters, Train({}).parameters);
  EXPECT_NE(Train(control_).parameters, Train({}).parameters);
}

TEST_F(EngineTrainerControlTest, TheControlOfOnePlan_IsNotThatOfTheNext) {
  const std::vector<float> without = Train({}).parameters;
  Train(control_);
  EXPECT_EQ(Train({}).parameters, without);
}

TEST_F(EngineTrainerControlTest, OptionOnesGradient_IsThatOfAllExamplesAtTheStart) {
  plan_.train.method = ClientMethod::kScaffoldGradient;
  for (const UpdateScope& scope : {UpdateScope{}, UpdateScope{.frozen_layers = {"fc1"}},
                                   UpdateScope{.frozen_layers = {"fc2"}}}) {
    for (const int64_t micro_batch_size : {0, 3}) {
      plan_.train.scope = scope;
      plan_.train.micro_batch_size = micro_batch_size;
      Reference reference(plan_, dataset_);
      const std::vector<float> gradient = reference.Gradient(StartOf(plan_), AllIndices(dataset_));
      const std::vector<float> expected =
          reference.Unpack({gradient.begin(), gradient.end()}, std::vector<float>(280, 0.0f));
      const Trained trained = Train(control_);
      for (size_t i = 0; i < expected.size(); ++i) {
        ASSERT_NEAR(trained.control[i], expected[i], 1e-6f) << i;
        if (expected[i] == 0.0f) {
          ASSERT_EQ(trained.control[i], 0.0f) << i;
        }
      }
      EXPECT_EQ(trained.report.train_bytes, PlanCost(plan_, 20)->train_bytes);
      plan_.train.method = ClientMethod::kScaffold;
      EXPECT_EQ(Train(control_).parameters, trained.parameters);
      plan_.train.method = ClientMethod::kScaffoldGradient;
    }
  }
}

TEST_F(EngineTrainerControlTest, StartLoss_IsOfAllExamplesBeforeTheFirstStep) {
  for (const LossOptions& loss : {LossOptions{}, LossOptions{.label_smoothing = 0.3f},
                                  LossOptions{.kind = LossKind::kMeanSquaredError}}) {
    for (const ClientMethod method : {ClientMethod::kSgd, ClientMethod::kScaffoldGradient}) {
      plan_.train.loss = loss;
      plan_.train.method = method;
      plan_.train.max_local_steps = 1;
      plan_.train.measure_start_loss = false;
      const Trained without = Train({});
      EXPECT_THAT(without.report.metrics, IsEmpty());
      plan_.train.measure_start_loss = true;
      const Trained with = Train({});
      const auto expected = static_cast<double>(Reference(plan_, dataset_).Loss(StartOf(plan_)));
      EXPECT_THAT(with.report.metrics,
                  ElementsAre(Pair("start_loss", ::testing::DoubleNear(expected, 1e-6))));
      EXPECT_EQ(with.parameters, without.parameters);
      EXPECT_EQ(with.report.train_bytes, without.report.train_bytes);
    }
  }
}

TEST_F(EngineTrainerControlTest, AControlOfAnotherLength_IsInvalidArgument) {
  std::vector<float> parameters = StartOf(plan_);
  control_.pop_back();
  EXPECT_THAT(
      trainer_.Train(plan_, 1, dataset_, absl::MakeSpan(parameters), absl::MakeSpan(control_)),
      StatusIs(absl::StatusCode::kInvalidArgument, "of 279 coordinates, expected 280"));
  plan_.train.method = ClientMethod::kSgd;
  EXPECT_THAT(
      trainer_.Train(plan_, 1, dataset_, absl::MakeSpan(parameters), absl::MakeSpan(control_)),
      StatusIs(absl::StatusCode::kInvalidArgument, "of 279 coordinates, expected 0"));
}

TEST_F(EngineTrainerControlTest, AStartThatIsNotFinite_IsAborted) {
  std::vector<float> parameters = StartOf(plan_);
  parameters[3] = std::numeric_limits<float>::infinity();
  for (const ClientMethod method : {ClientMethod::kSgd, ClientMethod::kScaffoldGradient}) {
    plan_.train.method = method;
    plan_.train.measure_start_loss = true;
    EXPECT_THAT(trainer_.Train(plan_, 1, dataset_, absl::MakeSpan(parameters), {}),
                StatusIs(absl::StatusCode::kAborted,
                         "the loss of the parameters that training begins with is not finite"));
  }
  // fc1 gives 1e-30 whatever the input, and the first row of fc2 makes 1e-10 of it: the loss is log
  // 4. The gradient of fc1's weights is 1e20 times the input.
  const FakeDataset huge({2, 3, 3}, 4, std::vector<float>(18, 1e37f), {1});
  std::fill(parameters.begin(), parameters.end(), 0.0f);
  std::fill_n(parameters.begin() + 12 * 18, 12, 1e-30f);
  std::fill_n(parameters.begin() + 12 * 18 + 12, 12, 1e20f);
  plan_.train.measure_start_loss = false;
  EXPECT_THAT(trainer_.Train(plan_, 1, huge, absl::MakeSpan(parameters), {}),
              StatusIs(absl::StatusCode::kAborted,
                       "the gradient at the parameters that training begins with is not finite"));
}

}  // namespace
}  // namespace tern
