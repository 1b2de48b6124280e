#include "compression/normal_codebook.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iterator>
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
    EXPECT_LT(loss, rate <= 1.0 ? 0.24 : 0.2551) << rate;
  }
}

TEST(NormalCodebook, Uniform_HasAsManyCellsAsTheRateTakes) {
  constexpr int kOutermost[] = {1, 1, 1, 1, 3, 3, 8, 17, 35, 71};
  for (size_t r = 0; r < std::size(kRates); ++r) {
    const NormalCodebook book = UniformCodebook(kRates[r]);
    const int outermost = kOutermost[r];
    ASSERT_EQ(book.alphabet, 2 * outermost + 1);
    for (int i = 0; i + 1 < book.alphabet; ++i) {
      EXPECT_EQ(book.thresholds[static_cast<size_t>(i)], (i - outermost + 0.5) * book.step);
    }
  }
}

// For every rate, not only those where cells were counted.
TEST(NormalCodebook, Uniform_HasNoRateOfMuchMoreLoss) {
  for (int i = 2; i <= 120; ++i) {
    const double rate = 0.05 * i;
    const NormalCodebook book = UniformCodebook(rate);
    ASSERT_NEAR(Entropy(book), rate, 1e-6);
    ASSERT_LT(rate + 0.5 * std::log2(MeanSquaredError(book)), 0.2551) << rate;
    const double end = (book.alphabet / 2 + 0.5) * book.step;
    ASSERT_GT(end, 3.0) << rate;
    ASSERT_LE(end, std::max(5.5, 1.5 * book.step)) << rate;
  }
}

// The bits themselves: sender and receiver must agree on them.
TEST(NormalCodebook, Uniform_IsTheSameOnEveryMachine) {
  EXPECT_EQ(UniformCodebook(0.1).step, 0x1.4493b02cp+2);
  EXPECT_EQ(UniformCodebook(2.0).step, 0x1.14e1872555555p+0);
  EXPECT_EQ(UniformCodebook(6.0).step, 0x1.0889ab81cd854p-4);
  const NormalCodebook book = UniformCodebook(2.0);
  EXPECT_EQ(book.alphabet, 7);
  EXPECT_EQ(book.probabilities[0], 0x1.c11a5a5d4d11dp-9);
  EXPECT_EQ(book.centroids[0], -0x1.813317d01babcp+1);
  EXPECT_EQ(book.probabilities[2], 0x1.ef8af4ba2772ap-3);
  EXPECT_EQ(book.centroids[2], -0x1.f6ec277ef0f57p-1);
  EXPECT_EQ(LloydMaxCodebook(4).probabilities[0], 0x1.0c07229e438ap-7);
  EXPECT_EQ(LloydMaxCodebook(4).probabilities[9], 0x1.8f0bb7376b0a8p-4);
}

}  // namespace
}  // namespace tern::compression
