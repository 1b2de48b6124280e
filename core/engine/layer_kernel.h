// What the engine knows about a kind of layer: how it runs and what it needs. One LayerKernel each,
// found in the table of layer_kernel.cc.
#ifndef TERN_CORE_ENGINE_LAYER_KERNEL_H_
#define TERN_CORE_ENGINE_LAYER_KERNEL_H_

#include <cstdint>

#include "absl/types/span.h"
#include "core/model/model_spec.h"

namespace tern {

// Sizes of one layer for one example, and its other settings. A flat tensor {features} has features
// channels of 1 x 1.
struct LayerShape {
  int64_t in_channels = 0;
  int64_t in_height = 1;
  int64_t in_width = 1;
  int64_t out_channels = 0;
  int64_t out_height = 1;
  int64_t out_width = 1;
  int64_t kernel = 0;
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t groups = 1;
  int64_t dilation = 1;
  // Of a scale layer; and of a dense or conv2d layer that does the work of the scale layer behind
  // it: the output is multiplied by this.
  float factor = 1.0f;

  int64_t in_plane() const { return in_height * in_width; }
  int64_t out_plane() const { return out_height * out_width; }
  int64_t in_elements() const { return in_channels * in_plane(); }
  int64_t out_elements() const { return out_channels * out_plane(); }
};

// Tensors are [count, channels, height, width], row-major. No two overlap unless a member says so.
struct ForwardCall {
  int64_t count = 0;  // examples
  const float* input = nullptr;
  const float* weight = nullptr;  // shapes as in ParameterLayout; null without parameters
  const float* bias = nullptr;
  float* output = nullptr;  // is `input` when the layer runs in place
  absl::Span<float> workspace;
};

// What becomes of a parameter's gradient g: values = scale * g, plus values where `accumulate`. A
// step of SGD is {parameters, -learning_rate, true}.
struct GradientSink {
  float* weight = nullptr;
  float* bias = nullptr;
  float scale = 1.0f;
  bool accumulate = false;
};

struct BackwardCall {
  int64_t count = 0;
  const float* input = nullptr;   // set if backward_reads_input
  const float* output = nullptr;  // set if backward_reads_output
  const float* weight = nullptr;  // may be sink.weight: read before that is written
  float* output_gradient = nullptr;
  float* input_gradient =
      nullptr;  // null: not wanted; is `output_gradient` unless the kind is kOwn
  GradientSink sink;
  absl::Span<float> workspace;
};

enum class OutputBuffer {
  kOwn,      // output and input gradient are buffers of their own
  kInPlace,  // the output may take the input's place, the input gradient takes the output
             // gradient's
  kView,     // the output is the input under another shape: nothing runs
};

struct LayerKernel {
  LayerKind kind = LayerKind::kDense;
  OutputBuffer output_buffer = OutputBuffer::kOwn;
  bool backward_reads_input = false;
  bool backward_reads_output = false;
  // Workspace of either direction, in floats; null: none.
  int64_t (*workspace_floats)(const LayerShape& shape, int64_t batch_size) = nullptr;
  void (*forward)(const LayerShape& shape, const ForwardCall& call) = nullptr;
  void (*backward)(const LayerShape& shape, const BackwardCall& call) = nullptr;
};

// Null: the engine has no such layer.
const LayerKernel* FindLayerKernel(LayerKind kind);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_LAYER_KERNEL_H_
