#include "core/engine/direct_convolution.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/engine/image_columns.h"
#include "tests/core/engine/kernel_targets.h"

namespace tern {
namespace {

constexpr int64_t kExamples = 2;

LayerShape MakeShape(int64_t in, int64_t out, int64_t height, int64_t width, int64_t kernel,
                     int64_t padding) {
  return {.in_channels = in,
          .in_height = height,
          .in_width = width,
          .out_channels = out,
          .out_height = height + 2 * padding - kernel + 1,
          .out_width = width + 2 * padding - kernel + 1,
          .kernel = kernel,
          .padding = padding,
          .factor = 1.5f};
}

// Every number of channels that has a tile of its own, heights around those of strips, widths of
// whole and partial vectors, outputs of one element.
std::vector<LayerShape> Shapes() {
  std::vector<LayerShape> shapes = {
      MakeShape(1, 1, 28, 28, 5, 0), MakeShape(1, 6, 28, 28, 5, 0), MakeShape(2, 4, 14, 14, 5, 2),
      MakeShape(3, 2, 12, 12, 5, 0), MakeShape(1, 1, 5, 5, 5, 0),   MakeShape(2, 2, 3, 40, 3, 2),
      MakeShape(2, 1, 40, 3, 3, 1),  MakeShape(1, 2, 1, 1, 3, 1),   MakeShape(4, 13, 9, 33, 3, 1)};
  for (const int64_t kernel : {3, 5}) {
    for (int64_t out = 1; out <= 9; ++out) {
      shapes.push_back(MakeShape(2, out, 5 + out, 17, kernel, 1));
    }
  }
  return shapes;
}

std::vector<float> RandomValues(int64_t count, uint64_t seed) {
  RandomStream random({.seed = seed});
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = 2.0f * random.NextFloat() - 1.0f;
  return values;
}

std::vector<float> Padded(const LayerShape& shape, const std::vector<float>& images) {
  const int64_t floats = PaddedImage(shape).Floats();
  const auto examples = static_cast<int64_t>(images.size()) / shape.in_elements();
  std::vector<float> padded(static_cast<size_t>(examples * floats + DirectSlackFloats(shape)));
  for (int64_t example = 0; example < examples; ++example) {
    PadImage(shape, images.data() + example * shape.in_elements(),
             padded.data() + example * floats);
  }
  return padded;
}

int64_t WeightFloats(const LayerShape& shape) {
  return shape.in_channels * shape.out_channels * shape.kernel * shape.kernel;
}

// Calls body(element of the input, of the weight, of the output) for every product that the
// definition of a convolution has; the zeros of the padding have none.
template <class Body>
void ForEachProduct(const LayerShape& shape, const Body& body) {
  for (int64_t out = 0; out < shape.out_elements(); ++out) {
    const int64_t channel = out / shape.out_plane();
    const int64_t top = out % shape.out_plane() / shape.out_width - shape.padding;
    const int64_t left = out % shape.out_width - shape.padding;
    for (int64_t patch = 0; patch < WeightFloats(shape) / shape.out_channels; ++patch) {
      const int64_t in = patch / (shape.kernel * shape.kernel);
      const int64_t y = top + patch / shape.kernel % shape.kernel;
      const int64_t x = left + patch % shape.kernel;
      if (y < 0 || y >= shape.in_height || x < 0 || x >= shape.in_width) continue;
      body(static_cast<size_t>((in * shape.in_height + y) * shape.in_width + x),
           static_cast<size_t>(channel * WeightFloats(shape) / shape.out_channels + patch),
           static_cast<size_t>(out));
    }
  }
}

void ExpectNear(const std::vector<float>& values, const std::vector<double>& expected) {
  double largest = 0.0;
  for (const double value : expected) largest = std::max(largest, std::abs(value));
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(values[i]), expected[i], 2e-6 * largest) << "element " << i;
  }
}

class DirectConvolutionTest : public ::testing::TestWithParam<std::string> {
 protected:
  const testing::ScopedKernelTarget target_{GetParam()};
};

TEST_P(DirectConvolutionTest, Convolve_IsTheDefinition) {
  for (const LayerShape& shape : Shapes()) {
    ASSERT_TRUE(IsDirectConvolution(shape));
    const std::vector<float> image = RandomValues(shape.in_elements(), 1);
    const std::vector<float> weight = RandomValues(WeightFloats(shape), 2);
    const std::vector<float> bias = RandomValues(shape.out_channels, 3);
    std::vector<float> packed(static_cast<size_t>(PackedKernelFloats(shape)));
    PackKernels(shape, weight.data(), packed.data());
    // One float more: it must stay as it is.
    std::vector<float> output(static_cast<size_t>(shape.out_elements()) + 1, 7.0f);
    ConvolveDirectly(shape, Padded(shape, image).data(), packed.data(), bias.data(), output.data());
    std::vector<double> expected(static_cast<size_t>(shape.out_elements()));
    for (size_t i = 0; i < expected.size(); ++i) {
      expected[i] = 1.5 * static_cast<double>(bias[i / static_cast<size_t>(shape.out_plane())]);
    }
    ForEachProduct(shape, [&](size_t in, size_t element, size_t out) {
      expected[out] += 1.5 * static_cast<double>(image[in]) * static_cast<double>(weight[element]);
    });
    ExpectNear(output, expected);
    EXPECT_EQ(output.back(), 7.0f);
  }
}

TEST_P(DirectConvolutionTest, ConvolveWithMirroredKernels_IsTheInputGradient) {
  for (const LayerShape& shape : Shapes()) {
    const LayerShape backward = InputGradientShape(shape);
    const std::vector<float> output_gradient = RandomValues(shape.out_elements(), 4);
    const std::vector<float> weight = RandomValues(WeightFloats(shape), 5);
    std::vector<float> packed(static_cast<size_t>(PackedKernelFloats(shape)));
    PackMirroredKernels(shape, weight.data(), packed.data());
    std::vector<float> gradient(static_cast<size_t>(shape.in_elements()));
    ConvolveDirectly(backward, Padded(backward, output_gradient).data(), packed.data(), nullptr,
                     gradient.data());
    std::vector<double> expected(gradient.size());
    ForEachProduct(shape, [&](size_t in, size_t element, size_t out) {
      expected[in] +=
          1.5 * static_cast<double>(output_gradient[out]) * static_cast<double>(weight[element]);
    });
    ExpectNear(gradient, expected);
  }
}

TEST_P(DirectConvolutionTest, WeightGradient_SumsExamplesAndAccumulates) {
  for (const LayerShape& shape : Shapes()) {
    const std::vector<float> images = RandomValues(kExamples * shape.in_elements(), 6);
    const std::vector<float> gradients = RandomValues(kExamples * shape.out_elements(), 7);
    std::vector<double> sums(static_cast<size_t>(WeightFloats(shape)));
    for (size_t example = 0; example < kExamples; ++example) {
      ForEachProduct(shape, [&](size_t in, size_t element, size_t out) {
        in += example * static_cast<size_t>(shape.in_elements());
        out += example * static_cast<size_t>(shape.out_elements());
        sums[element] += static_cast<double>(images[in]) * static_cast<double>(gradients[out]);
      });
    }
    const std::vector<float> before = RandomValues(WeightFloats(shape), 8);
    for (const bool accumulate : {false, true}) {
      std::vector<float> sink = before;
      DirectWeightGradient(shape, Padded(shape, images).data(), gradients.data(), kExamples, -0.5f,
                           accumulate, sink.data());
      std::vector<double> expected(sums.size());
      for (size_t i = 0; i < sums.size(); ++i) {
        expected[i] = (accumulate ? static_cast<double>(before[i]) : 0.0) - 0.75 * sums[i];
      }
      ExpectNear(sink, expected);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, DirectConvolutionTest,
                         ::testing::ValuesIn(testing::KernelTargets()),
                         [](const auto& param) { return param.param; });

TEST(IsDirectConvolution, StrideOtherKernelsOrManyChannels_AreNot) {
  LayerShape strided = MakeShape(1, 1, 9, 9, 3, 1);
  strided.stride = 2;
  EXPECT_FALSE(IsDirectConvolution(strided));
  EXPECT_FALSE(IsDirectConvolution(MakeShape(1, 1, 9, 9, 1, 0)));
  EXPECT_FALSE(IsDirectConvolution(MakeShape(1, 1, 9, 9, 7, 3)));
  EXPECT_FALSE(IsDirectConvolution(MakeShape(1, 1, 9, 9, 3, 3)));
  EXPECT_FALSE(IsDirectConvolution(MakeShape(33, 1, 9, 9, 3, 1)));
  EXPECT_FALSE(IsDirectConvolution(MakeShape(1, 33, 9, 9, 3, 1)));
}

TEST(IsDirectInputGradient, WithoutPadding_OnlyForFewOutputChannels) {
  EXPECT_TRUE(IsDirectInputGradient(MakeShape(2, 4, 12, 12, 5, 0)));
  EXPECT_FALSE(IsDirectInputGradient(MakeShape(6, 16, 12, 12, 5, 0)));
  EXPECT_TRUE(IsDirectInputGradient(MakeShape(16, 32, 14, 14, 5, 2)));
}

}  // namespace
}  // namespace tern
