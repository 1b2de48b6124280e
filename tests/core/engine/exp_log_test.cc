#include "core/engine/exp_log.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/base/random.h"

namespace tern {
namespace {

constexpr double kStatedError = 6e-16;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

double Uniform(RandomStream& random, double low, double high) {
  return low + (high - low) * static_cast<double>(random.Next64()) * 0x1p-64;
}

TEST(Exp, RandomArguments_WithinTheStatedError) {
  RandomStream random({.seed = 31});
  for (int i = 0; i < 100000; ++i) {
    const double x = Uniform(random, -708.0, 709.0);
    const double exact = std::exp(x);
    EXPECT_NEAR(Exp(x) / exact, 1.0, kStatedError) << x;
    const double small = x / 1000.0;
    EXPECT_NEAR(Exp(small) / std::exp(small), 1.0, kStatedError) << small;
  }
}

TEST(Exp, BoundsOfTheRange) {
  EXPECT_EQ(Exp(0.0), 1.0);
  EXPECT_EQ(Exp(-709.0), 0.0);
  EXPECT_EQ(Exp(-kInfinity), 0.0);
  EXPECT_EQ(Exp(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(Exp(std::nan(""))));
}

TEST(Log, RandomArguments_WithinTheStatedError) {
  RandomStream random({.seed = 32});
  for (int i = 0; i < 100000; ++i) {
    const double x = std::exp(Uniform(random, -700.0, 700.0));
    EXPECT_NEAR(Log(x) / std::log(x), 1.0, kStatedError) << x;
    const double near_one = Uniform(random, 0.5, 2.0);
    EXPECT_NEAR(Log(near_one) / std::log(near_one), 1.0, kStatedError) << near_one;
  }
}

TEST(Log, BoundsOfTheRange) {
  EXPECT_EQ(Log(1.0), 0.0);
  EXPECT_TRUE(std::isnan(Log(0.0)));
  EXPECT_TRUE(std::isnan(Log(-1.0)));
  EXPECT_TRUE(std::isnan(Log(kInfinity)));
  EXPECT_TRUE(std::isnan(Log(std::nan(""))));
}

}  // namespace
}  // namespace tern
