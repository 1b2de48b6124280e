#include "core/engine/exp_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "tests/core/engine/kernel_targets.h"

namespace tern {
namespace {

// In units in the last place, as the header states them.
constexpr double kErrorOfExp = 2.0;
constexpr double kErrorOfLog = 3.0;
constexpr double kErrorOfTanh = 0.501;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

double Uniform(RandomStream& random, double low, double high) {
  return low + (high - low) * static_cast<double>(random.Next64()) * 0x1p-64;
}

// The distance from the exact value in units of the last place of a number of that size.
template <class Float>
double ErrorInUlps(Float got, long double exact) {
  int exponent = 0;
  (void)std::frexp(exact, &exponent);
  const long double unit = std::ldexp(1.0L, exponent - std::numeric_limits<Float>::digits);
  return static_cast<double>(std::abs(static_cast<long double>(got) - exact) / unit);
}

double ErrorOfExp(double x) { return ErrorInUlps(Exp(x), std::exp(static_cast<long double>(x))); }
double ErrorOfLog(double x) { return ErrorInUlps(Log(x), std::log(static_cast<long double>(x))); }

TEST(Exp, RandomArguments_WithinTheStatedError) {
  RandomStream random({.seed = 31});
  for (int i = 0; i < 100000; ++i) {
    const double x = Uniform(random, -708.0, 709.0);
    EXPECT_LE(ErrorOfExp(x), kErrorOfExp) << x;
    const double small = x / 1000.0;
    EXPECT_LE(ErrorOfExp(small), kErrorOfExp) << small;
  }
}

TEST(Exp, BoundsOfTheRange) {
  EXPECT_EQ(Exp(0.0), 1.0);
  EXPECT_EQ(Exp(-709.0), 0.0);
  EXPECT_EQ(Exp(-kInfinity), 0.0);
  EXPECT_EQ(Exp(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(Exp(std::nan(""))));
}

class OnKernelTarget : public ::testing::TestWithParam<std::string> {
 protected:
  const testing::ScopedKernelTarget target_{GetParam()};
};
using ExpEachTest = OnKernelTarget;
using LogEachTest = OnKernelTarget;
using TanhEachTest = OnKernelTarget;

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

TEST(Log, RandomArguments_WithinTheStatedError) {
  RandomStream random({.seed = 32});
  for (int i = 0; i < 100000; ++i) {
    const double x = std::exp(Uniform(random, -700.0, 700.0));
    EXPECT_LE(ErrorOfLog(x), kErrorOfLog) << x;
    const double near_one = Uniform(random, 0.5, 2.0);
    EXPECT_LE(ErrorOfLog(near_one), kErrorOfLog) << near_one;
  }
}

TEST(Log, BoundsOfTheRange) {
  EXPECT_EQ(Log(1.0), 0.0);
  EXPECT_TRUE(std::isnan(Log(0.0)));
  EXPECT_TRUE(std::isnan(Log(-1.0)));
  EXPECT_TRUE(std::isnan(Log(kInfinity)));
  EXPECT_TRUE(std::isnan(Log(std::nan(""))));
}

TEST_P(LogEachTest, GivesTheBitsOfLog) {
  RandomStream random({.seed = 34});
  for (int64_t count = 0; count < 40; ++count) {
    std::vector<double> x(static_cast<size_t>(count));
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = i % 2 == 0 ? std::exp(Uniform(random, -700.0, 700.0)) : Uniform(random, 0.5, 2.0);
    }
    // One double more: it must stay as it is.
    std::vector<double> out(x.size() + 1, 7.0);
    LogEach(x.data(), count, out.data());
    for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(out[i], Log(x[i])) << x[i];
    EXPECT_EQ(out.back(), 7.0);
    LogEach(x.data(), count, x.data());
    for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(x[i], out[i]) << "in place";
  }
}

TEST_P(LogEachTest, BoundsOfTheRange) {
  const std::vector<double> x = {1.0,
                                 0.0,
                                 -0.0,
                                 -1.0,
                                 kInfinity,
                                 -kInfinity,
                                 std::nan(""),
                                 std::numeric_limits<double>::max(),
                                 std::numeric_limits<double>::min()};
  std::vector<double> out(x.size());
  LogEach(x.data(), static_cast<int64_t>(x.size()), out.data());
  EXPECT_EQ(out[0], 0.0);
  for (size_t i = 1; i < 7; ++i) EXPECT_TRUE(std::isnan(out[i])) << x[i];
  EXPECT_EQ(out[7], Log(x[7]));
  EXPECT_EQ(out[8], Log(x[8]));
}

// Every 4001st float from 0 to 16, which is every order of magnitude.
std::vector<float> ArgumentsOfTanh() {
  std::vector<float> x;
  for (uint32_t bits = 0; bits < std::bit_cast<uint32_t>(16.0f); bits += 4001) {
    x.push_back(std::bit_cast<float>(bits));
  }
  return x;
}

std::vector<float> TanhOf(const std::vector<float>& x) {
  std::vector<float> out(x.size());
  TanhEach(x.data(), static_cast<int64_t>(x.size()), out.data());
  return out;
}

TEST_P(TanhEachTest, EveryOrderOfMagnitude_WithinTheStatedError) {
  const std::vector<float> x = ArgumentsOfTanh();
  const std::vector<float> out = TanhOf(x);
  for (size_t i = 0; i < x.size(); ++i) {
    const long double exact = std::tanh(static_cast<long double>(x[i]));
    ASSERT_LE(ErrorInUlps(out[i], exact), kErrorOfTanh) << x[i];
  }
}

TEST_P(TanhEachTest, IsOdd) {
  std::vector<float> x = ArgumentsOfTanh();
  const std::vector<float> out = TanhOf(x);
  for (float& value : x) value = -value;
  const std::vector<float> of_negatives = TanhOf(x);
  for (size_t i = 0; i < x.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(of_negatives[i]), std::bit_cast<uint32_t>(-out[i])) << x[i];
  }
}

TEST_P(TanhEachTest, SameBitsOnEveryTarget) {
  const std::vector<float> x = ArgumentsOfTanh();
  const std::vector<float> out = TanhOf(x);
  for (const std::string& other : testing::KernelTargets()) {
    const testing::ScopedKernelTarget target(other);
    EXPECT_EQ(TanhOf(x), out) << other;
  }
}

TEST_P(TanhEachTest, BoundsOfTheRange) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float largest = std::numeric_limits<float>::max();
  const float smallest = std::numeric_limits<float>::denorm_min();
  const std::vector<float> out = TanhOf(
      {0.0f, -0.0f, smallest, -smallest, 10.0f, -10.0f, largest, -largest, infinity, -infinity});
  EXPECT_EQ(out, (std::vector<float>{0.0f, -0.0f, smallest, -smallest, 1.0f, -1.0f, 1.0f, -1.0f,
                                     1.0f, -1.0f}));
  EXPECT_FALSE(std::signbit(out[0]));
  EXPECT_TRUE(std::signbit(out[1]));
  EXPECT_TRUE(std::isnan(TanhOf({std::nanf("")})[0]));
  EXPECT_TRUE(std::isnan(TanhOf({-std::nanf("")})[0]));
}

TEST_P(TanhEachTest, EveryCount_WritesNothingBeyond_AndMayRunInPlace) {
  for (size_t count = 0; count < 40; ++count) {
    std::vector<float> x(count + 1);
    for (size_t i = 0; i < x.size(); ++i) x[i] = 0.1f * static_cast<float>(i) - 2.0f;
    const std::vector<float> all = TanhOf(x);
    const float untouched = x.back();
    TanhEach(x.data(), static_cast<int64_t>(count), x.data());
    EXPECT_TRUE(std::equal(x.begin(), x.end() - 1, all.begin())) << count;
    EXPECT_EQ(x.back(), untouched);
  }
}

const auto kEveryTarget = ::testing::ValuesIn(testing::KernelTargets());
std::string NameOfTarget(const ::testing::TestParamInfo<std::string>& info) { return info.param; }
INSTANTIATE_TEST_SUITE_P(Targets, ExpEachTest, kEveryTarget, NameOfTarget);
INSTANTIATE_TEST_SUITE_P(Targets, LogEachTest, kEveryTarget, NameOfTarget);
INSTANTIATE_TEST_SUITE_P(Targets, TanhEachTest, kEveryTarget, NameOfTarget);

}  // namespace
}  // namespace tern
