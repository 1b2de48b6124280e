#include "core/base/random_distributions.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "core/base/random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tern {
namespace {

using ::testing::Each;
using ::testing::Ge;

constexpr int64_t kDraws = 200'000;

RandomStream Stream(uint64_t seed) { return RandomStream({.seed = seed}); }

struct Moments {
  double mean = 0.0;
  double variance = 0.0;
};

template <typename Draw>
Moments MomentsOf(const Draw& draw) {
  Moments moments;
  std::vector<double> values(kDraws);
  for (double& value : values) moments.mean += value = draw();
  moments.mean /= static_cast<double>(kDraws);
  for (const double value : values) {
    moments.variance += (value - moments.mean) * (value - moments.mean);
  }
  moments.variance /= static_cast<double>(kDraws - 1);
  return moments;
}

// Fails for one seed in 15 million if the moments are right: both estimates are nearly normal, and
// lie within 5.5 standard errors. `excess` is the distribution's excess kurtosis.
void ExpectMoments(const Moments& got, double mean, double variance, double excess) {
  constexpr double kErrors = 5.5;
  const auto draws = static_cast<double>(kDraws);
  EXPECT_NEAR(got.mean, mean, kErrors * std::sqrt(variance / draws));
  EXPECT_NEAR(got.variance, variance, kErrors * variance * std::sqrt((2.0 + excess) / draws));
}

TEST(NextOpenUniform, MomentsAndRange) {
  RandomStream random = Stream(1);
  double lowest = 1.0;
  double highest = 0.0;
  ExpectMoments(MomentsOf([&] {
                  const double value = NextOpenUniform(random);
                  lowest = std::min(lowest, value);
                  highest = std::max(highest, value);
                  return value;
                }),
                0.5, 1.0 / 12.0, -1.2);
  EXPECT_GT(lowest, 0.0);
  EXPECT_LT(highest, 1.0);
}

TEST(NextNormal, HasTheMomentsOfTheStandardNormal) {
  RandomStream random = Stream(2);
  ExpectMoments(MomentsOf([&] { return NextNormal(random); }), 0.0, 1.0, 0.0);
}

TEST(NextExponential, HasMeanOne) {
  RandomStream random = Stream(3);
  ExpectMoments(MomentsOf([&] { return NextExponential(random); }), 1.0, 1.0, 6.0);
}

class NextLogGammaMoments : public ::testing::TestWithParam<double> {};

// Gamma(k, 1) has mean k, variance k and excess kurtosis 6 / k.
TEST_P(NextLogGammaMoments, AreThoseOfTheGammaDistribution) {
  const double shape = GetParam();
  RandomStream random = Stream(4);
  ExpectMoments(MomentsOf([&] { return std::exp(NextLogGamma(shape, random)); }), shape, shape,
                6.0 / shape);
}

INSTANTIATE_TEST_SUITE_P(Shapes, NextLogGammaMoments,
                         ::testing::Values(0.1, 0.5, 0.999, 1.0, 1.5, 10.0, 1000.0));

// The logarithm of Gamma(k, 1) has the mean digamma(k), -100.5609 for k = 0.01: values of
// exp(-1000) and below count in full here.
TEST(NextLogGamma, SmallShape_KeepsWhatADoubleCouldNotHold) {
  constexpr double kDigamma = -100.560885;
  constexpr double kTrigamma = 10001.621;  // the variance
  RandomStream random = Stream(5);
  double lowest = 0.0;
  const Moments moments = MomentsOf([&] {
    const double value = NextLogGamma(0.01, random);
    lowest = std::min(lowest, value);
    return value;
  });
  EXPECT_NEAR(moments.mean, kDigamma, 5.5 * std::sqrt(kTrigamma / static_cast<double>(kDraws)));
  EXPECT_LT(lowest, -800.0);
}

// Each part of Dirichlet(a, ..., a) over n parts has the mean 1/n and the variance
// (n - 1) / (n^2 (n a + 1)).
TEST(NextDirichlet, PartsHaveTheirMeanAndVarianceAndAddUpToOne) {
  constexpr int64_t kSize = 5;
  constexpr double kAlpha = 0.3;
  RandomStream random = Stream(6);
  const Moments moments = MomentsOf([&] {
    const std::vector<double> parts = NextDirichlet(kAlpha, kSize, random);
    EXPECT_NEAR(std::accumulate(parts.begin(), parts.end(), 0.0), 1.0, 1e-12);
    EXPECT_THAT(parts, Each(Ge(0.0)));
    return parts[2];
  });
  // One part is a Beta(0.3, 1.2) number, whose excess kurtosis is 0.81.
  ExpectMoments(moments, 0.2, 4.0 / (25.0 * 2.5), 0.81);
}

TEST(NextDirichlet, TinyAlpha_GivesEverythingToOnePart) {
  RandomStream random = Stream(7);
  for (int i = 0; i < 100; ++i) {
    const std::vector<double> parts = NextDirichlet(1e-4, 10, random);
    EXPECT_GT(*std::max_element(parts.begin(), parts.end()), 0.99);
  }
}

// Part of every partition and every simulated run: never changes.
TEST(RandomDistributions, FirstNumbersOfAKey_Golden) {
  RandomStream random({.seed = 1, .purpose = RandomPurpose::kPartition});
  EXPECT_DOUBLE_EQ(NextOpenUniform(random), 0.71296713459072503);
  EXPECT_DOUBLE_EQ(NextNormal(random), 1.0736048544158401);
  EXPECT_DOUBLE_EQ(NextExponential(random), 1.2161657828808594);
  EXPECT_DOUBLE_EQ(NextLogGamma(0.5, random), -4.3265909124753499);
  EXPECT_DOUBLE_EQ(NextLogGamma(3.0, random), 0.80042142560976925);
}

}  // namespace
}  // namespace tern
