#include "core/engine/direct_convolution.h"

#include <algorithm>
#include <utility>

#include "core/engine/direct_convolution_tiles.h"
#include "core/engine/image_columns.h"
#include "core/engine/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/engine/direct_convolution.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes first.
#include "core/engine/direct_convolution-inl.h"
#include "core/engine/direct_convolution_gradient-inl.h"
#include "hwy/highway.h"

#if HWY_ONCE
namespace tern {

HWY_EXPORT(ConvolveDirectlyOnTarget);
HWY_EXPORT(DirectWeightGradientOnTarget);

namespace {

// Calls body(output channel, input channel, offset in the kernel, place in `packed`) for every
// element of the kernels, in the order in which forward tiles read them.
template <class Body>
void ForEachPacked(const LayerShape& shape, const Body& body) {
  const ChannelBlocks blocks(shape.out_channels, kMaxTileChannels);
  int64_t place = 0;
  for (int64_t block = 0; block < blocks.count; ++block) {
    for (int64_t in = 0; in < shape.in_channels; ++in) {
      for (int64_t offset = 0; offset < shape.kernel * shape.kernel; ++offset) {
        for (int64_t out = blocks.Start(block); out < blocks.Start(block + 1); ++out) {
          body(out, in, offset, place++);
        }
      }
    }
  }
}

}  // namespace

bool IsDirectConvolution(const LayerShape& shape) {
  constexpr int64_t kMaxChannels = 32;
  return shape.stride == 1 && shape.groups == 1 && shape.dilation == 1 &&
         shape.padding < shape.kernel && (shape.kernel == 3 || shape.kernel == 5) &&
         std::max(shape.in_channels, shape.out_channels) <= kMaxChannels;
}

bool IsDirectInputGradient(const LayerShape& shape) {
  // Writing and adding a column costs about as much as its product with so many channels.
  constexpr int64_t kColumnChannels = 8;
  return IsDirectConvolution(shape) &&
         (shape.in_plane() - shape.out_plane()) * shape.out_channels <=
             kColumnChannels * shape.out_plane();
}

LayerShape InputGradientShape(const LayerShape& shape) {
  LayerShape gradient = shape;
  std::swap(gradient.in_channels, gradient.out_channels);
  std::swap(gradient.in_height, gradient.out_height);
  std::swap(gradient.in_width, gradient.out_width);
  gradient.padding = shape.kernel - 1 - shape.padding;
  return gradient;
}

// Vectors read beyond the last row, strips beyond the last but one.
int64_t DirectSlackFloats(const LayerShape& shape) {
  return kRowSlackFloats + (kMaxStripRows - 1) * (shape.in_width + 2 * shape.padding);
}

int64_t PackedKernelFloats(const LayerShape& shape) {
  return shape.in_channels * shape.out_channels * shape.kernel * shape.kernel;
}

void PackKernels(const LayerShape& shape, const float* weight, float* packed) {
  const int64_t size = shape.kernel * shape.kernel;
  ForEachPacked(shape, [&](int64_t out, int64_t in, int64_t offset, int64_t place) {
    packed[place] = shape.factor * weight[(out * shape.in_channels + in) * size + offset];
  });
}

void PackMirroredKernels(const LayerShape& shape, const float* weight, float* packed) {
  const int64_t size = shape.kernel * shape.kernel;
  ForEachPacked(
      InputGradientShape(shape), [&](int64_t in, int64_t out, int64_t offset, int64_t place) {
        packed[place] =
            shape.factor * weight[(out * shape.in_channels + in) * size + (size - 1 - offset)];
      });
}

void ConvolveDirectly(const LayerShape& shape, const float* padded, const float* packed,
                      const float* bias, float* output) {
  HWY_DYNAMIC_DISPATCH(ConvolveDirectlyOnTarget)(shape, padded, packed, bias, output);
}

void DirectWeightGradient(const LayerShape& shape, const float* padded,
                          const float* output_gradient, int64_t examples, float scale,
                          bool accumulate, float* sink) {
  HWY_DYNAMIC_DISPATCH(DirectWeightGradientOnTarget)
  (shape, {.examples = examples,
           .image_stride = PaddedImage(shape).Floats(),
           .padded = padded,
           .gradient = output_gradient,
           .scale = shape.factor * scale,
           .accumulate = accumulate,
           .sink = sink,
           .sink_stride = shape.in_channels * shape.kernel * shape.kernel});
}

}  // namespace tern
#endif  // HWY_ONCE
