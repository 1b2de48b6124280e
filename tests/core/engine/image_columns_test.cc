#include "core/engine/image_columns.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "core/base/random.h"
#include "tests/core/engine/kernel_targets.h"

namespace tern {
namespace {

LayerShape MakeShape(int64_t channels, int64_t height, int64_t width, int64_t kernel,
                     int64_t stride, int64_t padding, int64_t dilation = 1) {
  const int64_t extent = dilation * (kernel - 1) + 1;
  return {.in_channels = channels,
          .in_height = height,
          .in_width = width,
          .out_channels = 1,
          .out_height = (height + 2 * padding - extent) / stride + 1,
          .out_width = (width + 2 * padding - extent) / stride + 1,
          .kernel = kernel,
          .stride = stride,
          .padding = padding,
          .dilation = dilation};
}

std::vector<LayerShape> Shapes() {
  return {MakeShape(1, 28, 28, 5, 1, 2),  MakeShape(3, 7, 9, 3, 1, 0),
          MakeShape(2, 9, 7, 3, 2, 1),    MakeShape(2, 8, 8, 3, 2, 1),
          MakeShape(1, 11, 5, 4, 3, 2),   MakeShape(3, 4, 4, 1, 1, 0),
          MakeShape(2, 5, 6, 1, 2, 0),    MakeShape(1, 3, 40, 3, 1, 2),
          MakeShape(1, 6, 6, 2, 5, 1),    MakeShape(2, 5, 71, 3, 2, 1),
          MakeShape(2, 9, 7, 3, 1, 2, 2), MakeShape(2, 11, 12, 3, 2, 3, 3),
          MakeShape(1, 13, 9, 2, 3, 0, 4)};
}

std::vector<float> RandomValues(int64_t count, uint64_t seed) {
  RandomStream random({.seed = seed});
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = 2.0f * random.NextFloat() - 1.0f;
  return values;
}

std::vector<float> WithSlack(int64_t count) {
  return std::vector<float>(static_cast<size_t>(count + kRowSlackFloats),
                            std::numeric_limits<float>::quiet_NaN());
}

int64_t ColumnRows(const LayerShape& shape) {
  return shape.in_channels * shape.kernel * shape.kernel;
}

// The definition: element (c, y, x) of the image, zero around it.
float Pixel(const LayerShape& shape, const std::vector<float>& image, int64_t channel, int64_t y,
            int64_t x) {
  if (y < 0 || y >= shape.in_height || x < 0 || x >= shape.in_width) return 0.0f;
  return image[static_cast<size_t>((channel * shape.in_height + y) * shape.in_width + x)];
}

class ImageColumnsTest : public ::testing::TestWithParam<std::string> {
 protected:
  const testing::ScopedKernelTarget target_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(EveryTarget, ImageColumnsTest,
                         ::testing::ValuesIn(testing::KernelTargets()),
                         [](const auto& test) { return test.param; });

TEST_P(ImageColumnsTest, Columns_HoldWhatTheDefinitionSays) {
  for (const LayerShape& shape : Shapes()) {
    const std::vector<float> image = RandomValues(shape.in_elements(), 41);
    std::vector<float> padded = WithSlack(PaddedImage(shape).Floats());
    PadImage(shape, image.data(), padded.data());
    const int64_t first_row = shape.out_height / 3;
    const int64_t rows = shape.out_height - first_row;
    std::vector<float> columns = WithSlack(ColumnRows(shape) * rows * shape.out_width);
    PaddedImageToColumns(shape, padded.data(), first_row, rows, columns.data());
    size_t index = 0;
    for (int64_t row = 0; row < ColumnRows(shape); ++row) {
      const int64_t channel = row / (shape.kernel * shape.kernel);
      const int64_t tap_y = row / shape.kernel % shape.kernel * shape.dilation - shape.padding;
      const int64_t tap_x = row % shape.kernel * shape.dilation - shape.padding;
      for (int64_t y = first_row; y < first_row + rows; ++y) {
        for (int64_t x = 0; x < shape.out_width; ++x) {
          ASSERT_EQ(columns[index++], Pixel(shape, image, channel, y * shape.stride + tap_y,
                                            x * shape.stride + tap_x));
        }
      }
    }
  }
}

// <columns(image), other> = <image, adjoint(other)> for all images and columns.
TEST_P(ImageColumnsTest, AddColumnsToPaddedImage_IsTheAdjoint) {
  for (const LayerShape& shape : Shapes()) {
    const std::vector<float> image = RandomValues(shape.in_elements(), 42);
    const int64_t count = ColumnRows(shape) * shape.out_plane();
    std::vector<float> padded = WithSlack(PaddedImage(shape).Floats());
    std::vector<float> columns = WithSlack(count);
    PadImage(shape, image.data(), padded.data());
    PaddedImageToColumns(shape, padded.data(), 0, shape.out_height, columns.data());

    const std::vector<float> other = RandomValues(count, 43);
    std::vector<float> sums(padded.size(), 0.0f);
    std::vector<float> adjoint(image.size());
    AddColumnsToPaddedImage(shape, other.data(), 0, shape.out_height, sums.data());
    UnpadImage(shape, sums.data(), adjoint.data());
    double left = 0.0;
    double right = 0.0;
    for (size_t i = 0; i < other.size(); ++i) left += static_cast<double>(columns[i] * other[i]);
    for (size_t i = 0; i < image.size(); ++i) right += static_cast<double>(image[i] * adjoint[i]);
    EXPECT_NEAR(left, right, 1e-4);
  }
}

}  // namespace
}  // namespace tern
