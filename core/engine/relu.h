// ReLU: y = max(x, 0); dx = dy where y > 0, else 0. ReLU6: y = min(max(x, 0), 6); dx = dy where 0 <
// y < 6, else 0.
#ifndef TERN_CORE_ENGINE_RELU_H_
#define TERN_CORE_ENGINE_RELU_H_

#include <cstdint>

#include "core/engine/layer_kernel.h"

namespace tern {

// One bit for each element: whether the gradient passes.
int64_t ReluSavedBytes(const LayerShape& shape, int64_t batch_size);

void ReluForward(const LayerShape& shape, const ForwardCall& call);
void ReluBackward(const LayerShape& shape, const BackwardCall& call);
void Relu6Forward(const LayerShape& shape, const ForwardCall& call);
void Relu6Backward(const LayerShape& shape, const BackwardCall& call);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_RELU_H_
