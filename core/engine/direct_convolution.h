// Convolutions with few channels, computed from the image where it lies: no columns (im2col) are
// written, which for few output channels cost more than the products they are for.
//
// All functions take an image in its padding as PadImage writes it, with
// DirectSlackFloats finite floats after its end. Order of sums: fixed by shape and kernel target.
#ifndef TERN_CORE_ENGINE_DIRECT_CONVOLUTION_H_
#define TERN_CORE_ENGINE_DIRECT_CONVOLUTION_H_

#include <cstdint>

#include "core/engine/layer_kernel.h"

namespace tern {

// Whether this is the way to compute a layer and the gradient of its weight: stride 1, no groups,
// no dilation, padding below the kernel's size, kernels of 3 or 5, and so few channels that caches
// hold what an output channel reads.
bool IsDirectConvolution(const LayerShape& shape);

// Whether it is the way to compute the gradient of the layer's input as well. That visits every
// element of the input, where columns come from the outputs only: without padding, which makes
// these fewer, columns win from a few output channels on.
bool IsDirectInputGradient(const LayerShape& shape);

// The layer whose forward pass, without bias and with the kernels that PackMirroredKernels writes,
// takes the gradient of `shape`'s output to that of its input.
LayerShape InputGradientShape(const LayerShape& shape);

int64_t DirectSlackFloats(const LayerShape& shape);

int64_t PackedKernelFloats(const LayerShape& shape);

// Orders weight [out, in, kernel, kernel] of `shape` for ConvolveDirectly(shape).
void PackKernels(const LayerShape& shape, const float* weight, float* packed);

// As PackKernels, for ConvolveDirectly(InputGradientShape(shape)).
void PackMirroredKernels(const LayerShape& shape, const float* weight, float* packed);

// output [out, h', w'] = the convolution, plus bias[out] unless that is null.
void ConvolveDirectly(const LayerShape& shape, const float* padded, const float* packed,
                      const float* bias, float* output);

// sink [out, in, kernel, kernel] = scale * the weight's gradient, summed over `examples` whose
// images lie one behind the other, plus sink where `accumulate`.
void DirectWeightGradient(const LayerShape& shape, const float* padded,
                          const float* output_gradient, int64_t examples, float scale,
                          bool accumulate, float* sink);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_DIRECT_CONVOLUTION_H_
