#include "aggregation/robust/robust_aggregator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/aggregation/robust/robust_tools.h"
#include "tests/testing/status_matchers.h"

namespace tern::aggregation {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::ElementsAre;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kPrecondition = absl::StatusCode::kFailedPrecondition;

absl::Status MakeStatus(const AggregatorOptions& options, int64_t n) {
  return MakeRobustAggregator(options, LimitsOf(2, n)).status();
}

TEST(RobustRules, Names_AreThoseOfTheTable) {
  EXPECT_THAT(RobustRuleNames(),
              ElementsAre("median", "trimmed_mean", "krum", "multi_krum", "bulyan",
                          "geometric_median", "centered_clip", "fltrust"));
  EXPECT_TRUE(IsRobustRule("krum"));
  EXPECT_FALSE(IsRobustRule("mean"));
}

TEST(RobustRules, OnlyCoordinateRules_TakeSubmodels) {
  for (const std::string& name : RobustRuleNames()) {
    EXPECT_EQ(RobustRuleTakesSubmodels(name), name == "median" || name == "trimmed_mean") << name;
  }
  EXPECT_FALSE(RobustRuleTakesSubmodels("none such"));
}

TEST(MakeRobustAggregator, UnknownName_ListsThoseThatThereAre) {
  EXPECT_THAT(MakeStatus({.name = "crumb"}, 9),
              StatusIs(kInvalid, "no robust aggregator 'crumb'; there are median, trimmed_mean"));
}

TEST(MakeRobustAggregator, TooManyAttackers_ShowsTheArithmetic) {
  EXPECT_THAT(MakeStatus({.name = "krum", .attackers = 2}, 6),
              StatusIs(kInvalid, "krum needs n >= 2f + 3: n = 6, f = 2"));
  EXPECT_THAT(MakeStatus({.name = "krum", .attackers = 2}, 7), IsOk());
  const std::pair<const char*, int64_t> least_of_two[] = {
      {"median", 5},  {"trimmed_mean", 5},     {"multi_krum", 7},
      {"bulyan", 11}, {"geometric_median", 5}, {"centered_clip", 5}};
  for (const auto& [name, least] : least_of_two) {
    EXPECT_THAT(MakeStatus({.name = name, .attackers = 2}, least), IsOk()) << name;
    EXPECT_THAT(MakeStatus({.name = name, .attackers = 2}, least - 1),
                StatusIs(kInvalid, absl::StrCat(name, " needs n >= ")))
        << name;
  }
  EXPECT_THAT(MakeStatus({.name = "fltrust", .attackers = 2}, 1), IsOk());
  EXPECT_THAT(MakeStatus({.name = "fltrust"}, 0),
              StatusIs(kInvalid, "fltrust needs n >= 1: n = 0"));
}

TEST(MakeRobustAggregator, HugeNumbers_DoNotOverflow) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  EXPECT_THAT(MakeStatus({.name = "bulyan", .attackers = kMax}, kMax), StatusIs(kInvalid, "needs"));
  EXPECT_THAT(MakeStatus({.name = "krum"}, 8193),
              StatusIs(kInvalid, "krum compares all pairs of n = 8193 updates, expected at most"));
  EXPECT_THAT(MakeStatus({.name = "median"}, std::numeric_limits<int64_t>::min()),
              StatusIs(kInvalid, "median needs n >= 2f + 1"));
}

TEST(MakeRobustAggregator, OptionsOutOfRange_AreNamed) {
  for (const std::string& name : RobustRuleNames()) {
    EXPECT_THAT(MakeStatus({.name = name, .attackers = -1}, 20),
                StatusIs(kInvalid, absl::StrCat(name, ": attackers is -1")));
  }
  for (const float trim : {-0.1f, 0.5f, std::nanf("")}) {
    EXPECT_THAT(MakeStatus({.name = "trimmed_mean", .trim = trim}, 20),
                StatusIs(kInvalid, "trim is "));
  }
  for (const float bad : {0.0f, -1.0f, std::nanf(""), std::numeric_limits<float>::infinity()}) {
    EXPECT_THAT(MakeStatus({.name = "centered_clip", .clip_norm = bad}, 20),
                StatusIs(kInvalid, "clip_norm is "));
    EXPECT_THAT(MakeStatus({.name = "geometric_median", .smoothing = bad}, 20),
                StatusIs(kInvalid, "smoothing is "));
  }
  for (const int64_t iterations : {-1, 1001}) {
    for (const char* name : {"centered_clip", "geometric_median"}) {
      EXPECT_THAT(MakeStatus({.name = name, .iterations = iterations}, 20),
                  StatusIs(kInvalid, absl::StrCat(name, ": iterations is ", iterations)));
    }
  }
  for (const int64_t keep : {-1, 21}) {
    EXPECT_THAT(MakeStatus({.name = "multi_krum", .keep = keep}, 20),
                StatusIs(kInvalid, absl::StrCat("keep is ", keep, ", expected 0 to n = 20")));
  }
}

TEST(MakeRobustAggregator, OptionsOfOtherRules_AreNotLookedAt) {
  EXPECT_THAT(MakeStatus({.name = "median",
                          .trim = 7.0f,
                          .keep = -1,
                          .clip_norm = 0.0f,
                          .iterations = -1,
                          .smoothing = 0.0f},
                         20),
              IsOk());
}

TEST(MakeRobustAggregator, LimitWhoseSquaresOverflow_IsRefused) {
  EXPECT_THAT(MakeRobustAggregator({.name = "krum"},
                                   {.count = 2, .max_update_abs = 2e15f, .max_updates = 9}),
              StatusIs(kInvalid, "max_update_abs is 2e+15, expected at most 1e+15"));
}

TEST(RobustAggregator, NothingAccumulated_IsFailedPrecondition) {
  for (const std::string& name : RobustRuleNames()) {
    auto aggregator = MakeRobustAggregator({.name = name}, LimitsOf(2, 20)).value();
    EXPECT_THAT(std::move(*aggregator).Report({}),
                StatusIs(kPrecondition, absl::StrCat(name, ": no update was accumulated")));
  }
}

TEST(RobustAggregator, FewerUpdatesThanTheRuleNeeds_ShowsTheArithmetic) {
  auto aggregator = MakeRobustAggregator({.name = "krum", .attackers = 2}, LimitsOf(1, 9)).value();
  std::vector<std::unique_ptr<TestUpdate>> updates;
  for (uint64_t i = 0; i < 6; ++i) {
    updates.push_back(std::make_unique<TestUpdate>(UpdateSpec{.values = {1.0f}, .id = i}));
    updates.back()->AccumulateInto(*aggregator);
  }
  EXPECT_THAT(std::move(*aggregator).Report({}),
              StatusIs(kPrecondition, "krum needs n >= 2f + 3: n = 6, f = 2"));
}

TEST(RobustAggregator, TwoUpdatesOfOneId_AreFailedPrecondition) {
  auto aggregator = MakeRobustAggregator({.name = "median"}, LimitsOf(1, 9)).value();
  const TestUpdate update({.values = {1.0f}, .id = 7});
  update.AccumulateInto(*aggregator);
  update.AccumulateInto(*aggregator);
  EXPECT_THAT(std::move(*aggregator).Report({}),
              StatusIs(kPrecondition, "two updates have the id 7"));
}

TEST(RobustAggregator, MoreUpdatesThanTheLimit_AreFailedPrecondition) {
  auto aggregator = MakeRobustAggregator({.name = "median"}, LimitsOf(1, 1)).value();
  const TestUpdate first({.values = {1.0f}, .id = 1});
  const TestUpdate second({.values = {1.0f}, .id = 2});
  first.AccumulateInto(*aggregator);
  second.AccumulateInto(*aggregator);
  EXPECT_THAT(std::move(*aggregator).Report({}),
              StatusIs(kPrecondition, "2 updates, expected at most 1"));
}

TEST(RobustAggregator, Report_SaysHowManyUpdates) {
  const Aggregate aggregate = AggregateOf({.name = "median"}, {{1.0f}, {2.0f}, {4.0f}}).value();
  EXPECT_EQ(aggregate.num_updates, 3);
  EXPECT_EQ(aggregate.mean_squared_norm, 0.0);
}

using RobustAggregatorDeathTest = ::testing::Test;

TEST(RobustAggregatorDeathTest, SubmodelInARuleThatComparesWholeUpdates_IsABug) {
  auto aggregator = MakeRobustAggregator({.name = "krum"}, LimitsOf(4, 9)).value();
  const TestUpdate update({.values = {1.0f}, .coordinates = MakeSet({{0, 1}}, 4)});
  EXPECT_DEATH(update.AccumulateInto(*aggregator), "check failed");
}

}  // namespace
}  // namespace tern::aggregation
