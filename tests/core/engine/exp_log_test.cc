#include "core/engine/exp_log.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "tests/core/engine/kernel_targets.h"

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

class ExpEachTest : public ::testing::TestWithParam<std::string> {
 protected:
  const testing::ScopedKernelTarget target_{GetParam()};
};

TEST_P(ExpEachTest, GivesTheBitsOfExp) {
  RandomStream random({.seed = 33});
  for (int64_t count = 0; count < 40; ++count) {
    std::vector<float> x(static_cast<size_t>(count));
    for (float& value : x) value = static_cast<float>(Uniform(random, -720.0, 3.0));
    // One double more: it must stay as it is.
    std::vector<double> out(x.size() + 1, 7.0);
    ExpEach(x.data(), 3.0, count, out.data());
    for (size_t i = 0; i < x.size(); ++i) {
      EXPECT_EQ(out[i], Exp(static_cast<double>(x[i]) - 3.0)) << x[i];
    }
    EXPECT_EQ(out.back(), 7.0);
  }
}

TEST_P(ExpEachTest, BoundsOfTheRange) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> x = {0.0f, -0.0f, -709.0f, -infinity, std::nanf("")};
  std::vector<double> out(x.size());
  ExpEach(x.data(), 0.0, static_cast<int64_t>(x.size()), out.data());
  EXPECT_EQ(out[0], 1.0);
  EXPECT_EQ(out[1], 1.0);
  EXPECT_EQ(out[2], 0.0);
  EXPECT_EQ(out[3], 0.0);
  EXPECT_TRUE(std::isnan(out[4]));
}

INSTANTIATE_TEST_SUITE_P(Targets, ExpEachTest, ::testing::ValuesIn(testing::KernelTargets()),
                         [](const auto& param) { return param.param; });

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
