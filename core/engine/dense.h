// Dense layer: Y [N, out] = X [N, in] W^T + b, W [out, in].
#ifndef TERN_CORE_ENGINE_DENSE_H_
#define TERN_CORE_ENGINE_DENSE_H_

#include "core/engine/layer_kernel.h"

namespace tern {

int64_t DenseForwardWorkspaceFloats(const LayerShape& shape, int64_t batch_size);
int64_t DenseBackwardWorkspaceFloats(const LayerShape& shape, int64_t batch_size,
                                     const BackwardWork& work);
void DenseForward(const LayerShape& shape, const ForwardCall& call);
// dX = dY W; dW = dY^T X; db = the column sums of dY.
void DenseBackward(const LayerShape& shape, const BackwardCall& call);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_DENSE_H_
