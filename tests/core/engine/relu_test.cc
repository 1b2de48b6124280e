#include "core/engine/relu.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "tests/core/engine/kernel_targets.h"

namespace tern {
namespace {

constexpr int64_t kBatch = 3;
constexpr int64_t kMostFeatures = 30;
constexpr float kGuard = 777.0f;
constexpr uint8_t kGuardByte = 0xA5;

// Values in [-8, 8), among them the ends of both functions and what is not finite; and a guard.
std::vector<float> Inputs(int64_t count) {
  RandomStream random({.seed = 1});
  const std::vector<float> special = {0.0f,
                                      -0.0f,
                                      6.0f,
                                      std::numeric_limits<float>::infinity(),
                                      -std::numeric_limits<float>::infinity(),
                                      std::nanf(""),
                                      std::numeric_limits<float>::denorm_min()};
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) {
    const uint32_t pick = random.Below(20);
    value = pick < special.size() ? special[pick] : 16.0f * random.NextFloat() - 8.0f;
  }
  values.push_back(kGuard);
  return values;
}

std::vector<float> Gradients(int64_t count) {
  RandomStream random({.seed = 2});
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = 2.0f * random.NextFloat() - 1.0f;
  values.push_back(kGuard);
  return values;
}

struct Kind {
  void (*forward)(const LayerShape& shape, const ForwardCall& call);
  void (*backward)(const LayerShape& shape, const BackwardCall& call);
};
constexpr Kind kKinds[] = {{ReluForward, ReluBackward}, {Relu6Forward, Relu6Backward}};

class ReluTest : public ::testing::TestWithParam<std::string> {
 protected:
  const testing::ScopedKernelTarget target_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Targets, ReluTest, ::testing::ValuesIn(testing::KernelTargets()),
                         [](const auto& param) { return param.param; });

TEST_P(ReluTest, Backward_FromWhatWasSaved_GivesTheBitsOfBackwardFromTheOutput) {
  for (const Kind& kind : kKinds) {
    for (int64_t features = 1; features <= kMostFeatures; ++features) {
      const LayerShape shape = {.in_channels = features, .out_channels = features};
      std::vector<float> values = Inputs(kBatch * features);
      std::vector<uint8_t> saved(static_cast<size_t>(ReluSavedBytes(shape, kBatch)) + 1,
                                 kGuardByte);
      kind.forward(shape, {.count = kBatch,
                           .input = values.data(),
                           .output = values.data(),
                           .saved = absl::MakeSpan(saved.data(), saved.size() - 1),
                           .workspace = {}});
      EXPECT_EQ(saved.back(), kGuardByte);
      std::vector<float> expected = Gradients(kBatch * features);
      kind.backward(shape, {.count = kBatch,
                            .output = values.data(),
                            .saved = {},
                            .output_gradient = expected.data(),
                            .input_gradient = expected.data(),
                            .sink = {},
                            .workspace = {}});
      std::vector<float> gradient = Gradients(kBatch * features);
      kind.backward(shape, {.count = kBatch,
                            .saved = absl::MakeConstSpan(saved.data(), saved.size() - 1),
                            .output_gradient = gradient.data(),
                            .input_gradient = gradient.data(),
                            .sink = {},
                            .workspace = {}});
      EXPECT_EQ(gradient, expected) << features;
    }
  }
}

TEST_P(ReluTest, Forward_WithNothingToSave_GivesTheSameOutput) {
  for (const Kind& kind : kKinds) {
    const LayerShape shape = {.in_channels = kMostFeatures, .out_channels = kMostFeatures};
    std::vector<float> input = Gradients(kBatch * kMostFeatures);
    for (float& value : input) value *= 12.0f;
    std::vector<float> saving(input.size());
    std::vector<uint8_t> saved(static_cast<size_t>(ReluSavedBytes(shape, kBatch)));
    kind.forward(shape, {.count = kBatch,
                         .input = input.data(),
                         .output = saving.data(),
                         .saved = absl::MakeSpan(saved),
                         .workspace = {}});
    std::vector<float> output(input.size());
    kind.forward(shape, {.count = kBatch,
                         .input = input.data(),
                         .output = output.data(),
                         .saved = {},
                         .workspace = {}});
    EXPECT_EQ(output, saving);
  }
}

TEST(ReluSavedBytes, AreOneBitAnElementOfTheWholeBatch) {
  EXPECT_EQ(ReluSavedBytes({.in_channels = 3, .out_channels = 3}, 1), 1);
  EXPECT_EQ(ReluSavedBytes({.in_channels = 3, .out_channels = 3}, 3), 2);
  EXPECT_EQ(ReluSavedBytes({.in_channels = 16,
                            .in_height = 8,
                            .in_width = 8,
                            .out_channels = 16,
                            .out_height = 8,
                            .out_width = 8},
                           2),
            256);
}

}  // namespace
}  // namespace tern
