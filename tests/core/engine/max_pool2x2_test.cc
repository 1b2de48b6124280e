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
void ForEachMaximum(const std::vector<float>& in, int64_t height, int64_t width, const Body& body) {
  size_t window = 0;
  for (int64_t plane = 0; plane < kPlanes; ++plane) {
    for (int64_t y = 0; y + 1 < height; y += 2) {
      for (int64_t x = 0; x + 1 < width; x += 2) {
        const auto corner = static_cast<size_t>((plane * height + y) * width + x);
        const auto below = corner + static_cast<size_t>(width);
        size_t maximum = corner;
        for (const size_t i : {corner + 1, below, below + 1}) {
          if (in[i] > in[maximum]) maximum = i;
        }
        body(window++, maximum);
      }
    }
  }
}

class MaxPool2x2Test : public ::testing::TestWithParam<std::string> {
 protected:
  const testing::ScopedKernelTarget target_{GetParam()};
};

TEST_P(MaxPool2x2Test, Forward_TakesTheMaximumOfEachWindow) {
  for (const int64_t height : {2, 5}) {
    for (int64_t width = 2; width <= kWidest; ++width) {
      const std::vector<float> in = SmallWholeNumbers(kPlanes * height * width, 1);
      std::vector<float> expected(static_cast<size_t>(kPlanes * (height / 2) * (width / 2)));
      ForEachMaximum(in, height, width,
                     [&](size_t window, size_t maximum) { expected[window] = in[maximum]; });
      // One float more: it must stay as it is.
      expected.push_back(7.0f);
      std::vector<float> out(expected.size(), 7.0f);
      MaxPool2x2(in.data(), kPlanes, height, width, out.data());
      ASSERT_EQ(out, expected) << height << " x " << width;
    }
  }
}

TEST_P(MaxPool2x2Test, Gradient_GoesToTheFirstOfEqualElementsAlone) {
  for (const int64_t height : {2, 5}) {
    for (int64_t width = 2; width <= kWidest; ++width) {
      const std::vector<float> in = SmallWholeNumbers(kPlanes * height * width, 2);
      std::vector<float> out_gradient(static_cast<size_t>(kPlanes * (height / 2) * (width / 2)));
      for (size_t i = 0; i < out_gradient.size(); ++i) out_gradient[i] = static_cast<float>(i + 1);
      std::vector<float> expected(in.size());
      ForEachMaximum(in, height, width, [&](size_t window, size_t maximum) {
        expected[maximum] = out_gradient[window];
      });
      expected.push_back(7.0f);
      std::vector<float> in_gradient(expected.size(), 7.0f);
      MaxPool2x2Gradient(in.data(), kPlanes, height, width, out_gradient.data(),
                         in_gradient.data());
      ASSERT_EQ(in_gradient, expected) << height << " x " << width;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, MaxPool2x2Test, ::testing::ValuesIn(testing::KernelTargets()),
                         [](const auto& param) { return param.param; });

}  // namespace
}  // namespace tern
