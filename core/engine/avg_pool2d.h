// Average pooling: over square windows that lie wholly inside the image, and over whole planes.
#ifndef TERN_CORE_ENGINE_AVG_POOL2D_H_
#define TERN_CORE_ENGINE_AVG_POOL2D_H_

#include <cstdint>

#include "core/engine/layer_kernel.h"

namespace tern {

int64_t AvgPool2dForwardWorkspaceFloats(const LayerShape& shape, int64_t batch_size);
int64_t AvgPool2dBackwardWorkspaceFloats(const LayerShape& shape, int64_t batch_size,
                                         const BackwardWork& work);
void AvgPool2dForward(const LayerShape& shape, const ForwardCall& call);
void AvgPool2dBackward(const LayerShape& shape, const BackwardCall& call);

void GlobalAvgPool2dForward(const LayerShape& shape, const ForwardCall& call);
void GlobalAvgPool2dBackward(const LayerShape& shape, const BackwardCall& call);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_AVG_POOL2D_H_
