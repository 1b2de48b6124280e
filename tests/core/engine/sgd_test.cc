#include "core/engine/sgd.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/base/random.h"
#include "tests/core/engine/kernel_targets.h"
#include "tests/core/engine/sgd_reference.h"

namespace tern {
namespace {

using testing::SgdMemory;
using testing::SgdOptionGrid;
using testing::SgdReference;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Values in [-1, 1).
std::vector<float> Values(size_t count, uint64_t seed) {
  RandomStream random({.seed = seed});
  std::vector<float> values(count);
  for (float& value : values) value = 2.0f * random.NextFloat() - 1.0f;
  return values;
}

// A step with a given gradient of the loss, which is put where a backward pass puts it.
void Step(const SgdOptions& options, const SgdVectors& vectors, const std::vector<float>& gradient,
          std::vector<float>& parameters) {
  const auto add_to = [&](float scale, absl::Span<float> sink) {
    for (size_t i = 0; i < gradient.size(); ++i) sink[i] += scale * gradient[i];
  };
  if (options.needs_gradient()) {
    std::copy(gradient.begin(), gradient.end(), vectors.gradient.begin());
    ApplyGradient(options, vectors, absl::MakeSpan(parameters));
  } else if (options.needs_velocity()) {
    DecayVelocity(options, vectors, parameters);
    add_to(1.0f, vectors.velocity);
    ApplyVelocity(options, vectors, absl::MakeSpan(parameters));
  } else {
    add_to(InPlaceScale(options), absl::MakeSpan(parameters));
    ApplyPenalties(options, vectors, absl::MakeSpan(parameters));
  }
}

std::vector<float> StepFrom(const std::vector<float>& start, const SgdOptions& options,
                            const std::vector<float>& gradient) {
  std::vector<float> parameters = start;
  SgdMemory memory(options, start);
  Step(options, memory.vectors(), gradient, parameters);
  return parameters;
}

// Parameters after four steps with given gradients.
std::vector<float> FourSteps(const SgdOptions& options, const std::vector<float>& start) {
  std::vector<float> parameters = start;
  SgdMemory memory(options, start);
  for (uint64_t step = 0; step < 4; ++step) {
    Step(options, memory.vectors(), Values(start.size(), 10 + step), parameters);
  }
  return parameters;
}

class SgdTest : public ::testing::TestWithParam<std::string> {
 protected:
  const testing::ScopedKernelTarget target_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(EveryTarget, SgdTest, ::testing::ValuesIn(testing::KernelTargets()),
                         [](const auto& test) { return test.param; });

TEST_P(SgdTest, EveryCombinationOfOptions_IsTheStatedUpdate) {
  for (const size_t count : {1, 5, 16, 33, 70}) {
    const std::vector<float> start = Values(count, 1);
    for (const SgdOptions& options : SgdOptionGrid(0.2f, 0.5f, 0.4f)) {
      SgdReference reference(options, start);
      for (uint64_t step = 0; step < 4; ++step) reference.Step(Values(count, 10 + step));
      const std::vector<float> parameters = FourSteps(options, start);
      for (size_t i = 0; i < count; ++i) {
        ASSERT_NEAR(static_cast<double>(parameters[i]), reference.parameters[i], 2e-6)
            << i << " of " << count << " " << testing::ToString(options);
      }
    }
  }
}

TEST_P(SgdTest, GradientWithinBothBounds_IsNotClipped) {
  const std::vector<float> start = Values(50, 1);
  const std::vector<float> gradient = Values(50, 2);
  const std::vector<float> wide =
      StepFrom(start, {.learning_rate = 0.1f, .clip_norm = 50.0f, .clip_value = 1.0f}, gradient);
  EXPECT_EQ(wide, StepFrom(start, {.learning_rate = 0.1f, .clip_norm = 1e6f}, gradient));
  for (size_t i = 0; i < 50; ++i) EXPECT_EQ(wide[i], start[i] - 0.1f * gradient[i]);
}

// With squares that are no floats, and with many elements, whose sum in floats would be inexact.
TEST_P(SgdTest, ClipNorm_ScalesToTheNorm) {
  for (const auto& [count, factor] : {std::pair{3, 1e25f}, std::pair{1'000'003, 1.0f}}) {
    std::vector<float> gradient = Values(static_cast<size_t>(count), 3);
    for (float& value : gradient) value *= factor;
    const std::vector<float> parameters = StepFrom(
        std::vector<float>(gradient.size()), {.learning_rate = 1.0f, .clip_norm = 2.0f}, gradient);
    double squares = 0.0;
    for (const float value : parameters) {
      squares += static_cast<double>(value) * static_cast<double>(value);
    }
    EXPECT_NEAR(std::sqrt(squares), 2.0, 1e-6);
  }
}

TEST_P(SgdTest, ClipNorm_AddsPyTorchsEpsilonToTheNorm) {
  EXPECT_NEAR(StepFrom({0.0f}, {.learning_rate = 1.0f, .clip_norm = 1e-6f}, {1e-6f})[0], -5e-7f,
              1e-12f);
}

TEST_P(SgdTest, ClipValue_IsOfEachElement) {
  const std::vector<float> zeros(6);
  const SgdOptions options = {.learning_rate = 1.0f, .clip_value = 0.5f};
  const std::vector<float> gradient = {0.25f, -0.25f, 0.75f, -0.75f, kInfinity, -kInfinity};
  EXPECT_EQ(StepFrom(zeros, options, gradient),
            (std::vector<float>{-0.25f, 0.25f, -0.5f, 0.5f, -0.5f, 0.5f}));
  EXPECT_TRUE(std::isnan(StepFrom({0.0f}, options, {std::nanf("")})[0]));
}

TEST_P(SgdTest, ClipNormOfAGradientThatIsNotFinite_MakesNoParameterFinite) {
  for (const float bad : {kInfinity, -kInfinity, std::nanf("")}) {
    for (const float momentum : {0.0f, 0.9f}) {
      std::vector<float> gradient = Values(40, 4);
      gradient[37] = bad;
      for (const float value :
           StepFrom(Values(40, 5), {.learning_rate = 0.1f, .momentum = momentum, .clip_norm = 1.0f},
                    gradient)) {
        EXPECT_FALSE(std::isfinite(value));
      }
    }
  }
}

TEST(Sgd, EveryTarget_SameBits) {
  const std::vector<float> start = Values(1237, 1);
  for (const SgdOptions& options : SgdOptionGrid(0.2f, 0.5f, 0.4f)) {
    std::vector<float> expected;
    for (const std::string& target : testing::KernelTargets()) {
      const testing::ScopedKernelTarget scoped(target);
      const std::vector<float> parameters = FourSteps(options, start);
      if (expected.empty()) expected = parameters;
      EXPECT_EQ(parameters, expected) << target << " " << testing::ToString(options);
    }
  }
}

TEST(Sgd, Proximal_ByHand) {
  // Two steps with the gradient 1: the first at the start, the second 0.1 away from it, so that the
  // gradient is 1 + 2 * -0.1.
  const SgdOptions options = {.learning_rate = 0.1f, .proximal_mu = 2.0f};
  SgdMemory memory(options, {3.0f});
  std::vector<float> parameters = {3.0f};
  Step(options, memory.vectors(), {1.0f}, parameters);
  EXPECT_NEAR(parameters[0], 2.9f, 1e-6f);
  Step(options, memory.vectors(), {1.0f}, parameters);
  EXPECT_NEAR(parameters[0], 2.82f, 1e-6f);
}

TEST(Sgd, PlainSgd_ScalesByTheLearningRateAlone) {
  EXPECT_EQ(InPlaceScale({.learning_rate = 0.1f}), -0.1f);
}

TEST(SgdOptions, Vectors_AreThoseThatAreNeeded) {
  EXPECT_EQ((SgdOptions{.learning_rate = 0.1f, .weight_decay = 0.1f}.num_vectors()), 0);
  EXPECT_EQ((SgdOptions{.momentum = 0.9f, .weight_decay = 0.1f}.num_vectors()), 1);
  EXPECT_EQ((SgdOptions{.proximal_mu = 0.1f}.num_vectors()), 1);
  EXPECT_EQ((SgdOptions{.clip_norm = 1.0f, .clip_value = 1.0f}.num_vectors()), 1);
  EXPECT_EQ((SgdOptions{.momentum = 0.9f, .nesterov = true}.num_vectors()), 2);
  EXPECT_EQ((SgdOptions{.momentum = 0.9f, .clip_value = 1.0f, .proximal_mu = 1.0f}.num_vectors()),
            3);
}

TEST(SgdDeathTest, WrongUse_IsOurBug) {
  std::vector<float> parameters(4);
  EXPECT_DEATH(ApplyPenalties({.proximal_mu = 0.1f}, {}, absl::MakeSpan(parameters)), "start");
  EXPECT_DEATH(DecayVelocity({.momentum = 0.1f}, {}, parameters), "velocity");
  EXPECT_DEATH(ApplyGradient({.clip_norm = 0.1f}, {}, absl::MakeSpan(parameters)), "gradient");
  EXPECT_DEATH(InPlaceScale({.learning_rate = 2.0f, .weight_decay = 0.5f}), "keep > 0");
}

}  // namespace
}  // namespace tern
