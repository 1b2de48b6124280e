#include "core/engine/softmax_cross_entropy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace tern {
namespace {

TEST(CrossEntropy, EqualLogits_IsTheLogarithmOfTheClasses) {
  EXPECT_NEAR(CrossEntropy({3.0f, 3.0f, 3.0f, 3.0f}, 2), std::log(4.0), 1e-15);
}

TEST(CrossEntropy, HandComputedLogits) {
  const double sum = std::exp(1.0) + std::exp(2.0) + std::exp(3.0);
  EXPECT_NEAR(CrossEntropy({1.0f, 2.0f, 3.0f}, 0), std::log(sum) - 1.0, 1e-14);
}

TEST(CrossEntropy, HugeLogits_DoNotOverflow) {
  EXPECT_NEAR(CrossEntropy({3e38f, -3e38f}, 0), 0.0, 1e-15);
  EXPECT_NEAR(CrossEntropy({1000.0f, 0.0f}, 1), 1000.0, 1e-12);
}

TEST(CrossEntropy, LogitThatIsNotFinite_IsNotANumber) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isnan(CrossEntropy({0.0f, std::nanf("")}, 0)));
  EXPECT_TRUE(std::isnan(CrossEntropy({std::nanf(""), 0.0f}, 1)));
  EXPECT_TRUE(std::isnan(CrossEntropy({infinity, 0.0f}, 0)));
}

TEST(SoftmaxCrossEntropy, Gradient_IsProbabilityMinusTargetOverTheBatch) {
  const std::vector<float> logits = {0.0f, 0.0f, std::log(3.0f), 0.0f};
  std::vector<float> gradient(4);
  const double loss = SoftmaxCrossEntropy(logits, {0, 1}, absl::MakeSpan(gradient));
  EXPECT_NEAR(loss, 0.5 * (std::log(2.0) + std::log(4.0)), 1e-7);
  EXPECT_NEAR(gradient[0], 0.5f * (0.5f - 1.0f), 1e-7f);
  EXPECT_NEAR(gradient[1], 0.5f * 0.5f, 1e-7f);
  EXPECT_NEAR(gradient[2], 0.5f * 0.75f, 1e-7f);
  EXPECT_NEAR(gradient[3], 0.5f * (0.25f - 1.0f), 1e-7f);
}

TEST(SoftmaxCrossEntropyDeathTest, LabelOutsideTheClasses_IsOurBug) {
  EXPECT_DEATH(CrossEntropy({0.0f, 0.0f}, 2), "label");
  EXPECT_DEATH(CrossEntropy({0.0f, 0.0f}, -1), "label");
}

}  // namespace
}  // namespace tern
