// What each of mean, norm_clip, fednova and qfedavg does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "aggregation/mean.h"
#include "tests/aggregation/test_updates.h"
#include "tests/testing/status_matchers.h"

namespace tern::aggregation {
namespace {

using ::tern::testing::StatusIs;
using ::testing::ElementsAre;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

Aggregate Report(std::unique_ptr<Aggregator> aggregator) {
  return (std::move(*aggregator).Report({})).value();
}

std::unique_ptr<Aggregator> Make(const AggregatorOptions& options) {
  return MakeAggregator(options, {.count = 2, .max_total_weight = 1000, .max_updates = 10}).value();
}

TEST(NormClip, ShorterUpdates_StayBitForBitAsTheyAre) {
  RandomStream random({.seed = 67});
  const AggregatorLimits limits = {.count = 1000, .max_total_weight = 1000};
  const TestUpdate update(RandomValues(1000, 0.01f, random), {.weight = 7});
  auto clip = MakeAggregator({.name = "norm_clip", .clip_norm = 0.32f}, limits).value();
  auto mean = MakeAggregator({}, limits).value();
  update.AddTo(*clip);
  update.AddTo(*mean);
  EXPECT_EQ(Report(std::move(clip)).values, Report(std::move(mean)).values);
}

TEST(NormClip, LongerUpdates_AreScaledToTheNorm) {
  auto aggregator = Make({.name = "norm_clip", .clip_norm = 1.0f});
  TestUpdate({3.0f, -4.0f}, {.weight = 3}).AddTo(*aggregator);
  TestUpdate({0.5f, 0.5f}, {.weight = 1}).AddTo(*aggregator);
  const Aggregate aggregate = Report(std::move(aggregator));
  EXPECT_NEAR(aggregate.values[0], (3 * 0.6 + 0.5) / 4, 1e-7);
  EXPECT_NEAR(aggregate.values[1], (3 * -0.8 + 0.5) / 4, 1e-7);
}

TEST(NormClip, UpdateOfZeros_IsNotDividedByItsNorm) {
  auto aggregator = Make({.name = "norm_clip"});
  TestUpdate({0.0f, 0.0f}, {}).AddTo(*aggregator);
  EXPECT_THAT(Report(std::move(aggregator)).values, ElementsAre(0.0f, 0.0f));
}

TEST(Mean, MeasuredNorms_AreOfWhatTheUpdatesHold) {
  auto aggregator = Make({.name = "mean", .measure_norms = true});
  TestUpdate({3.0f, -4.0f}, {.weight = 1}).AddTo(*aggregator);
  TestUpdate({2.0f}, {.weight = 3}, MakeSet({{1, 1}}, 2)).AddTo(*aggregator);
  EXPECT_EQ(Report(std::move(aggregator)).mean_squared_norm, (25.0 + 3 * 4.0) / 4);
}

// All made the same number of steps: nothing is left of the rule.
TEST(FedNova, EqualSteps_GiveTheMean) {
  auto aggregator = Make({.name = "fednova"});
  TestUpdate({1.0f, 2.0f}, {.weight = 1, .steps_norm = 5.0}).AddTo(*aggregator);
  TestUpdate({3.0f, -2.0f}, {.weight = 3, .steps_norm = 5.0}).AddTo(*aggregator);
  const Aggregate aggregate = Report(std::move(aggregator));
  EXPECT_NEAR(aggregate.values[0], 2.5, 1e-6);
  EXPECT_NEAR(aggregate.values[1], -1.0, 1e-6);
}

TEST(FedNova, ClientOfManySteps_CountsAsMuchAsOneOfFew) {
  auto aggregator = Make({.name = "fednova"});
  TestUpdate({10.0f, 0.0f}, {.steps_norm = 10.0}).AddTo(*aggregator);
  TestUpdate({0.0f, 2.0f}, {.steps_norm = 2.0}).AddTo(*aggregator);
  const Aggregate aggregate = Report(std::move(aggregator));  // 6 steps of (1, 1) / 2
  EXPECT_NEAR(aggregate.values[0], 3.0, 1e-6);
  EXPECT_NEAR(aggregate.values[1], 3.0, 1e-6);
}

TEST(FedNovaStepsNorm, IsThatOfThePaper) {
  EXPECT_EQ(FedNovaStepsNorm(1, 0.9f, 0.3f), 1.0);
  EXPECT_EQ(FedNovaStepsNorm(12345, 0.0f, 0.0f), 12345.0);
  const double rho = 0.9f;
  const double with_momentum = (50 - rho * (1 - std::pow(rho, 50)) / (1 - rho)) / (1 - rho);
  EXPECT_NEAR(FedNovaStepsNorm(50, 0.9f, 0.0f), with_momentum, 1e-9 * with_momentum);
  const double pull = 0.01f;
  const double proximal = (1 - std::pow(1 - pull, 50)) / pull;
  EXPECT_NEAR(FedNovaStepsNorm(50, 0.0f, 0.01f), proximal, 1e-9 * proximal);
}

// One parameter, gradients of 1, the steps of core/engine/sgd.h.
TEST(FedNovaStepsNorm, MomentumWithProximalTerm_IsHowFarGradientsOfOneMove) {
  for (const int64_t steps : {2, 3, 17, 1000}) {
    const double rate = 0.05;
    const double mu = 0.2;
    double w = 0.0;
    double velocity = 0.0;
    for (int64_t i = 0; i < steps; ++i) {
      velocity = static_cast<double>(0.7f) * velocity + 1.0 + mu * w;
      w -= rate * velocity;
    }
    const double moved = -w / rate;
    EXPECT_NEAR(FedNovaStepsNorm(steps, 0.7f, 0.01f), moved, 1e-6 * moved);
  }
}

TEST(FedNovaStepsNorm, AnyNumberOfSteps_IsInRange) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(FedNovaStepsNorm(kMost, 0.0f, 0.0f), kMaxStepsNorm);
  EXPECT_EQ(FedNovaStepsNorm(kMost, 0.999f, 0.0f), kMaxStepsNorm);
  EXPECT_NEAR(FedNovaStepsNorm(kMost, 0.9f, 0.001f), 1000.0, 1e-3);
  for (const int64_t steps : {int64_t{0}, int64_t{-1}, -kMost - 1}) {
    EXPECT_EQ(FedNovaStepsNorm(steps, 0.9f, 0.001f), 1.0);
  }
}

TEST(QFedAvg, FairnessZero_IsTheMeanOfAllClients) {
  auto aggregator = Make({.name = "qfedavg", .fairness = 0.0f});
  TestUpdate({1.0f, 2.0f}, {.weight = 100, .start_loss = 0.1}).AddTo(*aggregator);
  TestUpdate({3.0f, -2.0f}, {.weight = 1, .start_loss = 9.0}).AddTo(*aggregator);
  EXPECT_THAT(Report(std::move(aggregator)).values, ElementsAre(2.0f, 0.0f));
}

// q = 1, L = 2, F = 3 and 1: numerator 3 (1, 0) + (0, 2), denominator 3 + 2 + 1 + 2 * 4.
TEST(QFedAvg, LargerLoss_CountsMore) {
  auto aggregator = Make({.name = "qfedavg", .fairness = 1.0f, .client_learning_rate = 0.5f});
  TestUpdate({1.0f, 0.0f}, {.start_loss = 3.0}).AddTo(*aggregator);
  TestUpdate({0.0f, 2.0f}, {.start_loss = 1.0}).AddTo(*aggregator);
  const Aggregate aggregate = Report(std::move(aggregator));
  EXPECT_NEAR(aggregate.values[0], 3.0 / 14, 1e-7);
  EXPECT_NEAR(aggregate.values[1], 2.0 / 14, 1e-7);
}

TEST(QFedAvg, LossThatIsALie_CountsNoMoreThanTheBound) {
  for (const float fairness : {0.001f, 1.0f, 2.0f, 10.0f}) {
    const double bound = fairness < 0.01f ? 1e300 : std::pow(kMaxFairFactor, 1.0 / fairness);
    std::vector<std::vector<float>> results;
    for (const double loss : {bound, std::numeric_limits<double>::max()}) {
      auto aggregator = Make({.name = "qfedavg", .fairness = fairness});
      TestUpdate({1.0f, 0.0f}, {.start_loss = loss}).AddTo(*aggregator);
      TestUpdate({0.0f, 2.0f}, {.start_loss = 1.0}).AddTo(*aggregator);
      results.push_back(Report(std::move(aggregator)).values);
    }
    if (fairness > 0.01f) {
      EXPECT_EQ(results[0], results[1]) << fairness;
    }
    EXPECT_TRUE(std::isfinite(results[1][0]));
  }
}

TEST(QFedAvg, NoLossAtAll_MakesNoStep) {
  auto aggregator = Make({.name = "qfedavg", .fairness = 5.0f});
  TestUpdate({1.0f, -16.0f}, {.start_loss = 0.0}).AddTo(*aggregator);
  EXPECT_THAT(Report(std::move(aggregator)).values, ElementsAre(0.0f, 0.0f));
}

// The largest values, weights and losses that the limits allow.
TEST(StreamingRules, ExtremesAtTheLimits_DoNotOverflow) {
  for (const char* const rule : {"mean", "norm_clip", "fednova", "qfedavg"}) {
    const bool fair = std::string(rule) == "qfedavg";
    const AggregatorLimits limits = {.count = 2,
                                     .max_update_abs = 16.0f,
                                     .max_total_weight = (int64_t{1} << 38) - 1,
                                     .max_updates = fair ? (int64_t{1} << 28) - 1 : 1};
    auto aggregator =
        MakeAggregator({.name = rule, .clip_norm = 100.0f, .measure_norms = true}, limits).value();
    TestUpdate(
        {16.0f, -16.0f},
        {.weight = limits.max_total_weight, .steps_norm = kMaxStepsNorm, .start_loss = 1e300})
        .AddTo(*aggregator);
    const Aggregate aggregate = Report(std::move(aggregator));
    EXPECT_EQ(aggregate.values[1], -aggregate.values[0]) << rule;
    if (fair) {
      EXPECT_NEAR(aggregate.values[0], 1024.0 * 16 / (1024 + 20 * 512), 1e-6);
    } else if (std::string(rule) != "fednova") {  // its factor rounds such updates away
      EXPECT_NEAR(aggregate.values[0], 16.0, 1e-5) << rule;
    }
    EXPECT_EQ(aggregate.mean_squared_norm, std::string(rule) == "mean" ? 512.0 : 0.0);
  }
}

TEST(StreamingRules, LimitsWithoutRoom_AreRefusedWithTheArithmetic) {
  EXPECT_THAT(MakeAggregator({.name = "qfedavg"},
                             {.count = 1, .max_total_weight = 1, .max_updates = int64_t{1} << 28}),
              StatusIs(kInvalid,
                       "aggregator 'qfedavg': max_update_abs 16 times a factor of up to "
                       "1024 needs 15 bits, max_total_weight 268435456 needs 29 bits"));
  EXPECT_THAT(MakeAggregator({.name = "qfedavg", .client_learning_rate = 1e-30f},
                             {.count = 1, .max_total_weight = 1}),
              StatusIs(kInvalid, "leaves fewer than 20 of 126 bits"));
  EXPECT_THAT(
      MakeAggregator({.name = "fednova"}, {.count = 1, .max_total_weight = int64_t{1} << 38}),
      StatusIs(kInvalid, "aggregator 'fednova': max_update_abs 16 needs 5 bits"));
}

TEST(StreamingRules, OptionsOutOfRange_AreInvalidArgument) {
  const AggregatorLimits limits = {.count = 1, .max_total_weight = 1};
  for (const float bad : {0.0f, -1.0f, std::nanf(""), HUGE_VALF}) {
    EXPECT_THAT(MakeAggregator({.name = "norm_clip", .clip_norm = bad}, limits),
                StatusIs(kInvalid, "aggregator 'norm_clip': clip_norm is "));
    EXPECT_THAT(MakeAggregator({.name = "qfedavg", .client_learning_rate = bad}, limits),
                StatusIs(kInvalid, "aggregator 'qfedavg': client_learning_rate is "));
  }
  for (const float bad : {-0.1f, 10.1f, std::nanf("")}) {
    EXPECT_THAT(MakeAggregator({.name = "qfedavg", .fairness = bad}, limits),
                StatusIs(kInvalid, "aggregator 'qfedavg': fairness is "));
  }
}

TEST(StreamingRules, TheTableSaysWhatEachTakes) {
  for (const char* const rule : {"mean", "norm_clip", "fednova", "qfedavg"}) {
    EXPECT_FALSE(ReadsUpdatesBack(rule));
    EXPECT_EQ(TakesSubmodels(rule), std::string(rule) != "qfedavg");
  }
}

TEST(StreamingRulesDeathTest, FactsOutOfRange_AreABugOfTheCaller) {
  const auto add = [](const char* rule, const UpdateFacts& facts, const SharedSet& set = nullptr) {
    TestUpdate({1.0f, 1.0f}, facts, set).AddTo(*Make({.name = rule}));
  };
  EXPECT_DEATH(add("fednova", {.steps_norm = 0.5}), "check failed");
  EXPECT_DEATH(add("fednova", {.steps_norm = std::nan("")}), "check failed");
  EXPECT_DEATH(add("qfedavg", {.start_loss = -1.0}), "check failed");
  EXPECT_DEATH(add("qfedavg", {.start_loss = std::nan("")}), "check failed");
  EXPECT_DEATH(add("qfedavg", {}, MakeSet({{0, 2}}, 2)), "check failed");
}

TEST(StreamingRulesDeathTest, MergeOfAnotherRuleOrOption_IsABugOfTheCaller) {
  auto mean = Make({.name = "mean"});
  EXPECT_DEATH(mean->Merge(std::move(*Make({.name = "fednova"}))), "check failed");
  auto clip = Make({.name = "norm_clip", .clip_norm = 1.0f});
  EXPECT_DEATH(clip->Merge(std::move(*Make({.name = "norm_clip", .clip_norm = 2.0f}))),
               "check failed");
}

}  // namespace
}  // namespace tern::aggregation
