#include "core/engine/max_pool2d.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/base/random.h"

namespace tern {
namespace {

constexpr int64_t kBatch = 2;
constexpr float kGuard = 7.0f;
constexpr uint8_t kGuardByte = 0xA5;

LayerShape MakeShape(int64_t channels, int64_t height, int64_t width, int64_t kernel,
                     int64_t stride) {
  return {.in_channels = channels,
          .in_height = height,
          .in_width = width,
          .out_channels = channels,
          .out_height = (height - kernel) / stride + 1,
          .out_width = (width - kernel) / stride + 1,
          .kernel = kernel,
          .stride = stride};
}

// Windows that overlap, touch and lie apart; of 2 x 2, two apart; of 256 elements and of more.
std::vector<LayerShape> Shapes() {
  return {MakeShape(3, 7, 9, 2, 1),   MakeShape(3, 7, 9, 3, 2),    MakeShape(2, 9, 12, 3, 3),
          MakeShape(2, 9, 11, 2, 3),  MakeShape(3, 24, 24, 2, 2),  MakeShape(3, 7, 13, 2, 2),
          MakeShape(1, 5, 5, 1, 1),   MakeShape(2, 35, 33, 16, 8), MakeShape(2, 20, 40, 17, 3),
          MakeShape(1, 40, 40, 40, 1)};
}

// Few different values, so that windows have equal elements in every place.
std::vector<float> SmallWholeNumbers(int64_t count) {
  RandomStream random({.seed = 1});
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = static_cast<float>(random.Below(3));
  return values;
}

// The definition: calls body(window, index of its first largest element in row order).
template <class Body>
void ForEachMaximum(const LayerShape& s, const std::vector<float>& in, const Body& body) {
  for (int64_t window = 0; window < kBatch * s.out_elements(); ++window) {
    const int64_t plane = window / s.out_plane();
    const int64_t top = window % s.out_plane() / s.out_width * s.stride;
    const int64_t left = window % s.out_width * s.stride;
    const auto index = [&](int64_t y, int64_t x) {
      return static_cast<size_t>((plane * s.in_height + top + y) * s.in_width + left + x);
    };
    int64_t best = 0;
    for (int64_t i = 1; i < s.kernel * s.kernel; ++i) {
      if (in[index(i / s.kernel, i % s.kernel)] > in[index(best / s.kernel, best % s.kernel)]) {
        best = i;
      }
    }
    body(static_cast<size_t>(window), index(best / s.kernel, best % s.kernel), best);
  }
}

struct Pooled {
  std::vector<float> output;   // and a guard
  std::vector<uint8_t> saved;  // and a guard
};

Pooled RunForward(const LayerShape& shape, const std::vector<float>& in) {
  Pooled pooled = {
      .output = std::vector<float>(static_cast<size_t>(kBatch * shape.out_elements()) + 1, kGuard),
      .saved = std::vector<uint8_t>(static_cast<size_t>(MaxPool2dSavedBytes(shape, kBatch)) + 1,
                                    kGuardByte)};
  MaxPool2dForward(shape, {.count = kBatch,
                           .input = in.data(),
                           .output = pooled.output.data(),
                           .saved = absl::MakeSpan(pooled.saved.data(), pooled.saved.size() - 1),
                           .workspace = {}});
  EXPECT_EQ(pooled.saved.back(), kGuardByte);
  return pooled;
}

TEST(MaxPool2d, Forward_TakesTheMaximumOfEachWindow_WhetherItSavesOrNot) {
  for (const LayerShape& shape : Shapes()) {
    const std::vector<float> in = SmallWholeNumbers(kBatch * shape.in_elements());
    std::vector<float> expected(static_cast<size_t>(kBatch * shape.out_elements()));
    ForEachMaximum(shape, in, [&](size_t window, size_t maximum, int64_t /*place*/) {
      expected[window] = in[maximum];
    });
    expected.push_back(kGuard);
    EXPECT_EQ(RunForward(shape, in).output, expected) << shape.kernel << ", " << shape.stride;
    std::vector<float> output(expected.size(), kGuard);
    MaxPool2dForward(shape, {.count = kBatch,
                             .input = in.data(),
                             .output = output.data(),
                             .saved = {},
                             .workspace = {}});
    EXPECT_EQ(output, expected) << shape.kernel << ", " << shape.stride;
  }
}

TEST(MaxPool2d, Place_IsThatOfTheFirstOfEqualElements) {
  for (const LayerShape& shape : Shapes()) {
    const std::vector<float> in = SmallWholeNumbers(kBatch * shape.in_elements());
    const Pooled pooled = RunForward(shape, in);
    const int64_t plane_bytes = MaxPool2dSavedBytes(shape, 1) / shape.out_channels;
    ForEachMaximum(shape, in, [&](size_t window, size_t /*maximum*/, int64_t expected) {
      const auto i = static_cast<int64_t>(window);
      const PoolPlace place =
          MaxPool2dPlace(shape, pooled.saved.data() + i / shape.out_plane() * plane_bytes,
                         i % shape.out_plane() / shape.out_width, i % shape.out_width);
      EXPECT_EQ(place.y * shape.kernel + place.x, expected);
      EXPECT_LT(place.x, shape.kernel);
    });
  }
}

TEST(MaxPool2d, Backward_GivesTheFirstOfEqualElementsAloneTheGradient) {
  for (const LayerShape& shape : Shapes()) {
    const std::vector<float> in = SmallWholeNumbers(kBatch * shape.in_elements());
    const Pooled pooled = RunForward(shape, in);
    std::vector<float> gradient(pooled.output.size() - 1);
    for (size_t i = 0; i < gradient.size(); ++i) gradient[i] = static_cast<float>(i + 1);
    std::vector<float> expected(in.size());
    ForEachMaximum(shape, in, [&](size_t window, size_t maximum, int64_t /*place*/) {
      expected[maximum] += gradient[window];
    });
    expected.push_back(kGuard);
    std::vector<float> in_gradient(expected.size(), kGuard);
    MaxPool2dBackward(shape,
                      {.count = kBatch,
                       .saved = absl::MakeConstSpan(pooled.saved.data(), pooled.saved.size() - 1),
                       .output_gradient = gradient.data(),
                       .input_gradient = in_gradient.data(),
                       .sink = {},
                       .workspace = {}});
    EXPECT_EQ(in_gradient, expected) << shape.kernel << ", " << shape.stride;
  }
}

TEST(MaxPool2d, SavedBytes_AreTwoBitsOneByteOrFourBytesAWindow) {
  EXPECT_EQ(MaxPool2dSavedBytes(MakeShape(6, 24, 24, 2, 2), 10), 10 * 6 * 12 * 12 / 4);
  // A row of five windows ends within a byte.
  EXPECT_EQ(MaxPool2dSavedBytes(MakeShape(1, 4, 10, 2, 2), 1), 2 * 2);
  EXPECT_EQ(MaxPool2dSavedBytes(MakeShape(1, 4, 10, 2, 1), 1), 3 * 9);
  EXPECT_EQ(MaxPool2dSavedBytes(MakeShape(2, 16, 17, 16, 1), 3), 3 * 2 * 2);
  EXPECT_EQ(MaxPool2dSavedBytes(MakeShape(2, 17, 18, 17, 1), 3), 3 * 2 * 2 * 4);
}

}  // namespace
}  // namespace tern
