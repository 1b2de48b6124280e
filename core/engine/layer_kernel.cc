#include "core/engine/layer_kernel.h"

#include "core/engine/avg_pool2d.h"
#include "core/engine/conv2d.h"
#include "core/engine/dense.h"
#include "core/engine/max_pool2d.h"
#include "core/engine/relu.h"
#include "core/engine/scale.h"

namespace tern {
namespace {

constexpr LayerKernel kLayerKernels[] = {
    {.kind = LayerKind::kDense,
     .backward_reads_input = true,
     .workspace_floats = DenseWorkspaceFloats,
     .forward = DenseForward,
     .backward = DenseBackward},
    {.kind = LayerKind::kConv2d,
     .backward_reads_input = true,
     .workspace_floats = Conv2dWorkspaceFloats,
     .forward = Conv2dForward,
     .backward = Conv2dBackward},
    {.kind = LayerKind::kMaxPool2d,
     .backward_reads_input = true,
     .forward = MaxPool2dForward,
     .backward = MaxPool2dBackward},
    {.kind = LayerKind::kRelu,
     .output_buffer = OutputBuffer::kInPlace,
     .backward_reads_output = true,
     .forward = ReluForward,
     .backward = ReluBackward},
    {.kind = LayerKind::kScale,
     .output_buffer = OutputBuffer::kInPlace,
     .forward = ScaleForward,
     .backward = ScaleBackward},
    {.kind = LayerKind::kAvgPool2d,
     .workspace_floats = AvgPool2dWorkspaceFloats,
     .forward = AvgPool2dForward,
     .backward = AvgPool2dBackward},
    {.kind = LayerKind::kGlobalAvgPool2d,
     .forward = GlobalAvgPool2dForward,
     .backward = GlobalAvgPool2dBackward},
    {.kind = LayerKind::kRelu6,
     .output_buffer = OutputBuffer::kInPlace,
     .backward_reads_output = true,
     .forward = Relu6Forward,
     .backward = Relu6Backward},
    {.kind = LayerKind::kFlatten, .output_buffer = OutputBuffer::kView},
};

}  // namespace

const LayerKernel* FindLayerKernel(LayerKind kind) {
  for (const LayerKernel& kernel : kLayerKernels) {
    if (kernel.kind == kind) return &kernel;
  }
  return nullptr;
}

}  // namespace tern
