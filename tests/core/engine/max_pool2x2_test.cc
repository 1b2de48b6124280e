#include "core/engine/max_pool2x2.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/base/random.h"
#include "tests/core/engine/kernel_targets.h"

namespace tern {
namespace {

constexpr int64_t kPlanes = 3;
// Whole and partial vectors of every length, an odd column that no window covers.
constexpr int64_t kWidest = 71;

// Few different values, so that windows have equal elements in every place.
std::vector<float> SmallWholeNumbers(int64_t count, uint64_t seed) {
  RandomStream random({.seed = seed});
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = static_cast<float>(random.Below(3));
  return values;
}

// The definition, a window at a time: index of the first largest element in row order.
template <class Body>
void ForEachMaximum(const std::vector<float>& in, const LayerShape& shape, const Body& body) {
  size_t window = 0;
  for (int64_t plane = 0; plane < kPlanes; ++plane) {
    for (int64_t y = 0; y < shape.out_height; ++y) {
      for (int64_t x = 0; x < shape.out_width; ++x) {
        const int64_t row = plane * shape.in_height + 2 * y;
        const auto corner = static_cast<size_t>(row * shape.in_width + 2 * x);
        const auto below = corner + static_cast<size_t>(shape.in_width);
        size_t maximum = corner;
        for (const size_t i : {corner + 1, below, below + 1}) {
          if (in[i] > in[maximum]) maximum = i;
        }
        body(window++, maximum);
      }
    }
  }
}

size_t PlaceBytes(const LayerShape& shape) {
  return static_cast<size_t>(kPlanes * shape.out_height * MaxPool2x2PlaceBytes(shape.out_width));
}

class MaxPool2x2Test : public ::testing::TestWithParam<std::string> {
 protected:
  const testing::ScopedKernelTarget target_{GetParam()};
};

// Its windows cover as much as they can, or leave the last of them out.
std::vector<LayerShape> Shapes() {
  std::vector<LayerShape> shapes;
  for (const int64_t height : {2, 5}) {
    for (int64_t width = 2; width <= kWidest; ++width) {
      for (const int64_t windows : {width / 2, (width + 3) / 4}) {
        shapes.push_back({.in_height = height,
                          .in_width = width,
                          .out_height = height / 2,
                          .out_width = windows,
                          .kernel = 2,
                          .stride = 2});
      }
    }
  }
  return shapes;
}

std::string Name(const LayerShape& shape) {
  return std::to_string(shape.in_height) + " x " + std::to_string(shape.in_width) + ", " +
         std::to_string(shape.out_width) + " windows a row";
}

TEST_P(MaxPool2x2Test, Forward_TakesTheMaximumOfEachWindow_WhetherItSavesPlacesOrNot) {
  for (const LayerShape& shape : Shapes()) {
    const std::vector<float> in = SmallWholeNumbers(kPlanes * shape.in_plane(), 1);
    std::vector<float> expected(static_cast<size_t>(kPlanes * shape.out_plane()));
    ForEachMaximum(in, shape,
                   [&](size_t window, size_t maximum) { expected[window] = in[maximum]; });
    // One float more: it must stay as it is.
    expected.push_back(7.0f);
    std::vector<float> out(expected.size(), 7.0f);
    MaxPool2x2(shape, kPlanes, in.data(), out.data(), nullptr);
    ASSERT_EQ(out, expected) << Name(shape);
    std::vector<uint8_t> places(PlaceBytes(shape));
    out.assign(expected.size(), 7.0f);
    MaxPool2x2(shape, kPlanes, in.data(), out.data(), places.data());
    ASSERT_EQ(out, expected) << Name(shape);
  }
}

TEST_P(MaxPool2x2Test, Places_AreTwoBitsAWindow_ARowInWholeBytes) {
  for (const LayerShape& shape : Shapes()) {
    const std::vector<float> in = SmallWholeNumbers(kPlanes * shape.in_plane(), 3);
    std::vector<uint8_t> expected(PlaceBytes(shape));
    ForEachMaximum(in, shape, [&](size_t window, size_t maximum) {
      const auto width = static_cast<size_t>(shape.in_width);
      const auto windows = static_cast<size_t>(shape.out_width);
      const size_t plane_row = maximum / width % static_cast<size_t>(shape.in_height);
      const size_t place = plane_row % 2 * 2 + maximum % width % 2;
      expected[window / windows * ((windows + 3) / 4) + window % windows / 4] |=
          static_cast<uint8_t>(place << (window % windows % 4 * 2));
    });
    expected.push_back(0xA5);
    std::vector<uint8_t> places(expected.size(), 0xA5);
    std::vector<float> out(static_cast<size_t>(kPlanes * shape.out_plane()));
    MaxPool2x2(shape, kPlanes, in.data(), out.data(), places.data());
    ASSERT_EQ(places, expected) << Name(shape);
  }
}

TEST_P(MaxPool2x2Test, Gradient_GoesToTheFirstOfEqualElementsAlone) {
  for (const LayerShape& shape : Shapes()) {
    const std::vector<float> in = SmallWholeNumbers(kPlanes * shape.in_plane(), 2);
    std::vector<float> out(static_cast<size_t>(kPlanes * shape.out_plane()));
    std::vector<uint8_t> places(PlaceBytes(shape));
    MaxPool2x2(shape, kPlanes, in.data(), out.data(), places.data());
    std::vector<float> out_gradient(out.size());
    for (size_t i = 0; i < out_gradient.size(); ++i) out_gradient[i] = static_cast<float>(i + 1);
    std::vector<float> expected(in.size());
    ForEachMaximum(in, shape, [&](size_t window, size_t maximum) {
      expected[maximum] = out_gradient[window];
    });
    expected.push_back(7.0f);
    std::vector<float> in_gradient(expected.size(), 7.0f);
    MaxPool2x2Gradient(shape, kPlanes, places.data(), out_gradient.data(), in_gradient.data());
    ASSERT_EQ(in_gradient, expected) << Name(shape);
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, MaxPool2x2Test, ::testing::ValuesIn(testing::KernelTargets()),
                         [](const auto& param) { return param.param; });

}  // namespace
}  // namespace tern
