// Scale: y = factor * x; dx = factor * dy.
#ifndef TERN_CORE_ENGINE_SCALE_H_
#define TERN_CORE_ENGINE_SCALE_H_

#include "core/engine/layer_kernel.h"

namespace tern {

void ScaleForward(const LayerShape& shape, const ForwardCall& call);
void ScaleBackward(const LayerShape& shape, const BackwardCall& call);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_SCALE_H_
