#include "compression/normal_codebook.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>

namespace tern::compression {
namespace {

constexpr double kRates[] = {0.1, 0.25, 0.5, 1.0, 1.7, 2.0, 3.0, 4.0, 5.0, 6.0};

double ExpectedTail(double x) { return 0.5 * std::erfc(x / std::numbers::sqrt2); }

double Entropy(const NormalCodebook& book) {
  double sum = 0.0;
  for (int i = 0; i < book.alphabet; ++i) {
    const double probability = book.probabilities[static_cast<size_t>(i)];
    sum -= probability * std::log2(probability);
  }
  return sum;
}

// Of a N(0,1) number that is replaced by the mean of its cell.
double MeanSquaredError(const NormalCodebook& book) {
  double sum = 1.0;
  for (int i = 0; i < book.alphabet; ++i) {
    const auto at = static_cast<size_t>(i);
    sum -= book.probabilities[at] * book.centroids[at] * book.centroids[at];
  }
  return sum;
}

// Probabilities and centroids are those of the cells that the thresholds cut, and symmetric.
void ExpectConsistent(const NormalCodebook& book) {
  double total = 0.0;
  const int last = book.alphabet - 1;
  for (int i = 0; i <= last; ++i) {
    const auto at = static_cast<size_t>(i);
    const auto mirrored = static_cast<size_t>(last - i);
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    const double low = i == 0 ? -kInfinity : book.thresholds[at - 1];
    const double high = i == last ? kInfinity : book.thresholds[at];
    ASSERT_LT(low, high);
    const double probability = ExpectedTail(low) - ExpectedTail(high);
    const auto density = [](double x) {
      return std::exp(-x * x / 2.0) / std::sqrt(2.0 * std::numbers::pi);
    };
    ASSERT_NEAR(book.probabilities[at], probability, 1e-14);
    ASSERT_NEAR(book.centroids[at] * book.probabilities[at], density(low) - density(high), 1e-13);
    ASSERT_LT(low, book.centroids[at]);
    ASSERT_LT(book.centroids[at], high);
    ASSERT_EQ(book.centroids[at], -book.centroids[mirrored]);
    ASSERT_EQ(book.probabilities[at], book.probabilities[mirrored]);
    total += book.probabilities[at];
  }
  EXPECT_NEAR(total, 1.0, 1e-14);
}

TEST(NormalCodebook, DensityAndTail_HaveTheirRelativeError) {
  for (double x = 0.0; x <= 30.0; x += 0.01) {
    const double density = std::exp(-x * x / 2.0) / std::sqrt(2.0 * std::numbers::pi);
    ASSERT_NEAR(NormalDensity(x) / density, 1.0, 1e-13) << x;
    ASSERT_EQ(NormalDensity(-x), NormalDensity(x));
    ASSERT_NEAR(NormalUpperTail(x) / ExpectedTail(x), 1.0, 1e-12) << x;
  }
}

TEST(NormalCodebook, LloydMax_IsConsistentAndHasThePublishedError) {
  constexpr double kErrors[] = {0.363380227632418, 0.117481847829329, 0.0345477607885037,
                                0.00950100800819189};
  for (int bits = 1; bits <= 4; ++bits) {
    const NormalCodebook book = LloydMaxCodebook(bits);
    EXPECT_EQ(book.alphabet, 1 << bits);
    ExpectConsistent(book);
    EXPECT_NEAR(MeanSquaredError(book), kErrors[bits - 1], 1e-13);
    for (int i = 0; i + 1 < book.alphabet; ++i) {
      const auto at = static_cast<size_t>(i);
      EXPECT_NEAR(book.thresholds[at], (book.centroids[at] + book.centroids[at + 1]) / 2.0, 1e-15);
    }
  }
}

TEST(NormalCodebook, Uniform_HasTheRateAndAQuarterBitOfLoss) {
  for (const double rate : kRates) {
    const NormalCodebook book = UniformCodebook(rate);
    ExpectConsistent(book);
    EXPECT_NEAR(Entropy(book), rate, 1e-6);
    const double loss = rate + 0.5 * std::log2(MeanSquaredError(book));
    EXPECT_GT(loss, 0.0);
    EXPECT_LT(loss, rate <= 1.0 ? 0.24 : 0.255) << rate;
  }
}

TEST(NormalCodebook, Uniform_CoversFiveDeviationsWithNoMoreCellsThanThatTakes) {
  for (const double rate : kRates) {
    const NormalCodebook book = UniformCodebook(rate);
    ASSERT_EQ(book.alphabet % 2, 1);
    ASSERT_GE(book.alphabet, 3);
    const int outermost = book.alphabet / 2;
    EXPECT_GE((outermost + 0.5) * book.step, 5.0);
    EXPECT_TRUE(outermost == 1 || (outermost - 0.5) * book.step < 5.0);
    for (int i = 0; i + 1 < book.alphabet; ++i) {
      EXPECT_EQ(book.thresholds[static_cast<size_t>(i)], (i - outermost + 0.5) * book.step);
    }
  }
}

// The bits themselves: sender and receiver must agree on them.
TEST(NormalCodebook, Uniform_IsTheSameOnEveryMachine) {
  EXPECT_EQ(UniformCodebook(0.1).step, 0x1.4493b0384p+2);
  EXPECT_EQ(UniformCodebook(2.0).step, 0x1.151b36ap+0);
  EXPECT_EQ(UniformCodebook(6.0).step, 0x1.088a4cap-4);
  const NormalCodebook book = UniformCodebook(2.0);
  EXPECT_EQ(book.alphabet, 11);
  EXPECT_EQ(book.probabilities[0], 0x1.2a0b001384d6p-21);
  EXPECT_EQ(book.centroids[0], -0x1.43f4e6f5f50bfp+2);
  EXPECT_EQ(book.probabilities[4], 0x1.ef856c256ebfep-3);
  EXPECT_EQ(book.centroids[4], -0x1.f74164eb71b56p-1);
  EXPECT_EQ(LloydMaxCodebook(4).probabilities[0], 0x1.0c07229e438ap-7);
  EXPECT_EQ(LloydMaxCodebook(4).probabilities[9], 0x1.8f0bb7376b0a8p-4);
}

}  // namespace
}  // namespace tern::compression
