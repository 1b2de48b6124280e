#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "aggregation/robust/centered_clip.h"
#include "aggregation/robust/fltrust.h"
#include "aggregation/robust/geometric_median.h"
#include "tests/aggregation/robust/robust_tools.h"
#include "tests/testing/status_matchers.h"

namespace tern::aggregation {
namespace {

using ::tern::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::FloatNear;

constexpr auto kPrecondition = absl::StatusCode::kFailedPrecondition;

TEST(GeometricMedian, OfATriangle_GoesToItsFermatPoint) {
  // Of an equilateral triangle, the center.
  const float height = std::sqrt(3.0f);
  EXPECT_THAT(ValuesOf({.name = "geometric_median", .iterations = 100},
                       {{-1.0f, 0.0f}, {1.0f, 0.0f}, {0.0f, height}}),
              ElementsAre(FloatNear(0.0f, 1e-6f), FloatNear(height / 3, 1e-6f)));
}

TEST(GeometricMedian, MajorityAtOnePoint_IsThatPoint) {
  EXPECT_THAT(ValuesOf({.name = "geometric_median", .iterations = 1000},
                       {{2.0f, 1.0f}, {2.0f, 1.0f}, {2.0f, 1.0f}, {-16.0f, 8.0f}, {9.0f, 9.0f}}),
              ElementsAre(FloatNear(2.0f, 1e-3f), FloatNear(1.0f, 1e-3f)));
}

TEST(GeometricMedian, EqualUpdates_AreTheirOwnMedian) {
  EXPECT_THAT(ValuesOf({.name = "geometric_median"}, {{0.1f, 3.0f}, {0.1f, 3.0f}, {0.1f, 3.0f}}),
              ElementsAre(0.1f, 3.0f));
}

TEST(GeometricMedian, Weights_CountAsSoManyUpdates) {
  auto aggregator =
      MakeRobustAggregator({.name = "geometric_median", .iterations = 1000}, LimitsOf(1, 3))
          .value();
  const TestUpdate heavy({.values = {5.0f}, .id = 1, .weight = 3});
  const TestUpdate light({.values = {-5.0f}, .id = 2, .weight = 1});
  const TestUpdate other({.values = {0.0f}, .id = 3, .weight = 1});
  for (const TestUpdate* update : {&heavy, &light, &other}) update->AccumulateInto(*aggregator);
  EXPECT_THAT((std::move(*aggregator).Report({})).value().values,
              ElementsAre(FloatNear(5.0f, 1e-3f)));
}

// The mean would be at -33.
TEST(GeometricMedian, LiarsFarAway_CountLittle) {
  std::vector<std::vector<float>> updates(9, std::vector<float>(100, 0.5f));
  for (size_t i = 0; i < updates.size(); ++i) updates[i][i] += 0.1f;
  for (size_t liar = 0; liar < 3; ++liar) updates[2 * liar].assign(100, -100.0f);
  for (const float value :
       ValuesOf({.name = "geometric_median", .attackers = 3, .iterations = 200}, updates)) {
    EXPECT_NEAR(value, 0.5f, 0.11f);
  }
}

TEST(CenteredClip, UpdatesWithinTheRadius_AreAveraged) {
  EXPECT_THAT(
      ValuesOf({.name = "centered_clip", .clip_norm = 10.0f}, {{1.0f, 2.0f}, {3.0f, -2.0f}}),
      ElementsAre(2.0f, 0.0f));
}

TEST(CenteredClip, DifferencesBeyondTheRadius_AreShortened) {
  // (3, 4) is 5 long, and shortened to (0.6, 0.8).
  EXPECT_THAT(ValuesOf({.name = "centered_clip", .clip_norm = 1.0f}, {{3.0f, 4.0f}, {0.0f, 0.0f}}),
              ElementsAre(FloatNear(0.3f, 1e-6f), FloatNear(0.4f, 1e-6f)));
}

TEST(CenteredClip, StartsAtTheLastAggregate) {
  const std::vector<float> previous = {10.0f};
  EXPECT_THAT(ValuesOf({.name = "centered_clip", .clip_norm = 1.0f}, {{10.5f}, {100.0f}},
                       {.previous = previous}),
              ElementsAre(10.75f));
}

TEST(CenteredClip, Iterations_GoOnFromTheNewCenter) {
  EXPECT_THAT(ValuesOf({.name = "centered_clip", .clip_norm = 1.0f, .iterations = 3},
                       {{10.0f}, {10.0f}, {10.0f}}),
              ElementsAre(FloatNear(3.0f, 1e-6f)));
}

TEST(CenteredClip, AWildLiar_MovesItByTheRadiusAtMost) {
  std::vector<std::vector<float>> updates(10, std::vector<float>(50, 0.0f));
  updates[3].assign(50, 1e15f);
  double squared = 0.0;
  for (const float value : ValuesOf({.name = "centered_clip", .clip_norm = 1.0f}, updates)) {
    squared += static_cast<double>(value) * static_cast<double>(value);
  }
  EXPECT_NEAR(std::sqrt(squared), 0.1, 1e-6);
}

TEST(FlTrust, WeightsByLikenessAndScalesToTheReference) {
  const std::vector<float> reference = {2.0f, 0.0f};
  // Cosines 1, 1 / sqrt(2), -1; all are 2 long when they are averaged.
  const float diagonal = std::sqrt(0.5f);
  EXPECT_THAT(ValuesOf({.name = "fltrust"}, {{16.0f, 0.0f}, {0.5f, 0.5f}, {-1.0f, 0.0f}},
                       {.reference = reference}),
              ElementsAre(FloatNear((2.0f + diagonal * 2.0f * diagonal) / (1.0f + diagonal), 1e-6f),
                          FloatNear(diagonal * 2.0f * diagonal / (1.0f + diagonal), 1e-6f)));
}

TEST(FlTrust, LiarsWhoPointTheOtherWay_CountNothing) {
  const std::vector<float> reference = {1.0f, 1.0f};
  EXPECT_THAT(ValuesOf({.name = "fltrust"}, {{-1e15f, -1e15f}, {3.0f, 3.0f}, {-1.0f, -2.0f}},
                       {.reference = reference}),
              ElementsAre(FloatNear(1.0f, 1e-6f), FloatNear(1.0f, 1e-6f)));
}

TEST(FlTrust, ZeroUpdates_AreNotTrusted) {
  const std::vector<float> reference = {1.0f, 0.0f};
  EXPECT_THAT(ValuesOf({.name = "fltrust"}, {{0.0f, 0.0f}, {4.0f, 0.0f}}, {.reference = reference}),
              ElementsAre(1.0f, 0.0f));
}

TEST(FlTrust, WithoutAReference_IsFailedPrecondition) {
  EXPECT_THAT(AggregateOf({.name = "fltrust"}, {{1.0f}}),
              StatusIs(kPrecondition, "own update is not given"));
}

TEST(FlTrust, ReferenceThatPointsNowhere_IsFailedPrecondition) {
  for (const float bad : {0.0f, std::nanf(""), std::numeric_limits<float>::infinity(),
                          std::numeric_limits<float>::max()}) {
    const std::vector<float> reference = {bad, bad};
    EXPECT_THAT(AggregateOf({.name = "fltrust"}, {{1.0f, 1.0f}}, {.reference = reference}),
                StatusIs(kPrecondition, "expected finite and > 0"))
        << bad;
  }
}

TEST(FlTrust, WhereNobodyIsTrusted_IsFailedPrecondition) {
  const std::vector<float> reference = {1.0f, 0.0f};
  EXPECT_THAT(AggregateOf({.name = "fltrust"}, {{-1.0f, 3.0f}, {0.0f, 1.0f}, {0.0f, 0.0f}},
                          {.reference = reference}),
              StatusIs(kPrecondition, "no update of 3 points the way of the coordinator's own"));
}

}  // namespace
}  // namespace tern::aggregation
