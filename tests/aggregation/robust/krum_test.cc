#include "aggregation/robust/krum.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "aggregation/robust/bulyan.h"
#include "aggregation/robust/centers.h"
#include "tests/aggregation/robust/robust_tools.h"

namespace tern::aggregation {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

TEST(SquaredDistance, IsPreciseAtAnySize) {
  RandomStream random({.seed = 74});
  for (const int64_t size : {64, 512, 576, 4096, 65536}) {
    const std::vector<float> a = RandomValues(random, size);
    const std::vector<float> b = RandomValues(random, size);
    long double expected = 0.0L;
    for (size_t i = 0; i < a.size(); ++i) {
      const auto difference = static_cast<long double>(a[i]) - static_cast<long double>(b[i]);
      expected += difference * difference;
    }
    EXPECT_NEAR(SquaredDistance(a.data(), b.data(), size) / static_cast<double>(expected), 1.0,
                2e-7)
        << size;
  }
}

TEST(SquaredDistance, OfTheLargestThatAreTaken_IsFinite) {
  const std::vector<float> a(4096, kMaxComparedAbs);
  const std::vector<float> b(4096, -kMaxComparedAbs);
  EXPECT_NEAR(SquaredDistance(a.data(), b.data(), 4096) / (4096 * 4e30), 1.0, 1e-6);
}

// On a line at 0, 1, 3, 6, 10.
std::vector<double> DistancesOnALine() {
  const double at[] = {0.0, 1.0, 3.0, 6.0, 10.0};
  std::vector<double> squared;
  for (const double a : at) {
    for (const double b : at) squared.push_back((a - b) * (a - b));
  }
  return squared;
}

TEST(KrumScores, AreSumsOfSquaredDistancesToTheNearestOthers) {
  const std::vector<double> squared = DistancesOnALine();
  const std::vector<int64_t> all = {0, 1, 2, 3, 4};
  EXPECT_THAT(KrumScores(squared, 5, 1, all),
              ElementsAre(1.0 + 9.0, 1.0 + 4.0, 4.0 + 9.0, 9.0 + 16.0, 16.0 + 49.0));
  EXPECT_THAT(KrumScores(squared, 5, 0, all),
              ElementsAre(10.0 + 36.0, 5.0 + 25.0, 4.0 + 9.0 + 9.0, 50.0, 65.0 + 81.0));
}

TEST(KrumScores, LookAtOneNeighbourAtLeast) {
  EXPECT_THAT(KrumScores(DistancesOnALine(), 5, 4, {0, 2, 3}), ElementsAre(9.0, 9.0, 9.0));
}

TEST(KrumScores, OfTheLastOne_IsZero) {
  EXPECT_THAT(KrumScores(DistancesOnALine(), 5, 1, {2}), ElementsAre(0.0));
}

TEST(Krum, ChoosesTheUpdateNearestToItsNeighbours) {
  EXPECT_THAT(ValuesOf({.name = "krum", .attackers = 1},
                       {{0.0f, 9.0f}, {1.0f, 9.0f}, {3.0f, 9.0f}, {6.0f, 9.0f}, {10.0f, 9.0f}}),
              ElementsAre(1.0f, 9.0f));
}

TEST(Krum, OfEqualScores_ChoosesTheSmallestId) {
  // Scores are 20, 8, 8, 20.
  EXPECT_THAT(ValuesOf({.name = "krum"}, {{-3.0f}, {-1.0f}, {1.0f}, {3.0f}}), ElementsAre(-1.0f));
}

TEST(MultiKrum, IsThePlainMeanOfTheBest) {
  const std::vector<std::vector<float>> updates = {{0.0f}, {1.0f}, {3.0f}, {6.0f}, {10.0f}};
  EXPECT_THAT(ValuesOf({.name = "multi_krum", .attackers = 1, .keep = 2}, updates),
              ElementsAre(0.5f));
  // All but the one that may lie.
  EXPECT_THAT(ValuesOf({.name = "multi_krum", .attackers = 1}, updates), ElementsAre(2.5f));
  EXPECT_THAT(ValuesOf({.name = "multi_krum", .attackers = 1, .keep = 5}, updates),
              ElementsAre(4.0f));
}

TEST(SelectByKrum, CountsNeighboursAmongThoseThatRemain) {
  // n = 7, f = 1. With 4 neighbours the middle is best; ends go last.
  const double at[] = {0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 100.0};
  std::vector<double> squared;
  for (const double a : at) {
    for (const double b : at) squared.push_back((a - b) * (a - b));
  }
  EXPECT_THAT(SelectByKrum(squared, 7, 1), ElementsAre(0, 1, 2, 3, 4));
}

TEST(Bulyan, AveragesTheValuesNearestToTheMedian) {
  // By the first coordinate the last two are not selected. Of the others' second the median is 0.5.
  const std::vector<std::vector<float>> updates = {{0.0f, 0.0f},   {0.0f, 0.25f}, {0.0f, 0.5f},
                                                   {0.0f, 0.625f}, {0.0f, 1.5f},  {100.0f, 0.5f},
                                                   {-100.0f, 0.5f}};
  EXPECT_THAT(ValuesOf({.name = "bulyan", .attackers = 1}, updates),
              ElementsAre(0.0f, (0.25f + 0.5f + 0.625f) / 3));
}

TEST(Bulyan, OfTwoEquallyNear_TakesTheSmaller) {
  // The median is 0; of -2 and 2 the smaller is the third.
  const std::vector<std::vector<float>> updates = {{-2.0f}, {-1.0f},  {0.0f},   {2.0f},
                                                   {3.0f},  {900.0f}, {-900.0f}};
  EXPECT_THAT(ValuesOf({.name = "bulyan", .attackers = 1}, updates), ElementsAre(-1.0f));
}

TEST(Bulyan, WithoutAttackers_IsTheMean) {
  EXPECT_THAT(ValuesOf({.name = "bulyan"}, {{1.0f}, {2.0f}, {6.0f}}), ElementsAre(3.0f));
}

TEST(Krum, WildLiars_AreNeverChosen) {
  RandomStream random({.seed = 75});
  std::vector<std::vector<float>> updates;
  for (int i = 0; i < 15; ++i) {
    const bool lies = i % 5 == 1;
    updates.push_back(std::vector<float>(300, lies ? (i < 7 ? 1e15f : -16.0f) : 1.0f));
    for (float& value : updates.back()) value += 0.1f * (random.NextFloat() - 0.5f);
  }
  for (const char* rule : {"krum", "multi_krum", "bulyan"}) {
    const std::vector<float> values = ValuesOf({.name = rule, .attackers = 3}, updates);
    for (const float value : values) ASSERT_NEAR(value, 1.0f, 0.051f) << rule;
  }
}

// A liar that hides in most coordinates and lies wildly in one passes Krum's distances, not
// Bulyan's medians.
TEST(Bulyan, LiesInOneCoordinate_DoNotMoveIt) {
  RandomStream random({.seed = 76});
  std::vector<std::vector<float>> updates;
  for (int i = 0; i < 11; ++i) {
    updates.push_back(RandomValues(random, 4000));
    updates.back()[17] = i < 2 ? 8.0f : 0.25f;
  }
  EXPECT_EQ(ValuesOf({.name = "bulyan", .attackers = 2}, updates)[17], 0.25f);
}

}  // namespace
}  // namespace tern::aggregation
