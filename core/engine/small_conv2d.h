// conv2d (conv2d.h) for devices where memory is what counts: the tensors are read where they lie,
// without columns, padded images, packed kernels or a buffer for the weight's gradient.
//
// It also does the work of a max_pool2d behind it (LayerShape::pool): a strip of the convolution's
// rows is pooled as soon as it is computed, so that the convolution's own output never exists.
// `output` and `output_gradient` are then [count, out_channels, out_height / pool, out_width /
// pool], and what is saved is what MaxPool2dForward saves. The factor applies before the maximum is
// taken, the activation behind it. Rows and columns that no window covers are not computed.
#ifndef TERN_CORE_ENGINE_SMALL_CONV2D_H_
#define TERN_CORE_ENGINE_SMALL_CONV2D_H_

#include <cstdint>

#include "core/engine/layer_kernel.h"

namespace tern {

int64_t SmallConv2dSavedBytes(const LayerShape& shape, int64_t batch_size);

// A few rows of at most four channels of the convolution's output if they are to be pooled, else
// nothing.
int64_t SmallConv2dForwardWorkspaceFloats(const LayerShape& shape, int64_t batch_size);

// The weight gradient of one channel and, without a pool and of stride 1, a few rows of one
// channel's output gradient with margins.
int64_t SmallConv2dBackwardWorkspaceFloats(const LayerShape& shape, int64_t batch_size,
                                           const BackwardWork& work);

void SmallConv2dForward(const LayerShape& shape, const ForwardCall& call);

// Takes `output_gradient` as it is behind the activation's own backward pass.
void SmallConv2dBackward(const LayerShape& shape, const BackwardCall& call);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_SMALL_CONV2D_H_
