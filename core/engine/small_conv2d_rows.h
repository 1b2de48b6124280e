// The inner loops of small_conv2d, on the kernel target.
#ifndef TERN_CORE_ENGINE_SMALL_CONV2D_ROWS_H_
#define TERN_CORE_ENGINE_SMALL_CONV2D_ROWS_H_

#include <cstdint>

#include "core/engine/layer_kernel.h"

namespace tern {

// As many output channels at a time share what they read of the image; else one.
inline constexpr int kChannelTile = 4;

// One row of the convolution's output, of one output channel or of kChannelTile successive ones.
struct OutputRow {
  const float* image = nullptr;   // of the group
  const float* weight = nullptr;  // of the first channel
  const float* bias = nullptr;
  int64_t y = 0;
  int64_t columns = 0;
  float* out = nullptr;
  int64_t out_stride = 0;  // from one channel's row to the next's
};

// What the gradient of one output channel of one example is multiplied by and added to. One of the
// two gradients is wanted at least.
struct GradientProducts {
  const float* weight = nullptr;     // of the channel
  const float* image = nullptr;      // of the group
  float* image_gradient = nullptr;   // null: not wanted
  float* weight_gradient = nullptr;  // of the channel, without the layer's factor; null: not wanted
};

// Some rows of the gradient of a channel of stride 1 without a pool, dilation * (kernel - 1) -
// padding zeros before the first and behind each.
struct GradientStrip {
  const float* row = nullptr;  // the first, behind its margin
  int64_t row_stride = 0;
  int64_t rows = 0;
  int64_t first_y = 0;
};

// `channels`: 1 or kChannelTile.
void ConvolveRow(const LayerShape& shape, int64_t channels, const OutputRow& row);

// Along rows of the image.
void AddProductsOfStrip(const LayerShape& shape, const GradientStrip& strip,
                        const GradientProducts& products);

// Along rows of the kernel, for each element of the gradient [out_height / pool, out_width / pool].
// `pool` is the max_pool2d, of windows of 1 x 1 if there is none; `saved` is what it saved of the
// channel, read if there is one.
void AddProductsOfElements(const LayerShape& shape, const LayerShape& pool, const float* gradient,
                           const uint8_t* saved, const GradientProducts& products);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_SMALL_CONV2D_ROWS_H_
