// Convolutions in which each input channel is a group of its own, computed plane by plane from the
// image where it lies: with so few products a plane, columns and matrix products would cost more
// than the products.
//
// Weight [out, 1, kernel, kernel]; output channels [c * out / in, (c + 1) * out / in) read input
// channel c. Order of sums: fixed by shape and kernel target.
#ifndef TERN_CORE_ENGINE_DEPTHWISE_CONVOLUTION_H_
#define TERN_CORE_ENGINE_DEPTHWISE_CONVOLUTION_H_

#include <cstdint>

#include "core/engine/layer_kernel.h"

namespace tern {

// Whether this is the way to compute a layer: one input channel a group, kernels of 3, 5 or 7, any
// stride and dilation.
bool IsDepthwiseConvolution(const LayerShape& shape);

// Of each of the functions below.
int64_t DepthwiseWorkspaceFloats(const LayerShape& shape);

void DepthwiseForward(const LayerShape& shape, const ForwardCall& call);

// call.input_gradient must not be null.
void DepthwiseInputGradient(const LayerShape& shape, const BackwardCall& call);

// Not that of the bias.
void DepthwiseWeightGradient(const LayerShape& shape, const BackwardCall& call);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_DEPTHWISE_CONVOLUTION_H_
