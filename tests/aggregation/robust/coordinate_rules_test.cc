#include "aggregation/robust/coordinate_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/aggregation/robust/robust_tools.h"

namespace tern::aggregation {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

std::vector<float> OfSubmodels(const AggregatorOptions& options, int64_t count,
                               const std::vector<UpdateSpec>& specs) {
  auto aggregator =
      MakeRobustAggregator(options, LimitsOf(count, static_cast<int64_t>(specs.size()))).value();
  std::vector<std::unique_ptr<TestUpdate>> updates;
  for (const UpdateSpec& spec : specs) {
    updates.push_back(std::make_unique<TestUpdate>(spec));
    updates.back()->AccumulateInto(*aggregator);
  }
  return (std::move(*aggregator).Report({})).value().values;
}

TEST(Median, OfAnOddNumber_IsTheMiddleOne) {
  EXPECT_THAT(ValuesOf({.name = "median"}, {{1.0f, -5.0f}, {9.0f, 2.0f}, {3.0f, 2.5f}}),
              ElementsAre(3.0f, 2.0f));
}

TEST(Median, OfAnEvenNumber_IsTheMeanOfTheMiddleTwo) {
  EXPECT_THAT(ValuesOf({.name = "median"}, {{1.0f}, {9.0f}, {4.0f}, {3.0f}}), ElementsAre(3.5f));
  EXPECT_THAT(ValuesOf({.name = "median"}, {{1.0f}, {2.0f}}), ElementsAre(1.5f));
}

TEST(Median, OfOneUpdate_IsThatUpdate) {
  EXPECT_THAT(ValuesOf({.name = "median"}, {{0.25f, -8.0f, 0.0f}}),
              ElementsAre(0.25f, -8.0f, 0.0f));
}

TEST(TrimmedMean, CutsOffAsManyAsMayLie) {
  const std::vector<std::vector<float>> updates = {{100.0f}, {1.0f}, {2.0f}, {6.0f}, {-100.0f}};
  EXPECT_THAT(ValuesOf({.name = "trimmed_mean", .attackers = 1}, updates), ElementsAre(3.0f));
  EXPECT_THAT(ValuesOf({.name = "trimmed_mean", .attackers = 2}, updates), ElementsAre(2.0f));
}

TEST(TrimmedMean, WithoutAttackers_IsTheMean) {
  EXPECT_THAT(ValuesOf({.name = "trimmed_mean"}, {{1.0f}, {2.0f}, {6.0f}}), ElementsAre(3.0f));
}

TEST(TrimmedMean, Share_IsThatOfTheUpdatesRoundedDown) {
  std::vector<std::vector<float>> updates;
  for (int i = 0; i < 20; ++i) updates.push_back({static_cast<float>(i * i)});
  // 0.45 of 20 are 9, although the nearest float is below 0.45.
  EXPECT_THAT(ValuesOf({.name = "trimmed_mean", .trim = 0.45f}, updates),
              ElementsAre((81.0f + 100.0f) / 2));
  EXPECT_THAT(ValuesOf({.name = "trimmed_mean", .trim = 0.04f}, updates), ElementsAre(123.5f));
}

TEST(TrimmedMean, ShareAboveZero_TakesThePlaceOfTheAttackers) {
  const std::vector<std::vector<float>> updates = {{100.0f}, {1.0f}, {2.0f}, {6.0f}, {-100.0f}};
  EXPECT_THAT(ValuesOf({.name = "trimmed_mean", .attackers = 2, .trim = 0.2f}, updates),
              ElementsAre(3.0f));
}

// Coordinate 0 is held by three, 1 by two, 2 by one, 3 by none.
std::vector<UpdateSpec> Nested() {
  return {{.values = {1.0f, 10.0f, 5.0f}, .id = 0, .coordinates = MakeSet({{0, 3}}, 4)},
          {.values = {2.0f, 20.0f}, .id = 1, .coordinates = MakeSet({{0, 2}}, 4)},
          {.values = {6.0f}, .id = 2, .coordinates = MakeSet({{0, 1}}, 4)}};
}

TEST(Median, OfSubmodels_IsThatOfTheUpdatesThatHoldACoordinate) {
  EXPECT_THAT(OfSubmodels({.name = "median"}, 4, Nested()), ElementsAre(2.0f, 15.0f, 5.0f, 0.0f));
}

TEST(CoordinateRules, ACoordinateHeldByFewerThanCouldOutvoteTheLiars_StaysAsItIs) {
  for (const char* rule : {"median", "trimmed_mean"}) {
    EXPECT_THAT(OfSubmodels({.name = rule, .attackers = 1}, 4, Nested()),
                ElementsAre(2.0f, 0.0f, 0.0f, 0.0f))
        << rule;
  }
}

TEST(TrimmedMean, OfSubmodels_IsOverThoseThatHoldACoordinate) {
  EXPECT_THAT(OfSubmodels({.name = "trimmed_mean"}, 4, Nested()),
              ElementsAre(3.0f, 15.0f, 5.0f, 0.0f));
}

TEST(Median, CoordinatesThatAreHeldButNotSent_CountAsZero) {
  const SharedSet mask = MakeSet({{1, 1}}, 2);
  std::vector<UpdateSpec> specs;
  for (uint64_t i = 0; i < 3; ++i) {
    specs.push_back({.values = {4.0f, static_cast<float>(i)}, .id = i, .codec = "mask|none"});
    if (i > 0) specs.back().mask = mask;
  }
  EXPECT_THAT(OfSubmodels({.name = "median"}, 2, specs), ElementsAre(0.0f, 1.0f));
}

TEST(CoordinateRules, WildLiars_DoNotMoveThem) {
  std::vector<std::vector<float>> updates(7, std::vector<float>(200, 0.5f));
  for (size_t liar = 0; liar < 3; ++liar) {
    for (size_t c = 0; c < 200; ++c) updates[liar][c] = c % 2 == 0 ? 1e15f : -1e15f;
  }
  EXPECT_THAT(ValuesOf({.name = "median", .attackers = 3}, updates), Each(0.5f));
  EXPECT_THAT(ValuesOf({.name = "trimmed_mean", .attackers = 3}, updates), Each(0.5f));
}

}  // namespace
}  // namespace tern::aggregation
