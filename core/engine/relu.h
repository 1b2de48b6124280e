// ReLU: y = max(x, 0); dx = dy where y > 0, else 0.
#ifndef TERN_CORE_ENGINE_RELU_H_
#define TERN_CORE_ENGINE_RELU_H_

#include "core/engine/layer_kernel.h"

namespace tern {

void ReluForward(const LayerShape& shape, const ForwardCall& call);
void ReluBackward(const LayerShape& shape, const BackwardCall& call);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_RELU_H_
