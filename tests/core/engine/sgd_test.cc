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

// A step with a given gradient of the loss, which is put where a backward pass puts it; of the
// trained coordinates only.
void Step(const SgdOptions& options, const SgdVectors& vectors, const TrainedParameters& trained,
          const std::vector<float>& gradient, std::vector<float>& parameters) {
  const SgdUpdate update(options, vectors, trained, absl::MakeSpan(parameters));
  if (options.needs_gradient()) {
    std::copy(gradient.begin(), gradient.end(), vectors.gradient.begin());
    update.ApplyGradient();
  } else if (options.needs_velocity()) {
    update.DecayVelocity();
    for (size_t i = 0; i < gradient.size(); ++i) vectors.velocity[i] += gradient[i];
    update.ApplyVelocity();
  } else {
    for (const TrainedRange& range : trained.ranges) {
      for (int64_t i = 0; i < range.size; ++i) {
        parameters[static_cast<size_t>(range.begin + i)] +=
            update.InPlaceScale() * gradient[static_cast<size_t>(range.offset + i)];
      }
    }
    update.ApplyPenalties();
  }
}

void Step(const SgdOptions& options, const SgdVectors& vectors, const std::vector<float>& gradient,
          std::vector<float>& parameters) {
  Step(options, vectors, testing::AllTrained(parameters.size()), gradient, parameters);
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

// To every option a control variate is the same as a gradient that is larger by it.
TEST_P(SgdTest, Control_IsAddedToTheGradient) {
  const std::vector<float> start = Values(70, 1);
  const std::vector<float> control = Values(70, 2);
  for (const SgdOptions& options : SgdOptionGrid(0.2f, 0.5f, 0.4f)) {
    SgdReference reference(options, start);
    SgdMemory memory(options, start);
    SgdVectors vectors = memory.vectors();
    vectors.control = control;
    std::vector<float> parameters = start;
    for (uint64_t step = 0; step < 4; ++step) {
      std::vector<float> gradient = Values(70, 10 + step);
      Step(options, vectors, gradient, parameters);
      for (size_t i = 0; i < 70; ++i) gradient[i] += control[i];
      reference.Step(gradient);
    }
    for (size_t i = 0; i < 70; ++i) {
      ASSERT_NEAR(static_cast<double>(parameters[i]), reference.parameters[i], 2e-6)
          << testing::ToString(options);
    }
  }
}

// Three ranges with gaps: their coordinates go as those of a model that has them alone, the others
// stay.
TEST_P(SgdTest, FrozenCoordinates_Stay) {
  const TrainedParameters trained = {.ranges = {{.begin = 3, .size = 20, .offset = 0},
                                                {.begin = 30, .size = 1, .offset = 20},
                                                {.begin = 40, .size = 17, .offset = 21}},
                                     .size = 38};
  const std::vector<float> start = Values(60, 1);
  std::vector<float> alone_start;
  for (const TrainedRange& range : trained.ranges) {
    const auto begin = start.begin() + range.begin;
    alone_start.insert(alone_start.end(), begin, begin + range.size);
  }
  for (const SgdOptions& options : SgdOptionGrid(0.2f, 0.5f, 0.4f)) {
    SgdMemory memory(options, alone_start);
    SgdMemory alone_memory(options, alone_start);
    std::vector<float> parameters = start;
    std::vector<float> alone = alone_start;
    for (uint64_t step = 0; step < 3; ++step) {
      const std::vector<float> gradient = Values(38, 10 + step);
      Step(options, memory.vectors(), trained, gradient, parameters);
      Step(options, alone_memory.vectors(), gradient, alone);
    }
    std::vector<float> expected = start;
    for (const TrainedRange& range : trained.ranges) {
      std::copy_n(alone.begin() + range.offset, range.size, expected.begin() + range.begin);
    }
    EXPECT_EQ(parameters, expected) << testing::ToString(options);
  }
}

// A range's bits may begin in the middle of a byte.
TEST_P(SgdTest, MaskOfRanges_HasABitForEachTrainedCoordinate) {
  const TrainedParameters trained = {
      .ranges = {{.begin = 2, .size = 3, .offset = 0}, {.begin = 10, .size = 20, .offset = 3}},
      .size = 23};
  const std::vector<uint8_t> mask = {0b01011010, 0b11110000, 0b00111};
  std::vector<float> parameters(32, 1.0f);
  SgdVectors vectors;
  vectors.mask = mask;
  Step({.learning_rate = 0.5f}, vectors, trained, std::vector<float>(23), parameters);
  std::vector<float> expected(32, 1.0f);
  for (const TrainedRange& range : trained.ranges) {
    for (int64_t i = 0; i < range.size; ++i) {
      const auto bit = static_cast<size_t>(range.offset + i);
      if ((mask[bit / 8] >> bit % 8 & 1) == 0) expected[static_cast<size_t>(range.begin + i)] = 0;
    }
  }
  EXPECT_EQ(parameters, expected);
}

// Masked coordinates are zero after the step, and the others move as if they were alone.
TEST_P(SgdTest, Mask_KeepsItsCoordinatesAtZero) {
  const std::vector<float> start = Values(45, 1);
  std::vector<uint8_t> mask(6);
  std::vector<size_t> live;
  for (size_t i = 0; i < 45; ++i) {
    if (i % 3 == 1 || i > 35) continue;
    mask[i / 8] = static_cast<uint8_t>(mask[i / 8] | 1u << i % 8);
    live.push_back(i);
  }
  const auto only_live = [&](const std::vector<float>& all) {
    std::vector<float> some;
    for (const size_t i : live) some.push_back(all[i]);
    return some;
  };
  for (const SgdOptions& options : SgdOptionGrid(0.2f, 0.5f, 0.4f)) {
    std::vector<float> parameters(45);
    for (const size_t i : live) parameters[i] = start[i];
    SgdReference reference(options, only_live(start));
    SgdMemory memory(options, parameters);
    SgdVectors vectors = memory.vectors();
    vectors.mask = mask;
    for (uint64_t step = 0; step < 4; ++step) {
      const std::vector<float> gradient = Values(45, 10 + step);
      Step(options, vectors, gradient, parameters);
      reference.Step(only_live(gradient));
    }
    size_t next = 0;
    for (size_t i = 0; i < 45; ++i) {
      if (next < live.size() && live[next] == i) {
        ASSERT_NEAR(static_cast<double>(parameters[i]), reference.parameters[next++], 2e-6);
      } else {
        ASSERT_EQ(parameters[i], 0.0f) << i << " " << testing::ToString(options);
      }
    }
  }
}

TEST(Sgd, PlainSgd_ScalesByTheLearningRateAlone) {
  const SgdOptions options = {.learning_rate = 0.1f};
  const SgdVectors none;
  const TrainedParameters trained = testing::AllTrained(0);
  EXPECT_EQ(SgdUpdate(options, none, trained, {}).InPlaceScale(), -0.1f);
}

TEST(SgdDeathTest, WrongUse_IsOurBug) {
  std::vector<float> parameters(4);
  const TrainedParameters trained = testing::AllTrained(4);
  const auto make = [&](const SgdOptions& options, const SgdVectors& vectors = {}) {
    return SgdUpdate(options, vectors, trained, absl::MakeSpan(parameters)).InPlaceScale();
  };
  EXPECT_DEATH(make({.proximal_mu = 0.1f}), "start");
  EXPECT_DEATH(make({.momentum = 0.1f}), "velocity");
  EXPECT_DEATH(make({.clip_norm = 0.1f}), "gradient");
  const std::vector<float> three(3);
  EXPECT_DEATH(make({}, {.control = three}), "control");
  const std::vector<uint8_t> mask(2);
  EXPECT_DEATH(make({}, {.mask = mask}), "mask");
  EXPECT_DEATH(make({.learning_rate = 2.0f, .weight_decay = 0.5f}), "keep > 0");
}

}  // namespace
}  // namespace tern
