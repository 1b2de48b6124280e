#include "core/engine/small_conv2d.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "core/engine/max_pool2d.h"
#include "tests/core/engine/kernel_targets.h"
#include "tests/core/engine/small_conv2d_reference.h"

namespace tern {
namespace {

constexpr int64_t kBatch = 2;
constexpr float kGuard = 7.0f;
constexpr uint8_t kGuardByte = 0xA5;
constexpr float kNotANumber = std::numeric_limits<float>::quiet_NaN();

using testing::Geometry;
using testing::MakeShape;
using testing::Patch;
using testing::Reference;
using testing::Size;

// Kernels, strides, paddings, dilations, groups and pools, each with each: tiles of four channels
// and single ones, windows that cover all and that do not.
std::vector<LayerShape> Grid() {
  std::vector<LayerShape> shapes;
  for (const int64_t kernel : {1, 3, 5}) {
    for (const int64_t stride : {1, 2}) {
      for (const int64_t dilation : {1, 2}) {
        for (const int64_t groups : {1, 2}) {
          for (const int64_t pool : {1, 2, 3}) {
            const int64_t extent = dilation * (kernel - 1);
            for (const int64_t padding : {int64_t{0}, extent / 2, extent}) {
              shapes.push_back(MakeShape({.in_channels = 2 * groups,
                                          .out_channels = 5 * groups,
                                          .height = extent + 5,
                                          .width = extent + 9,
                                          .kernel = kernel,
                                          .stride = stride,
                                          .padding = padding,
                                          .dilation = dilation,
                                          .groups = groups,
                                          .pool = pool}));
            }
          }
        }
      }
    }
  }
  return shapes;
}

// LeNet-5's convolutions; rows of whole and partial vectors, narrower than the kernel, of one
// element; a depthwise convolution; outputs that the windows do not reach, inputs that a stride
// does not; strides longer than the kernel; an even kernel and one of 7; windows of more than 256
// elements.
std::vector<LayerShape> Shapes() {
  std::vector<LayerShape> shapes = Grid();
  const std::vector<Geometry> others = {
      {.in_channels = 1, .out_channels = 6, .height = 28, .width = 28, .kernel = 5, .pool = 2},
      {.in_channels = 6, .out_channels = 16, .height = 12, .width = 12, .kernel = 5, .pool = 2},
      {.in_channels = 2, .out_channels = 3, .height = 4, .width = 71, .kernel = 3, .padding = 1},
      {.in_channels = 1, .out_channels = 1, .height = 1, .width = 1, .kernel = 3, .padding = 2},
      {.in_channels = 1, .out_channels = 4, .height = 3, .width = 2, .kernel = 5, .padding = 4},
      {.in_channels = 6,
       .out_channels = 6,
       .height = 9,
       .width = 40,
       .kernel = 3,
       .padding = 1,
       .groups = 6,
       .pool = 2},
      {.in_channels = 2, .out_channels = 2, .height = 11, .width = 11, .kernel = 2, .stride = 4},
      {.in_channels = 3, .out_channels = 2, .height = 12, .width = 19, .kernel = 7, .padding = 3},
      {.in_channels = 1, .out_channels = 2, .height = 20, .width = 37, .kernel = 4, .pool = 17},
      {.in_channels = 1, .out_channels = 1, .height = 3, .width = 2, .kernel = 1, .stride = 3}};
  for (const Geometry& geometry : others) shapes.push_back(MakeShape(geometry));
  return shapes;
}

std::string Name(const LayerShape& s) {
  std::string name = "in, height, width, out, kernel, stride, padding, groups, dilation, pool:";
  for (const int64_t value : {s.in_channels, s.in_height, s.in_width, s.out_channels, s.kernel,
                              s.stride, s.padding, s.groups, s.dilation, s.pool}) {
    name += " " + std::to_string(value);
  }
  return name;
}

double Activate(Activation activation, double value) {
  if (activation == Activation::kNone) return value;
  const double positive = std::max(value, 0.0);
  return activation == Activation::kRelu6 ? std::min(positive, 6.0) : positive;
}

// `got` has one element more: it must be as it was.
void ExpectNear(const std::vector<float>& got, const std::vector<double>& expected) {
  ASSERT_EQ(got.size(), expected.size() + 1);
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(got[i]), expected[i], 2e-4) << i;
  }
  EXPECT_EQ(got.back(), kGuard);
}

// Just as much as is promised to be enough, nothing in it that may be used, and a guard.
std::vector<float> Workspace(int64_t floats) {
  std::vector<float> workspace(Size(floats), kNotANumber);
  workspace.push_back(kGuard);
  return workspace;
}

struct ForwardResult {
  std::vector<float> output;
  std::vector<uint8_t> saved;  // without its guard
};

ForwardResult RunForward(const Reference& reference, Activation activation, bool save) {
  const LayerShape& shape = reference.shape;
  ForwardResult result;
  result.output.assign(reference.output.size(), kNotANumber);
  result.output.push_back(kGuard);
  if (save) result.saved.resize(Size(SmallConv2dSavedBytes(shape, reference.count)));
  result.saved.push_back(kGuardByte);
  std::vector<float> workspace =
      Workspace(SmallConv2dForwardWorkspaceFloats(shape, reference.count));
  SmallConv2dForward(shape, {.count = reference.count,
                             .input = reference.input.data(),
                             .weight = reference.weight.data(),
                             .bias = reference.bias.data(),
                             .activation = activation,
                             .output = result.output.data(),
                             .saved = absl::MakeSpan(result.saved.data(), result.saved.size() - 1),
                             .workspace = absl::MakeSpan(workspace.data(), workspace.size() - 1)});
  EXPECT_EQ(workspace.back(), kGuard);
  EXPECT_EQ(result.saved.back(), kGuardByte);
  result.saved.pop_back();
  return result;
}

struct BackwardWanted {
  bool input_gradient = true;
  int64_t weight_channels = 0;
  bool bias = true;
  bool accumulate = false;
  bool in_place = false;  // the sink is the weight itself
};

constexpr float kScale = -0.5f;

struct BackwardResult {
  std::vector<float> input_gradient;
  std::vector<float> weight;
  std::vector<float> bias;
};

BackwardResult RunBackward(const Reference& reference, const BackwardWanted& wanted) {
  const LayerShape& shape = reference.shape;
  const ForwardResult forward = RunForward(reference, Activation::kNone, true);
  BackwardResult result = {
      .input_gradient = std::vector<float>(reference.input.size() + 1,
                                           wanted.input_gradient ? kNotANumber : kGuard),
      .weight = reference.weight,
      .bias = reference.bias};
  result.input_gradient.back() = kGuard;
  result.weight.push_back(kGuard);
  result.bias.push_back(kGuard);
  std::vector<float> output_gradient = reference.output_gradient;
  std::vector<float> workspace = Workspace(SmallConv2dBackwardWorkspaceFloats(
      shape, reference.count,
      {.input_gradient = wanted.input_gradient, .weight_channels = wanted.weight_channels}));
  SmallConv2dBackward(
      shape, {.count = reference.count,
              .input = reference.input.data(),
              .saved = forward.saved,
              .weight = wanted.in_place ? result.weight.data() : reference.weight.data(),
              .output_gradient = output_gradient.data(),
              .input_gradient = wanted.input_gradient ? result.input_gradient.data() : nullptr,
              .sink = {.weight = wanted.weight_channels > 0 ? result.weight.data() : nullptr,
                       .weight_channels = wanted.weight_channels,
                       .bias = wanted.bias ? result.bias.data() : nullptr,
                       .scale = kScale,
                       .accumulate = wanted.accumulate},
              .workspace = absl::MakeSpan(workspace.data(), workspace.size() - 1)});
  EXPECT_EQ(workspace.back(), kGuard);
  EXPECT_EQ(output_gradient, reference.output_gradient);
  return result;
}

void ExpectGradients(const Reference& reference, const BackwardWanted& wanted) {
  const LayerShape& shape = reference.shape;
  const double factor = static_cast<double>(shape.factor);
  std::vector<double> input(reference.input.size(), wanted.input_gradient ? 0.0 : double{kGuard});
  std::vector<double> weight(reference.weight.begin(), reference.weight.end());
  std::vector<double> bias(reference.bias.begin(), reference.bias.end());
  const size_t weights = Size(wanted.weight_channels * Patch(shape));
  if (!wanted.accumulate) std::fill_n(weight.begin(), weights, 0.0);
  if (!wanted.accumulate && wanted.bias) std::fill(bias.begin(), bias.end(), 0.0);
  testing::ForEachProduct(shape, reference.count, [&](size_t in, size_t tap, size_t out) {
    const double scaled = factor * reference.gradient[out];
    if (wanted.input_gradient) input[in] += scaled * static_cast<double>(reference.weight[tap]);
    if (tap >= weights) return;
    weight[tap] += static_cast<double>(kScale) * scaled * static_cast<double>(reference.input[in]);
  });
  for (size_t out = 0; wanted.bias && out < reference.gradient.size(); ++out) {
    bias[out / Size(shape.out_plane()) % bias.size()] +=
        static_cast<double>(kScale) * factor * reference.gradient[out];
  }
  const BackwardResult result = RunBackward(reference, wanted);
  ExpectNear(result.input_gradient, input);
  ExpectNear(result.weight, weight);
  ExpectNear(result.bias, bias);
}

class SmallConv2dTest : public ::testing::TestWithParam<std::string> {
 protected:
  const testing::ScopedKernelTarget target_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Targets, SmallConv2dTest, ::testing::ValuesIn(testing::KernelTargets()),
                         [](const auto& param) { return param.param; });

TEST_P(SmallConv2dTest, Forward_IsConvolutionThenMaxPoolThenActivation) {
  for (const LayerShape& shape : Shapes()) {
    SCOPED_TRACE(Name(shape));
    for (const int64_t count : {int64_t{1}, kBatch}) {
      const Reference reference(shape, count);
      for (const Activation activation :
           {Activation::kNone, Activation::kRelu, Activation::kRelu6}) {
        std::vector<double> expected = reference.output;
        for (double& value : expected) value = Activate(activation, value);
        ExpectNear(RunForward(reference, activation, true).output, expected);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST_P(SmallConv2dTest, Forward_WithNothingToSave_GivesTheSameBits) {
  for (const LayerShape& shape : Shapes()) {
    const Reference reference(shape, kBatch);
    EXPECT_EQ(RunForward(reference, Activation::kRelu, false).output,
              RunForward(reference, Activation::kRelu, true).output)
        << Name(shape);
  }
}

TEST_P(SmallConv2dTest, Forward_SavesWhatMaxPoolOfTheConvolutionSaves) {
  for (LayerShape shape : Shapes()) {
    if (shape.pool == 1) continue;
    const Reference reference(shape, kBatch);
    Reference convolution = reference;
    convolution.shape.pool = 1;
    convolution.output = reference.convolution;
    const ForwardResult whole = RunForward(convolution, Activation::kNone, true);
    const LayerShape pool = {.in_channels = shape.out_channels,
                             .in_height = shape.out_height,
                             .in_width = shape.out_width,
                             .out_channels = shape.out_channels,
                             .out_height = shape.out_height / shape.pool,
                             .out_width = shape.out_width / shape.pool,
                             .kernel = shape.pool,
                             .stride = shape.pool};
    ASSERT_EQ(SmallConv2dSavedBytes(shape, kBatch), MaxPool2dSavedBytes(pool, kBatch));
    std::vector<uint8_t> saved(Size(MaxPool2dSavedBytes(pool, kBatch)));
    std::vector<float> output(reference.output.size());
    MaxPool2dForward(pool, {.count = kBatch,
                            .input = whole.output.data(),
                            .output = output.data(),
                            .saved = absl::MakeSpan(saved),
                            .workspace = {}});
    const ForwardResult pooled = RunForward(reference, Activation::kNone, true);
    EXPECT_EQ(pooled.saved, saved) << Name(shape);
    output.push_back(kGuard);
    EXPECT_EQ(pooled.output, output) << Name(shape);
  }
}

TEST_P(SmallConv2dTest, Backward_IsTheGradientOfConvolutionThenMaxPool) {
  for (const LayerShape& shape : Shapes()) {
    SCOPED_TRACE(Name(shape));
    ExpectGradients(Reference(shape, kBatch), {.weight_channels = shape.out_channels});
    if (HasFatalFailure()) return;
  }
}

TEST_P(SmallConv2dTest, Backward_ComputesOnlyWhatIsWanted) {
  for (const LayerShape& shape : Shapes()) {
    SCOPED_TRACE(Name(shape));
    const Reference reference(shape, kBatch);
    const int64_t all = shape.out_channels;
    ExpectGradients(reference, {.input_gradient = false, .weight_channels = all});
    ExpectGradients(reference, {.weight_channels = 0});
    ExpectGradients(reference, {.weight_channels = (all + 1) / 2, .bias = false});
    ExpectGradients(reference, {.input_gradient = false});
    if (HasFatalFailure()) return;
  }
}

TEST_P(SmallConv2dTest, Backward_IntoTheWeightItself_ReadsItsOldValues) {
  for (const LayerShape& shape : Shapes()) {
    SCOPED_TRACE(Name(shape));
    ExpectGradients(Reference(shape, kBatch),
                    {.weight_channels = shape.out_channels, .accumulate = true, .in_place = true});
    if (HasFatalFailure()) return;
  }
}

TEST(SmallConv2dMemory, LeNet5SecondConvolution_FitsInItsShareOfThreeThousandFloats) {
  const LayerShape shape = MakeShape(
      {.in_channels = 6, .out_channels = 16, .height = 12, .width = 12, .kernel = 5, .pool = 2});
  EXPECT_LT(SmallConv2dForwardWorkspaceFloats(shape, 1), 100);
  EXPECT_LT(
      SmallConv2dBackwardWorkspaceFloats(shape, 1, {.input_gradient = true, .weight_channels = 16}),
      300);
  EXPECT_EQ(SmallConv2dSavedBytes(shape, 1), 64);
}

TEST(SmallConv2dMemory, WorkspaceDoesNotGrowWithTheBatchNorTheImagesHeight) {
  Geometry geometry = {.in_channels = 3,
                       .out_channels = 8,
                       .height = 32,
                       .width = 32,
                       .kernel = 3,
                       .padding = 1,
                       .pool = 2};
  const LayerShape low = MakeShape(geometry);
  geometry.height = 320;
  const LayerShape high = MakeShape(geometry);
  const BackwardWork work = {.input_gradient = true, .weight_channels = 8};
  EXPECT_EQ(SmallConv2dForwardWorkspaceFloats(high, 64), SmallConv2dForwardWorkspaceFloats(low, 1));
  EXPECT_EQ(SmallConv2dBackwardWorkspaceFloats(high, 64, work),
            SmallConv2dBackwardWorkspaceFloats(low, 1, work));
}

TEST(SmallConv2dMemory, WithoutAPool_NeitherSavesNorTakesForwardWorkspace) {
  const LayerShape shape =
      MakeShape({.in_channels = 3, .out_channels = 8, .height = 9, .width = 9, .kernel = 3});
  EXPECT_EQ(SmallConv2dSavedBytes(shape, 4), 0);
  EXPECT_EQ(SmallConv2dForwardWorkspaceFloats(shape, 4), 0);
}

TEST(SmallConv2dMemory, GradientsThatAreNotWanted_TakeNoWorkspace) {
  const LayerShape shape =
      MakeShape({.in_channels = 3, .out_channels = 8, .height = 9, .width = 9, .kernel = 3});
  const auto floats = [&](bool input_gradient, int64_t weight_channels) {
    return SmallConv2dBackwardWorkspaceFloats(
        shape, 1, {.input_gradient = input_gradient, .weight_channels = weight_channels});
  };
  EXPECT_EQ(floats(false, 0), 0);
  EXPECT_EQ(floats(true, 8) - floats(true, 0), Patch(shape));
  EXPECT_EQ(floats(false, 8), floats(true, 8));
}

}  // namespace
}  // namespace tern
