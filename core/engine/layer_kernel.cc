#include "core/engine/layer_kernel.h"

#include "core/engine/avg_pool2d.h"
#include "core/engine/conv2d.h"
#include "core/engine/dense.h"
#include "core/engine/max_pool2d.h"
#include "core/engine/relu.h"
#include "core/engine/scale.h"
#include "core/engine/small_conv2d.h"

namespace tern {
namespace {

constexpr LayerKernel kLayerKernels[] = {
    {.kind = LayerKind::kDense,
     .weight_gradient_reads_input = true,
     .fuses_activation = true,
     .forward_workspace_floats = DenseForwardWorkspaceFloats,
     .backward_workspace_floats = DenseBackwardWorkspaceFloats,
     .forward = DenseForward,
     .backward = DenseBackward},
    {.kind = LayerKind::kConv2d,
     .weight_gradient_reads_input = true,
     .fuses_activation = true,
     .forward_workspace_floats = Conv2dForwardWorkspaceFloats,
     .backward_workspace_floats = Conv2dBackwardWorkspaceFloats,
     .forward = Conv2dForward,
     .backward = Conv2dBackward},
    {.kind = LayerKind::kMaxPool2d,
     .saved_bytes = MaxPool2dSavedBytes,
     .forward = MaxPool2dForward,
     .backward = MaxPool2dBackward},
    {.kind = LayerKind::kRelu,
     .output_buffer = OutputBuffer::kInPlace,
     .backward_reads_output = true,
     .saved_bytes = ReluSavedBytes,
     .forward = ReluForward,
     .backward = ReluBackward},
    {.kind = LayerKind::kScale,
     .output_buffer = OutputBuffer::kInPlace,
     .forward = ScaleForward,
     .backward = ScaleBackward},
    {.kind = LayerKind::kAvgPool2d,
     .forward_workspace_floats = AvgPool2dForwardWorkspaceFloats,
     .backward_workspace_floats = AvgPool2dBackwardWorkspaceFloats,
     .forward = AvgPool2dForward,
     .backward = AvgPool2dBackward},
    {.kind = LayerKind::kGlobalAvgPool2d,
     .forward = GlobalAvgPool2dForward,
     .backward = GlobalAvgPool2dBackward},
    {.kind = LayerKind::kRelu6,
     .output_buffer = OutputBuffer::kInPlace,
     .backward_reads_output = true,
     .saved_bytes = ReluSavedBytes,
     .forward = Relu6Forward,
     .backward = Relu6Backward},
    {.kind = LayerKind::kFlatten, .output_buffer = OutputBuffer::kView},
};

constexpr LayerKernel kSmallConv2d = {
    .kind = LayerKind::kConv2d,
    .weight_gradient_reads_input = true,
    .fuses_activation = true,
    .saved_bytes = SmallConv2dSavedBytes,
    .forward_workspace_floats = SmallConv2dForwardWorkspaceFloats,
    .backward_workspace_floats = SmallConv2dBackwardWorkspaceFloats,
    .forward = SmallConv2dForward,
    .backward = SmallConv2dBackward};

}  // namespace

const LayerKernel* FindLayerKernel(LayerKind kind, MemoryMode memory) {
  if (memory == MemoryMode::kSmall && kind == LayerKind::kConv2d) return &kSmallConv2d;
  for (const LayerKernel& kernel : kLayerKernels) {
    if (kernel.kind == kind) return &kernel;
  }
  return nullptr;
}

}  // namespace tern
