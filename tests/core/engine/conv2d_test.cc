#include "core/engine/conv2d.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/random.h"
#include "tests/core/engine/kernel_targets.h"

namespace tern {
namespace {

constexpr int64_t kExamples = 3;
constexpr float kGuard = 7.0f;

struct Geometry {
  int64_t in;
  int64_t out;
  int64_t height;
  int64_t width;
  int64_t kernel;
  int64_t padding;
  int64_t stride = 1;
  int64_t groups = 1;
  int64_t dilation = 1;
};

LayerShape MakeShape(const Geometry& g) {
  const int64_t extent = g.dilation * (g.kernel - 1) + 1;
  return {.in_channels = g.in,
          .in_height = g.height,
          .in_width = g.width,
          .out_channels = g.out,
          .out_height = (g.height + 2 * g.padding - extent) / g.stride + 1,
          .out_width = (g.width + 2 * g.padding - extent) / g.stride + 1,
          .kernel = g.kernel,
          .stride = g.stride,
          .padding = g.padding,
          .groups = g.groups,
          .dilation = g.dilation,
          .factor = 1.5f};
}

// Every number of channels that has a tile of its own, heights around those of strips, widths of
// whole and partial vectors, outputs of one element, every way to compute a layer.
std::vector<LayerShape> Shapes() {
  const Geometry kGeometries[] = {
      // Directly, stride 1.
      {1, 1, 28, 28, 5, 0},
      {1, 6, 28, 28, 5, 0},
      {2, 4, 14, 14, 5, 2},
      {3, 2, 12, 12, 5, 0},
      {1, 1, 5, 5, 5, 0},
      {2, 2, 3, 40, 3, 2},
      {2, 1, 40, 3, 3, 1},
      {1, 2, 1, 1, 3, 1},
      {4, 13, 9, 33, 3, 1},
      {3, 1, 11, 9, 3, 1, 1, 1, 2},
      // Directly, stride 2: even and odd sizes, with and without padding.
      {1, 8, 28, 28, 3, 1, 2},
      {8, 16, 14, 14, 3, 1, 2},
      {3, 5, 13, 15, 3, 0, 2},
      {2, 7, 12, 11, 5, 2, 2},
      {2, 1, 9, 35, 5, 4, 2},
      {1, 2, 1, 2, 3, 1, 2},
      {3, 2, 16, 13, 3, 2, 2, 1, 2},
      // Groups of several channels.
      {4, 6, 9, 7, 3, 1, 1, 2},
      {6, 4, 10, 9, 5, 2, 2, 2},
      // Depthwise.
      {2, 2, 28, 28, 3, 1, 1, 2},
      {3, 6, 15, 71, 3, 1, 2, 3},
      {2, 6, 9, 13, 5, 4, 1, 2, 2},
      {2, 2, 11, 6, 7, 3, 2, 2},
      {2, 4, 3, 3, 3, 0, 1, 2},
      {4, 4, 20, 9, 3, 2, 1, 4, 3},
      {20, 20, 7, 7, 3, 1, 1, 20},
      // By columns: in groups, too, and pointwise.
      {2, 3, 11, 9, 4, 2, 1},
      {3, 5, 13, 11, 3, 1, 3},
      {34, 3, 6, 7, 3, 1, 1},
      {4, 6, 11, 10, 2, 1, 3, 2},
      {5, 7, 6, 9, 1, 0},
      {4, 6, 5, 5, 1, 0, 1, 2},
      {4, 6, 5, 5, 1, 0, 2, 2}};
  std::vector<LayerShape> shapes;
  for (const Geometry& geometry : kGeometries) shapes.push_back(MakeShape(geometry));
  for (const int64_t kernel : {3, 5}) {
    for (int64_t out = 1; out <= 9; ++out) {
      shapes.push_back(MakeShape({2, out, 5 + out, 17, kernel, 1}));
    }
  }
  return shapes;
}

std::string Describe(const LayerShape& shape) {
  return absl::StrCat(shape.in_channels, " -> ", shape.out_channels, " of ", shape.in_height, "x",
                      shape.in_width, " k", shape.kernel, " s", shape.stride, " p", shape.padding,
                      " g", shape.groups, " d", shape.dilation);
}

std::vector<float> RandomValues(int64_t count, uint64_t seed) {
  RandomStream random({.seed = seed});
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = 2.0f * random.NextFloat() - 1.0f;
  return values;
}

// Just as much as is promised to be enough, and nothing in it that may be used.
std::vector<float> Workspace(int64_t floats) {
  return std::vector<float>(static_cast<size_t>(floats), std::numeric_limits<float>::quiet_NaN());
}

// One element more, which must stay as it is.
std::vector<float> Guarded(std::vector<float> values) {
  values.push_back(kGuard);
  return values;
}

int64_t PatchFloats(const LayerShape& shape) {
  return shape.in_channels / shape.groups * shape.kernel * shape.kernel;
}

// Calls body(element of the inputs, of the weight, of the outputs) for every product that the
// definition has; the zeros of the padding have none.
template <class Body>
void ForEachProduct(const LayerShape& shape, const Body& body) {
  for (int64_t out = 0; out < kExamples * shape.out_elements(); ++out) {
    const int64_t example = out / shape.out_elements();
    const int64_t channel = out / shape.out_plane() % shape.out_channels;
    const int64_t group = channel * shape.groups / shape.out_channels;
    const int64_t top = out % shape.out_plane() / shape.out_width * shape.stride - shape.padding;
    const int64_t left = out % shape.out_width * shape.stride - shape.padding;
    for (int64_t patch = 0; patch < PatchFloats(shape); ++patch) {
      const int64_t in =
          group * shape.in_channels / shape.groups + patch / (shape.kernel * shape.kernel);
      const int64_t y = top + patch / shape.kernel % shape.kernel * shape.dilation;
      const int64_t x = left + patch % shape.kernel * shape.dilation;
      if (y < 0 || y >= shape.in_height || x < 0 || x >= shape.in_width) continue;
      const int64_t plane = example * shape.in_channels + in;
      body(static_cast<size_t>((plane * shape.in_height + y) * shape.in_width + x),
           static_cast<size_t>(channel * PatchFloats(shape) + patch), static_cast<size_t>(out));
    }
  }
}

// Differences are relative to the largest element. `got` may be guarded.
void ExpectNear(const std::vector<float>& got, const std::vector<double>& expected) {
  double largest = 0.0;
  for (const double value : expected) largest = std::max(largest, std::abs(value));
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(got[i]), expected[i], 3e-6 * largest) << "element " << i;
  }
  for (size_t i = expected.size(); i < got.size(); ++i) {
    ASSERT_EQ(got[i], kGuard) << "behind the end";
  }
}

double Activate(Activation activation, double value) {
  if (activation == Activation::kNone) return value;
  return std::clamp(value, 0.0, activation == Activation::kRelu6 ? 6.0 : INFINITY);
}

// What a backward pass reads, and what the definition makes of it.
struct Backward {
  LayerShape shape;
  std::vector<float> input;
  std::vector<float> weight;
  std::vector<float> output_gradient;
  std::vector<double> input_gradient;
  std::vector<double> weight_gradient;  // without the layer's factor
  std::vector<double> bias_gradient;    // the same

  explicit Backward(const LayerShape& layer)
      : shape(layer),
        input(RandomValues(kExamples * layer.in_elements(), 4)),
        weight(RandomValues(layer.out_channels * PatchFloats(layer), 5)),
        output_gradient(RandomValues(kExamples * layer.out_elements(), 6)),
        input_gradient(input.size()),
        weight_gradient(weight.size()),
        bias_gradient(static_cast<size_t>(layer.out_channels)) {
    ForEachProduct(shape, [&](size_t in, size_t element, size_t out) {
      const auto gradient = static_cast<double>(output_gradient[out]);
      input_gradient[in] += 1.5 * gradient * static_cast<double>(weight[element]);
      weight_gradient[element] += gradient * static_cast<double>(input[in]);
    });
    for (size_t out = 0; out < output_gradient.size(); ++out) {
      const size_t plane = out / static_cast<size_t>(shape.out_plane());
      bias_gradient[plane % bias_gradient.size()] += static_cast<double>(output_gradient[out]);
    }
  }

  // With the workspace of just this work.
  void Run(float* to_input, const GradientSink& sink) {
    std::vector<float> workspace = Workspace(Conv2dBackwardWorkspaceFloats(
        shape, kExamples,
        {.input_gradient = to_input != nullptr,
         .weight_channels = sink.weight == nullptr ? 0 : sink.weight_channels}));
    std::vector<float> gradient = output_gradient;
    Conv2dBackward(shape, {.count = kExamples,
                           .input = sink.weight == nullptr ? nullptr : input.data(),
                           .weight = weight.data(),
                           .output_gradient = gradient.data(),
                           .input_gradient = to_input,
                           .sink = sink,
                           .workspace = absl::MakeSpan(workspace)});
  }
};

class Conv2dTest : public ::testing::TestWithParam<std::string> {
 protected:
  const testing::ScopedKernelTarget target_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Targets, Conv2dTest, ::testing::ValuesIn(testing::KernelTargets()),
                         [](const auto& param) { return param.param; });

TEST_P(Conv2dTest, Forward_IsTheDefinitionUnderEveryActivation) {
  for (const LayerShape& shape : Shapes()) {
    SCOPED_TRACE(Describe(shape));
    const std::vector<float> input = RandomValues(kExamples * shape.in_elements(), 1);
    const std::vector<float> weight = RandomValues(shape.out_channels * PatchFloats(shape), 2);
    // Beyond 6 and below 0 in every plane's share.
    std::vector<float> bias = RandomValues(shape.out_channels, 3);
    for (float& value : bias) value += 3.0f;
    std::vector<double> sums(static_cast<size_t>(kExamples * shape.out_elements()));
    for (size_t i = 0; i < sums.size(); ++i) {
      const size_t plane = i / static_cast<size_t>(shape.out_plane());
      sums[i] = 1.5 * static_cast<double>(bias[plane % bias.size()]);
    }
    ForEachProduct(shape, [&](size_t in, size_t element, size_t out) {
      sums[out] += 1.5 * static_cast<double>(input[in]) * static_cast<double>(weight[element]);
    });
    for (const Activation activation : {Activation::kNone, Activation::kRelu, Activation::kRelu6}) {
      std::vector<double> expected = sums;
      for (double& value : expected) value = Activate(activation, value);
      std::vector<float> output = Guarded(std::vector<float>(sums.size()));
      std::vector<float> workspace = Workspace(Conv2dForwardWorkspaceFloats(shape, kExamples));
      Conv2dForward(shape, {.count = kExamples,
                            .input = input.data(),
                            .weight = weight.data(),
                            .bias = bias.data(),
                            .activation = activation,
                            .output = output.data(),
                            .workspace = absl::MakeSpan(workspace)});
      ExpectNear(output, expected);
    }
  }
}

TEST_P(Conv2dTest, Activation_KeepsNan) {
  for (const Geometry& geometry :
       {Geometry{1, 1, 7, 7, 3, 1}, Geometry{2, 3, 7, 7, 3, 1, 2}, Geometry{2, 3, 4, 4, 1, 0}}) {
    const LayerShape shape = MakeShape(geometry);
    SCOPED_TRACE(Describe(shape));
    const std::vector<float> input(static_cast<size_t>(shape.in_elements()),
                                   std::numeric_limits<float>::quiet_NaN());
    const std::vector<float> weight(static_cast<size_t>(shape.out_channels * PatchFloats(shape)));
    const std::vector<float> bias(static_cast<size_t>(shape.out_channels));
    for (const Activation activation : {Activation::kRelu, Activation::kRelu6}) {
      std::vector<float> output(static_cast<size_t>(shape.out_elements()));
      std::vector<float> workspace = Workspace(Conv2dForwardWorkspaceFloats(shape, 1));
      Conv2dForward(shape, {.count = 1,
                            .input = input.data(),
                            .weight = weight.data(),
                            .bias = bias.data(),
                            .activation = activation,
                            .output = output.data(),
                            .workspace = absl::MakeSpan(workspace)});
      for (const float value : output) ASSERT_TRUE(std::isnan(value));
    }
  }
}

TEST_P(Conv2dTest, InputGradient_IsTheAdjoint) {
  for (const LayerShape& shape : Shapes()) {
    SCOPED_TRACE(Describe(shape));
    Backward backward(shape);
    std::vector<float> gradient = Guarded(std::vector<float>(backward.input.size()));
    backward.Run(gradient.data(), {});
    ExpectNear(gradient, backward.input_gradient);
  }
}

TEST_P(Conv2dTest, Sink_GetsSumsOverExamplesAndAccumulates) {
  for (const LayerShape& shape : Shapes()) {
    SCOPED_TRACE(Describe(shape));
    Backward backward(shape);
    const std::vector<float> weight = RandomValues(shape.out_channels * PatchFloats(shape), 8);
    const std::vector<float> bias = RandomValues(shape.out_channels, 9);
    for (const bool accumulate : {false, true}) {
      const auto expected = [&](const std::vector<float>& before, const std::vector<double>& sums) {
        std::vector<double> values(sums.size());
        for (size_t i = 0; i < sums.size(); ++i) {
          values[i] = (accumulate ? static_cast<double>(before[i]) : 0.0) - 0.75 * sums[i];
        }
        return values;
      };
      std::vector<float> to_weight = Guarded(weight);
      std::vector<float> to_bias = Guarded(bias);
      backward.Run(nullptr, {.weight = to_weight.data(),
                             .weight_channels = shape.out_channels,
                             .bias = to_bias.data(),
                             .scale = -0.5f,
                             .accumulate = accumulate});
      ExpectNear(to_weight, expected(weight, backward.weight_gradient));
      ExpectNear(to_bias, expected(bias, backward.bias_gradient));
    }
  }
}

// The sink has no place for the others.
TEST_P(Conv2dTest, WeightGradientOfTheFirstChannels_IsThatAlone) {
  for (const LayerShape& shape : Shapes()) {
    for (const int64_t channels : {int64_t{1}, shape.out_channels / 2, shape.out_channels - 1}) {
      if (channels < 1) continue;
      SCOPED_TRACE(absl::StrCat(Describe(shape), ", of ", channels));
      Backward backward(shape);
      std::vector<double> expected = backward.weight_gradient;
      expected.resize(static_cast<size_t>(channels * PatchFloats(shape)));
      for (double& value : expected) value *= 1.5;
      std::vector<float> sink = Guarded(std::vector<float>(expected.size()));
      std::vector<float> gradient(backward.input.size());
      backward.Run(gradient.data(), {.weight = sink.data(), .weight_channels = channels});
      ExpectNear(sink, expected);
      ExpectNear(gradient, backward.input_gradient);
    }
  }
}

TEST_P(Conv2dTest, WithoutWeightSink_OnlyTheBiasHasAGradient) {
  for (const LayerShape& shape : Shapes()) {
    SCOPED_TRACE(Describe(shape));
    Backward backward(shape);
    std::vector<double> expected = backward.bias_gradient;
    for (double& value : expected) value *= 1.5;
    std::vector<float> bias = Guarded(std::vector<float>(expected.size()));
    backward.Run(nullptr, {.bias = bias.data()});
    ExpectNear(bias, expected);
  }
}

// The weight's gradient may go to the weight, which the input's gradient reads.
TEST_P(Conv2dTest, SinkIsTheWeight_InputGradientIsThatOfTheWeightBefore) {
  for (const LayerShape& shape : Shapes()) {
    SCOPED_TRACE(Describe(shape));
    Backward backward(shape);
    std::vector<double> updated(backward.weight.begin(), backward.weight.end());
    for (size_t i = 0; i < updated.size(); ++i) updated[i] -= 0.15 * backward.weight_gradient[i];
    std::vector<float> gradient(backward.input.size());
    backward.Run(gradient.data(), {.weight = backward.weight.data(),
                                   .weight_channels = shape.out_channels,
                                   .scale = -0.1f,
                                   .accumulate = true});
    ExpectNear(gradient, backward.input_gradient);
    ExpectNear(backward.weight, updated);
  }
}

TEST(Conv2dWorkspace, BackwardWithoutInputGradient_NeedsNoKernels) {
  const LayerShape shape = MakeShape({1, 8, 28, 28, 3, 1, 2});
  const int64_t weight_only =
      Conv2dBackwardWorkspaceFloats(shape, 1, {.input_gradient = false, .weight_channels = 8});
  EXPECT_LT(weight_only, Conv2dBackwardWorkspaceFloats(shape, 1, {.weight_channels = 8}));
  EXPECT_EQ(Conv2dBackwardWorkspaceFloats(shape, 1, {.input_gradient = false}), 0);
}

}  // namespace
}  // namespace tern
