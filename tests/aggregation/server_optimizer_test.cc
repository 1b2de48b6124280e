#include "aggregation/server_optimizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/base/random.h"
#include "tests/testing/status_matchers.h"

namespace tern::aggregation {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::ElementsAre;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(FedAvg, LearningRateOne_AddsTheAggregate) {
  const auto optimizer = MakeServerOptimizer({}).value();
  std::vector<float> parameters = {1.0f, -2.0f, 0.1f};
  ASSERT_THAT(optimizer->Apply(absl::MakeSpan(parameters), {0.5f, 0.25f, 0.2f}), IsOk());
  EXPECT_THAT(parameters, ElementsAre(1.5f, -1.75f, 0.1f + 0.2f));
  ASSERT_THAT(optimizer->Apply(absl::MakeSpan(parameters), {0.0f, 0.0f, 0.0f}), IsOk());
  EXPECT_THAT(parameters, ElementsAre(1.5f, -1.75f, 0.1f + 0.2f));
}

// Product and sum are each rounded: no fused multiply-add, on any processor.
TEST(FedAvg, AnyLearningRate_RoundsProductThenSum) {
  RandomStream random({.seed = 70});
  const float learning_rate = 0.7f;
  const auto optimizer = MakeServerOptimizer({.learning_rate = learning_rate}).value();
  std::vector<float> parameters(1000);
  std::vector<float> aggregate(1000);
  for (float& value : parameters) value = random.NextFloat() - 0.5f;
  for (float& value : aggregate) value = 0.1f * random.NextFloat() - 0.05f;
  const std::vector<float> before = parameters;
  ASSERT_THAT(optimizer->Apply(absl::MakeSpan(parameters), aggregate), IsOk());
  int would_differ_fused = 0;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const volatile float product = learning_rate * aggregate[i];
    ASSERT_EQ(parameters[i], before[i] + product);
    if (std::fma(learning_rate, aggregate[i], before[i]) != parameters[i]) ++would_differ_fused;
  }
  EXPECT_GT(would_differ_fused, 0);
}

TEST(FedAvgM, KeepsAVelocity) {
  const auto optimizer =
      MakeServerOptimizer({.name = "fedavgm", .learning_rate = 2.0f, .momentum = 0.5f}).value();
  std::vector<float> parameters = {1.0f, 0.0f};
  ASSERT_THAT(optimizer->Apply(absl::MakeSpan(parameters), {1.0f, -1.0f}),
              IsOk());  // velocity 1, -1
  EXPECT_THAT(parameters, ::testing::ElementsAre(3.0f, -2.0f));
  ASSERT_THAT(optimizer->Apply(absl::MakeSpan(parameters), {0.0f, 1.0f}), IsOk());  // 0.5, 0.5
  EXPECT_THAT(parameters, ::testing::ElementsAre(4.0f, -1.0f));
  ASSERT_THAT(optimizer->Apply(absl::MakeSpan(parameters), {1.0f, 0.0f}), IsOk());  // 1.25, 0.25
  EXPECT_THAT(parameters, ::testing::ElementsAre(6.5f, -0.5f));
}

TEST(FedAvgM, StepThatIsNotFinite_LeavesTheVelocityAsItWas) {
  const auto optimizer = MakeServerOptimizer({.name = "fedavgm", .momentum = 0.5f}).value();
  std::vector<float> parameters = {3e38f};
  EXPECT_THAT(optimizer->Apply(absl::MakeSpan(parameters), {3e38f}),
              StatusIs(absl::StatusCode::kFailedPrecondition, "not finite"));
  parameters = {1.0f};
  ASSERT_THAT(optimizer->Apply(absl::MakeSpan(parameters), {0.0f}), IsOk());
  EXPECT_EQ(parameters[0], 1.0f);
}

TEST(MakeServerOptimizer, MomentumOutOfRange_IsInvalidArgument) {
  for (const float momentum : {-0.1f, 1.0f, std::nanf("")}) {
    EXPECT_THAT(MakeServerOptimizer({.name = "fedavgm", .momentum = momentum}),
                StatusIs(kInvalid, "server optimizer 'fedavgm': momentum is "));
  }
}

TEST(MakeServerOptimizer, LearningRateOutOfRange_IsInvalidArgument) {
  for (const float learning_rate :
       {0.0f, -1.0f, std::nanf(""), std::numeric_limits<float>::infinity()}) {
    EXPECT_THAT(MakeServerOptimizer({.learning_rate = learning_rate}),
                StatusIs(kInvalid, "server optimizer 'fedavg': learning_rate is "));
  }
}

TEST(MakeServerOptimizer, UnknownName_ListsTheNames) {
  EXPECT_THAT(MakeServerOptimizer({.name = "adam"}),
              StatusIs(kInvalid, "no server optimizer 'adam'; there are fedavg, fedavgm"));
}

TEST(FedAvgDeathTest, LengthsThatDiffer_AreABugOfTheCaller) {
  const auto optimizer = MakeServerOptimizer({}).value();
  std::vector<float> parameters(3);
  EXPECT_DEATH((void)optimizer->Apply(absl::MakeSpan(parameters), {1.0f}), "check failed");
}

}  // namespace
}  // namespace tern::aggregation
