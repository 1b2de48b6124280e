// im2col and its adjoint, by way of a padded image in which what a convolution reads is contiguous.
//
// The padded image of an input [in_channels, h, w] is [in_channels, h + 2 padding, stride, g]:
// zeros around the image, and each row split into `stride` groups of g = ceil((w + 2 padding) /
// stride), the columns x with x mod stride = 0 first. Then one element of the window meets
// consecutive floats along a row of outputs, whatever the stride.
//
// The columns of output rows [first_row, first_row + rows) are a matrix [in_channels * kernel *
// kernel, rows * out_width]: row (c, ky, kx), column (y, x) is element (c, y * stride + ky *
// dilation, x * stride + kx * dilation) of the image with its padding.
#ifndef TERN_CORE_ENGINE_IMAGE_COLUMNS_H_
#define TERN_CORE_ENGINE_IMAGE_COLUMNS_H_

#include <cstdint>

#include "core/engine/layer_kernel.h"

namespace tern {

// One group of a layer. Channels of an example lie group by group: a layer with groups is one
// without that has as many times the examples. Those of one group have every groups-th of them.
LayerShape GroupShape(const LayerShape& layer);

// Rows are copied by whole vectors: both kinds of buffer need this many floats after their end.
inline constexpr int64_t kRowSlackFloats = 16;

struct PaddedImage {
  explicit PaddedImage(const LayerShape& layer);

  int64_t Floats() const { return Offset(channels, 0, 0); }
  // Of element (channel, y, x), where y and x count the padding.
  int64_t Offset(int64_t channel, int64_t y, int64_t x) const {
    if (stride == 1) return (channel * height + y) * group + x;
    return ((channel * height + y) * stride + x % stride) * group + x / stride;
  }

  int64_t channels;
  int64_t height;
  int64_t stride;
  int64_t group;
};

void PadImage(const LayerShape& shape, const float* image, float* padded);

// Puts another image into a padding that PadImage has written.
void ReplacePaddedImage(const LayerShape& shape, const float* image, float* padded);

// The adjoint of PadImage: picks the image out of its padding.
void UnpadImage(const LayerShape& shape, const float* padded, float* image);

void PaddedImageToColumns(const LayerShape& shape, const float* padded, int64_t first_row,
                          int64_t rows, float* columns);

// The adjoint: adds each element of `columns` to the one of `padded` that it would be copied from.
void AddColumnsToPaddedImage(const LayerShape& shape, const float* columns, int64_t first_row,
                             int64_t rows, float* padded);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_IMAGE_COLUMNS_H_
