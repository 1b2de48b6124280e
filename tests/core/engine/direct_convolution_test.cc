// Which layers are computed directly; conv2d_test.cc tests what is computed.
#include "core/engine/direct_convolution.h"

#include <gtest/gtest.h>

namespace tern {
namespace {

LayerShape MakeShape(int64_t in, int64_t out, int64_t size, int64_t kernel, int64_t stride,
                     int64_t padding, int64_t groups = 1) {
  const int64_t out_size = (size + 2 * padding - kernel) / stride + 1;
  return {.in_channels = in,
          .in_height = size,
          .in_width = size,
          .out_channels = out,
          .out_height = out_size,
          .out_width = out_size,
          .kernel = kernel,
          .stride = stride,
          .padding = padding,
          .groups = groups};
}

TEST(IsDirectConvolution, FewChannelsAGroup_Are) {
  EXPECT_TRUE(IsDirectConvolution(MakeShape(1, 8, 28, 3, 2, 1)));
  EXPECT_TRUE(IsDirectConvolution(MakeShape(32, 32, 14, 5, 1, 2)));
  EXPECT_TRUE(IsDirectConvolution(MakeShape(64, 64, 14, 3, 1, 1, 2)));
}

TEST(IsDirectConvolution, OtherStridesOtherKernelsOrManyChannels_AreNot) {
  EXPECT_FALSE(IsDirectConvolution(MakeShape(1, 1, 9, 3, 3, 1)));
  EXPECT_FALSE(IsDirectConvolution(MakeShape(1, 1, 9, 1, 1, 0)));
  EXPECT_FALSE(IsDirectConvolution(MakeShape(1, 1, 9, 7, 1, 3)));
  EXPECT_FALSE(IsDirectConvolution(MakeShape(33, 1, 9, 3, 1, 1)));
  EXPECT_FALSE(IsDirectConvolution(MakeShape(1, 33, 9, 3, 1, 1)));
}

TEST(IsDirectConvolution, DepthwiseOfSeven_Is) {
  EXPECT_TRUE(IsDirectConvolution(MakeShape(4, 8, 9, 7, 2, 3, 4)));
  EXPECT_FALSE(IsDirectConvolution(MakeShape(8, 8, 9, 7, 2, 3, 4)));
}

TEST(IsDirectInputGradient, WithoutPadding_OnlyForFewOutputChannels) {
  EXPECT_TRUE(IsDirectInputGradient(MakeShape(2, 4, 12, 5, 1, 0)));
  EXPECT_FALSE(IsDirectInputGradient(MakeShape(6, 16, 12, 5, 1, 0)));
  EXPECT_TRUE(IsDirectInputGradient(MakeShape(16, 32, 14, 5, 1, 2)));
  EXPECT_TRUE(IsDirectInputGradient(MakeShape(8, 16, 14, 3, 2, 1)));
}

TEST(IsDirectWeightGradient, StrideTwo_OnlyForFewInputChannels) {
  EXPECT_TRUE(IsDirectWeightGradient(MakeShape(1, 8, 28, 3, 2, 1)));
  EXPECT_FALSE(IsDirectWeightGradient(MakeShape(8, 16, 14, 3, 2, 1)));
  EXPECT_TRUE(IsDirectWeightGradient(MakeShape(8, 16, 14, 3, 1, 1)));
}

}  // namespace
}  // namespace tern
