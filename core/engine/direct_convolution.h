// Convolutions with few channels a group, computed from the image where it lies: no columns
// (im2col) are written, which for few channels cost more than the products they are for.
//
// Order of sums: fixed by shape, number of examples and kernel target.
#ifndef TERN_CORE_ENGINE_DIRECT_CONVOLUTION_H_
#define TERN_CORE_ENGINE_DIRECT_CONVOLUTION_H_

#include <cstdint>

#include "core/engine/layer_kernel.h"

namespace tern {

// Whether this is the way to compute a layer: strides 1 and 2, kernels of 3 or 5 (depthwise also
// 7), and so few channels a group that caches hold what an output channel reads.
bool IsDirectConvolution(const LayerShape& layer);

// Whether it is the way to compute the gradient of the layer's input as well. That visits every
// element of the input, where columns come from the outputs only: without padding, which makes
// these fewer, columns win from a few output channels on.
bool IsDirectInputGradient(const LayerShape& layer);

// The same of its weight. Summing the lanes of an element of the gradient costs as much as some ten
// vectors of products: not with stride 2, which leaves few outputs, and many channels.
bool IsDirectWeightGradient(const LayerShape& layer);

// Of the functions below.
int64_t DirectForwardWorkspaceFloats(const LayerShape& layer, int64_t batch_size);
int64_t DirectInputGradientWorkspaceFloats(const LayerShape& layer, int64_t batch_size);
int64_t DirectWeightGradientWorkspaceFloats(const LayerShape& layer, int64_t batch_size);

void DirectForward(const LayerShape& layer, const ForwardCall& call);

// call.input_gradient must not be null.
void DirectInputGradient(const LayerShape& layer, const BackwardCall& call);

// call.sink.weight must not be null. Not the gradient of the bias.
void DirectWeightGradient(const LayerShape& layer, const BackwardCall& call);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_DIRECT_CONVOLUTION_H_
