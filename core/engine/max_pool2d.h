// Max pooling over square windows that lie wholly inside the image. Of equal elements the first in
// row order is the maximum, as in PyTorch: it alone gets the gradient.
#ifndef TERN_CORE_ENGINE_MAX_POOL2D_H_
#define TERN_CORE_ENGINE_MAX_POOL2D_H_

#include "core/engine/layer_kernel.h"

namespace tern {

void MaxPool2dForward(const LayerShape& shape, const ForwardCall& call);
// Finds each window's maximum again: that costs no memory, where indices would be kept for as long
// as the input is.
void MaxPool2dBackward(const LayerShape& shape, const BackwardCall& call);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_MAX_POOL2D_H_
