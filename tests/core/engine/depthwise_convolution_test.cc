#include "core/engine/depthwise_convolution.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "tests/core/engine/kernel_targets.h"

namespace tern {
namespace {

constexpr int64_t kExamples = 2;
constexpr float kGuard = 7.0f;

LayerShape MakeShape(int64_t channels, int64_t multiplier, int64_t height, int64_t width,
                     int64_t kernel, int64_t stride, int64_t dilation, int64_t padding) {
  const int64_t extent = dilation * (kernel - 1) + 1;
  return {.in_channels = channels,
          .in_height = height,
          .in_width = width,
          .out_channels = channels * multiplier,
          .out_height = (height + 2 * padding - extent) / stride + 1,
          .out_width = (width + 2 * padding - extent) / stride + 1,
          .kernel = kernel,
          .stride = stride,
          .padding = padding,
          .groups = channels,
          .dilation = dilation,
          .factor = 1.5f};
}

// Whole and partial vectors, more and fewer rows than a strip has, every kernel, outputs of one
// element.
std::vector<LayerShape> Shapes() {
  return {MakeShape(2, 1, 28, 28, 3, 1, 1, 1), MakeShape(3, 2, 15, 71, 3, 2, 1, 1),
          MakeShape(2, 3, 9, 13, 5, 1, 2, 4),  MakeShape(2, 1, 11, 6, 7, 3, 1, 3),
          MakeShape(2, 2, 3, 3, 3, 1, 1, 0),   MakeShape(4, 1, 20, 9, 3, 1, 3, 2)};
}

std::vector<float> RandomValues(int64_t count, uint64_t seed) {
  RandomStream random({.seed = seed});
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = 2.0f * random.NextFloat() - 1.0f;
  return values;
}

// Just as much as is promised to be enough, and nothing in it that may be used.
std::vector<float> Workspace(const LayerShape& shape) {
  return std::vector<float>(static_cast<size_t>(DepthwiseWorkspaceFloats(shape)),
                            std::numeric_limits<float>::quiet_NaN());
}

int64_t WeightFloats(const LayerShape& shape) {
  return shape.out_channels * shape.kernel * shape.kernel;
}

// Calls body(element of the inputs, of the weight, of the outputs) for every product that the
// definition has; the zeros of the padding have none.
template <class Body>
void ForEachProduct(const LayerShape& shape, const Body& body) {
  for (int64_t out = 0; out < kExamples * shape.out_elements(); ++out) {
    const int64_t plane = out / shape.out_plane();
    const int64_t in_plane = plane * shape.in_channels / shape.out_channels;
    const int64_t top = out % shape.out_plane() / shape.out_width * shape.stride - shape.padding;
    const int64_t left = out % shape.out_width * shape.stride - shape.padding;
    for (int64_t tap = 0; tap < shape.kernel * shape.kernel; ++tap) {
      const int64_t y = top + tap / shape.kernel * shape.dilation;
      const int64_t x = left + tap % shape.kernel * shape.dilation;
      if (y < 0 || y >= shape.in_height || x < 0 || x >= shape.in_width) continue;
      body(static_cast<size_t>((in_plane * shape.in_height + y) * shape.in_width + x),
           static_cast<size_t>(plane % shape.out_channels * shape.kernel * shape.kernel + tap),
           static_cast<size_t>(out));
    }
  }
}

// `got` has one float more: it must be as it was.
void ExpectNear(const std::vector<float>& got, const std::vector<double>& expected) {
  ASSERT_EQ(got.size(), expected.size() + 1);
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(got[i]), expected[i], 2e-4) << i;
  }
  EXPECT_EQ(got.back(), kGuard);
}

class DepthwiseConvolutionTest : public ::testing::TestWithParam<std::string> {
 protected:
  const testing::ScopedKernelTarget target_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Targets, DepthwiseConvolutionTest,
                         ::testing::ValuesIn(testing::KernelTargets()),
                         [](const auto& param) { return param.param; });

TEST_P(DepthwiseConvolutionTest, Forward_IsTheDefinition) {
  for (const LayerShape& shape : Shapes()) {
    const std::vector<float> input = RandomValues(kExamples * shape.in_elements(), 1);
    const std::vector<float> weight = RandomValues(WeightFloats(shape), 2);
    const std::vector<float> bias = RandomValues(shape.out_channels, 3);
    std::vector<double> expected(static_cast<size_t>(kExamples * shape.out_elements()));
    for (size_t i = 0; i < expected.size(); ++i) {
      const size_t plane = i / static_cast<size_t>(shape.out_plane());
      expected[i] = 1.5 * static_cast<double>(bias[plane % bias.size()]);
    }
    ForEachProduct(shape, [&](size_t in, size_t element, size_t out) {
      expected[out] += 1.5 * static_cast<double>(input[in]) * static_cast<double>(weight[element]);
    });
    std::vector<float> output(expected.size() + 1, kGuard);
    std::vector<float> workspace = Workspace(shape);
    DepthwiseForward(shape, {.count = kExamples,
                             .input = input.data(),
                             .weight = weight.data(),
                             .bias = bias.data(),
                             .output = output.data(),
                             .workspace = absl::MakeSpan(workspace)});
    ExpectNear(output, expected);
  }
}

TEST_P(DepthwiseConvolutionTest, InputGradient_IsTheAdjoint) {
  for (const LayerShape& shape : Shapes()) {
    std::vector<float> output_gradient = RandomValues(kExamples * shape.out_elements(), 4);
    const std::vector<float> weight = RandomValues(WeightFloats(shape), 5);
    std::vector<double> expected(static_cast<size_t>(kExamples * shape.in_elements()));
    ForEachProduct(shape, [&](size_t in, size_t element, size_t out) {
      expected[in] +=
          1.5 * static_cast<double>(output_gradient[out]) * static_cast<double>(weight[element]);
    });
    std::vector<float> input_gradient(expected.size() + 1, kGuard);
    std::vector<float> workspace = Workspace(shape);
    DepthwiseInputGradient(shape, {.count = kExamples,
                                   .weight = weight.data(),
                                   .output_gradient = output_gradient.data(),
                                   .input_gradient = input_gradient.data(),
                                   .workspace = absl::MakeSpan(workspace)});
    ExpectNear(input_gradient, expected);
  }
}

TEST_P(DepthwiseConvolutionTest, WeightGradient_SumsExamplesAndAccumulates) {
  for (const LayerShape& shape : Shapes()) {
    const std::vector<float> input = RandomValues(kExamples * shape.in_elements(), 6);
    std::vector<float> output_gradient = RandomValues(kExamples * shape.out_elements(), 7);
    const std::vector<float> before = RandomValues(WeightFloats(shape), 8);
    for (const bool accumulate : {false, true}) {
      std::vector<double> expected(before.size());
      if (accumulate) expected.assign(before.begin(), before.end());
      ForEachProduct(shape, [&](size_t in, size_t element, size_t out) {
        expected[element] -=
            0.75 * static_cast<double>(input[in]) * static_cast<double>(output_gradient[out]);
      });
      std::vector<float> sink = before;
      sink.push_back(kGuard);
      std::vector<float> workspace = Workspace(shape);
      DepthwiseWeightGradient(
          shape, {.count = kExamples,
                  .input = input.data(),
                  .output_gradient = output_gradient.data(),
                  .sink = {.weight = sink.data(), .scale = -0.5f, .accumulate = accumulate},
                  .workspace = absl::MakeSpan(workspace)});
      ExpectNear(sink, expected);
    }
  }
}

TEST(IsDepthwiseConvolution, OneChannelGroupsOfSeveralOrOtherKernels_AreNot) {
  const LayerShape depthwise = MakeShape(4, 2, 9, 9, 3, 2, 2, 1);
  EXPECT_TRUE(IsDepthwiseConvolution(depthwise));
  LayerShape pairs = depthwise;
  pairs.groups = 2;
  EXPECT_FALSE(IsDepthwiseConvolution(pairs));
  EXPECT_FALSE(IsDepthwiseConvolution(MakeShape(1, 2, 9, 9, 3, 1, 1, 1)));
  EXPECT_FALSE(IsDepthwiseConvolution(MakeShape(4, 1, 9, 9, 1, 1, 1, 0)));
  EXPECT_FALSE(IsDepthwiseConvolution(MakeShape(4, 1, 9, 9, 4, 1, 1, 0)));
}

}  // namespace
}  // namespace tern
