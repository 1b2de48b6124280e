// 2-D convolution (cross-correlation, as in PyTorch): Y [N, out, h', w'] of X [N, in, h, w],
// W [out, in / groups, kernel, kernel], b [out]; zeros around the image.
//
// Runs directly (direct_convolution.h) where that wins; else example by example and group by group
// as matrix products with the image's columns (im2col; Chellapilla et al. 2006), a few output rows
// at a time so that the columns need little memory. The columns of a pointwise convolution are the
// image itself.
#ifndef TERN_CORE_ENGINE_CONV2D_H_
#define TERN_CORE_ENGINE_CONV2D_H_

#include "core/engine/layer_kernel.h"

namespace tern {

int64_t Conv2dForwardWorkspaceFloats(const LayerShape& shape, int64_t batch_size);
int64_t Conv2dBackwardWorkspaceFloats(const LayerShape& shape, int64_t batch_size,
                                      const BackwardWork& work);
void Conv2dForward(const LayerShape& shape, const ForwardCall& call);
void Conv2dBackward(const LayerShape& shape, const BackwardCall& call);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_CONV2D_H_
