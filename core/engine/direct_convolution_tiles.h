// What the kernels of direct convolutions share with their caller, whatever the target.
#ifndef TERN_CORE_ENGINE_DIRECT_CONVOLUTION_TILES_H_
#define TERN_CORE_ENGINE_DIRECT_CONVOLUTION_TILES_H_

#include <algorithm>
#include <cstdint>

#include "core/engine/activation.h"
#include "core/engine/gemm_blocking.h"
#include "core/engine/layer_kernel.h"

namespace tern {

// Output channels of one forward tile; all targets read kernels packed for the same blocks.
inline constexpr int kMaxTileChannels = 6;
inline constexpr int kMaxStripRows = 4;
inline constexpr int64_t kMaxTaps = 7 * 7;

// out[o][y][x] = bias[o] + the sum over the image's planes c and the taps t of kernels[c][t][o]
// times image[c * in_plane + y * in_row + x + offsets[t]].
struct TapConvolution {
  int64_t in_channels = 0;
  int64_t in_plane = 0;
  int64_t in_row = 0;  // between what the outputs of two neighbouring rows meet
  int64_t out_channels = 0;
  int64_t out_height = 0;
  int64_t out_width = 0;
  int64_t out_plane = 0;
  int64_t out_row = 0;
  int64_t taps = 0;
  int64_t offsets[kMaxTaps];
  int64_t elements[kMaxTaps];  // of the layer's kernels: which the taps are
  // If the taps are the elements of a square of this side, whose rows are in_row apart; else 0.
  int64_t kernel = 0;
  // Then the other rows of a plane are padding.
  int64_t first_row = 0;
  int64_t end_row = 0;
};

// Of images that belong to groups in turn.
struct TapConvolutionCall {
  int64_t images = 1;
  const float* image = nullptr;
  int64_t image_stride = 0;
  int64_t groups = 1;
  int64_t group = 0;  // of the first image
  // Of each group, kernel_stride apart, and of each block of at most kMaxTileChannels output
  // channels: [in_channels, taps, channels of the block].
  const float* kernels = nullptr;
  int64_t kernel_stride = 0;
  const float* bias = nullptr;  // [groups, out_channels]; null: zeros
  float bias_factor = 1.0f;
  Activation activation = Activation::kNone;
  float* output = nullptr;
  int64_t output_stride = 0;
};

// The gradient of kernels [channels, in_channels, kernel, kernel], summed over examples.
struct KernelGradient {
  int64_t in_channels = 0;
  int64_t in_plane = 0;
  int64_t in_row = 0;      // between what the outputs of two neighbouring rows meet
  int64_t kernel_row = 0;  // between what the elements of two neighbouring rows of a kernel meet
  int64_t columns[7];      // what those of one row meet, relative to the first
  int64_t kernel = 0;
  int64_t out_height = 0;
  int64_t out_width = 0;
};

struct KernelGradientCall {
  int64_t examples = 0;
  int64_t image_stride = 0;     // between the images of two examples
  int64_t gradient_stride = 0;  // between their output gradients
  const float* image = nullptr;
  const float* gradient = nullptr;
  int64_t channels = 0;  // output channels that have a gradient: the first so many
  float scale = 1.0f;
  bool accumulate = false;
  float* sink = nullptr;
};

void ConvolveTaps(const TapConvolution& convolution, const TapConvolutionCall& call);
void AddKernelGradient(const KernelGradient& gradient, const KernelGradientCall& call);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_DIRECT_CONVOLUTION_TILES_H_
