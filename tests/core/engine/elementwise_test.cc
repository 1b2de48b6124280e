#include "core/engine/elementwise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/base/random.h"
#include "tests/core/engine/kernel_targets.h"

namespace tern {
namespace {

constexpr int64_t kLongest = 70;
constexpr float kGuard = 777.0f;

// Values in [-1, 1) with a guard after them.
std::vector<float> Values(int64_t count, uint64_t seed) {
  RandomStream random({.seed = seed});
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = 2.0f * random.NextFloat() - 1.0f;
  values.push_back(kGuard);
  return values;
}

class ElementwiseTest : public ::testing::TestWithParam<std::string> {
 protected:
  const testing::ScopedKernelTarget target_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(EveryTarget, ElementwiseTest,
                         ::testing::ValuesIn(testing::KernelTargets()),
                         [](const auto& test) { return test.param; });

TEST_P(ElementwiseTest, Fill_WritesEveryElementAndNoMore) {
  for (int64_t count = 0; count < kLongest; ++count) {
    std::vector<float> values = Values(count, 1);
    std::vector<float> expected(values.size(), 0.25f);
    expected.back() = kGuard;
    Fill(0.25f, count, values.data());
    EXPECT_EQ(values, expected);
  }
}

TEST_P(ElementwiseTest, Relu_CutsNegativesInPlaceAndElsewhere) {
  for (int64_t count = 0; count < kLongest; ++count) {
    const std::vector<float> in = Values(count, 2);
    std::vector<float> expected = in;
    for (float& value : expected) value = value < 0.0f ? 0.0f : value;
    std::vector<float> in_place = in;
    Relu(in_place.data(), count, in_place.data());
    EXPECT_EQ(in_place, expected);
    std::vector<float> elsewhere = Values(count, 3);
    Relu(in.data(), count, elsewhere.data());
    EXPECT_EQ(elsewhere, expected);
  }
}

TEST_P(ElementwiseTest, Relu_OfNotANumber_IsNotANumber) {
  std::vector<float> values(20, std::nanf(""));
  Relu(values.data(), 20, values.data());
  for (const float value : values) EXPECT_TRUE(std::isnan(value));
}

TEST_P(ElementwiseTest, ReluGradient_PassesOnlyWhereTheOutputIsPositive) {
  for (int64_t count = 0; count < kLongest; ++count) {
    std::vector<float> output = Values(count, 4);
    Relu(output.data(), count, output.data());
    std::vector<float> gradient = Values(count, 5);
    std::vector<float> expected = gradient;
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
      if (output[i] == 0.0f) expected[i] = 0.0f;
    }
    ReluGradient(output.data(), count, gradient.data());
    EXPECT_EQ(gradient, expected);
  }
}

TEST_P(ElementwiseTest, Relu6_CutsBothEndsInPlaceAndElsewhere) {
  for (int64_t count = 0; count < kLongest; ++count) {
    std::vector<float> in = Values(count, 14);
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) in[i] *= 12.0f;
    std::vector<float> expected = in;
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
      expected[i] = std::min(std::max(in[i], 0.0f), 6.0f);
    }
    std::vector<float> in_place = in;
    Relu6(in_place.data(), count, in_place.data());
    EXPECT_EQ(in_place, expected);
    std::vector<float> gradient = Values(count, 15);
    std::vector<float> expected_gradient = gradient;
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
      if (in[i] <= 0.0f || in[i] >= 6.0f) expected_gradient[i] = 0.0f;
    }
    Relu6Gradient(in_place.data(), count, gradient.data());
    EXPECT_EQ(gradient, expected_gradient);
  }
  std::vector<float> values(20, std::nanf(""));
  Relu6(values.data(), 20, values.data());
  for (const float value : values) EXPECT_TRUE(std::isnan(value));
}

TEST_P(ElementwiseTest, Active_IsABitForEachElementThatPassesTheGradient) {
  for (int64_t count = 0; count < kLongest; ++count) {
    std::vector<float> output = Values(count, 16);
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
      // Among them every end of the two functions.
      output[i] = i % 5 == 0 ? 0.0f : i % 7 == 0 ? 6.0f : 9.0f * output[i];
    }
    for (const bool relu6 : {false, true}) {
      std::vector<uint8_t> expected(static_cast<size_t>((count + 7) / 8));
      for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
        const bool active = output[i] > 0.0f && (!relu6 || output[i] < 6.0f);
        expected[i / 8] |= static_cast<uint8_t>(active << (i % 8));
      }
      expected.push_back(0xA5);
      std::vector<uint8_t> active(expected.size(), 0xA5);
      (relu6 ? Relu6Active : ReluActive)(output.data(), count, active.data());
      EXPECT_EQ(active, expected) << count;
    }
  }
}

TEST_P(ElementwiseTest, KeepActive_KeepsWhereTheBitIsSet) {
  for (int64_t count = 0; count < kLongest; ++count) {
    RandomStream random({.seed = 17});
    std::vector<uint8_t> active(static_cast<size_t>((count + 7) / 8));
    for (uint8_t& byte : active) byte = static_cast<uint8_t>(random.Below(256));
    std::vector<float> gradient = Values(count, 18);
    std::vector<float> expected = gradient;
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
      if ((active[i / 8] >> (i % 8) & 1) == 0) expected[i] = 0.0f;
    }
    KeepActive(active.data(), count, gradient.data());
    EXPECT_EQ(gradient, expected) << count;
  }
}

TEST_P(ElementwiseTest, Multiply_MultipliesInPlaceAndElsewhere) {
  for (int64_t count = 0; count < kLongest; ++count) {
    const std::vector<float> in = Values(count, 12);
    std::vector<float> expected = in;
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) expected[i] = 0.3f * in[i];
    std::vector<float> in_place = in;
    Multiply(0.3f, in_place.data(), count, in_place.data());
    EXPECT_EQ(in_place, expected);
    std::vector<float> elsewhere = Values(count, 13);
    Multiply(0.3f, in.data(), count, elsewhere.data());
    EXPECT_EQ(elsewhere, expected);
  }
}

TEST_P(ElementwiseTest, AddScaled_AddsTheMultiple) {
  for (int64_t count = 0; count < kLongest; ++count) {
    const std::vector<float> x = Values(count, 6);
    const std::vector<float> before = Values(count, 7);
    std::vector<float> y = before;
    AddScaled(-0.5f, x.data(), count, y.data());
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
      EXPECT_NEAR(y[i], before[i] - 0.5f * x[i], 1e-6f);
    }
    EXPECT_EQ(y.back(), kGuard);
  }
}

TEST_P(ElementwiseTest, Sum_IsTheSumOfAllElements) {
  for (int64_t count = 0; count < kLongest; ++count) {
    const std::vector<float> x = Values(count, 8);
    double expected = 0.0;
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) expected += static_cast<double>(x[i]);
    EXPECT_NEAR(static_cast<double>(Sum(x.data(), count)), expected, 1e-5);
  }
}

TEST_P(ElementwiseTest, AllFinite_FindsEveryElementThatIsNot) {
  for (int64_t count = 0; count < kLongest; ++count) {
    std::vector<float> x = Values(count, 11);
    x.back() = std::nanf("");
    EXPECT_TRUE(AllFinite(x.data(), count));
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
      const float before = x[i];
      for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity(),
                              -std::numeric_limits<float>::infinity()}) {
        x[i] = bad;
        EXPECT_FALSE(AllFinite(x.data(), count)) << i << " of " << count;
      }
      x[i] = before;
    }
  }
}

TEST_P(ElementwiseTest, ColumnSums_ScaleAndAccumulate) {
  for (int64_t columns = 1; columns < kLongest; ++columns) {
    const int64_t rows = 5;
    const std::vector<float> x = Values(rows * columns, 9);
    for (const bool accumulate : {false, true}) {
      std::vector<float> sums = Values(columns, 10);
      const std::vector<float> before = sums;
      ColumnSums(x.data(), rows, columns, 2.0f, accumulate, sums.data());
      for (int64_t j = 0; j < columns; ++j) {
        float expected = accumulate ? before[static_cast<size_t>(j)] : 0.0f;
        for (int64_t i = 0; i < rows; ++i) {
          expected += 2.0f * x[static_cast<size_t>(i * columns + j)];
        }
        EXPECT_NEAR(sums[static_cast<size_t>(j)], expected, 1e-5f);
      }
      EXPECT_EQ(sums.back(), kGuard);
    }
  }
}

}  // namespace
}  // namespace tern
