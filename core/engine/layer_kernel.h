// What the engine knows about a kind of layer: how it runs and what it needs. One LayerKernel each,
// found in the table of layer_kernel.cc.
#ifndef TERN_CORE_ENGINE_LAYER_KERNEL_H_
#define TERN_CORE_ENGINE_LAYER_KERNEL_H_

#include <cstdint>

#include "absl/types/span.h"
#include "core/engine/activation.h"
#include "core/engine/program_options.h"
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
  // Of a convolution that does the work of the max_pool2d behind it: the side of its windows, which
  // do not overlap. out_height and out_width are those of the convolution.
  int64_t pool = 1;
  // Of a scale layer; and of a dense or conv2d layer that does the work of the scale layer behind
  // it: the output is multiplied by this.
  float factor = 1.0f;

  int64_t in_plane() const { return in_height * in_width; }
  int64_t out_plane() const { return out_height * out_width; }
  int64_t in_elements() const { return in_channels * in_plane(); }
  int64_t out_elements() const { return out_channels * (out_height / pool) * (out_width / pool); }
};

// Tensors are [count, channels, height, width], row-major. No two overlap unless a member says so.
struct ForwardCall {
  int64_t count = 0;  // examples
  const float* input = nullptr;
  const float* weight = nullptr;  // shapes as in ParameterLayout; null without parameters
  const float* bias = nullptr;
  // The layer behind is this, and does nothing of its own. Of kinds that fuse an activation only.
  Activation activation = Activation::kNone;
  float* output = nullptr;  // is `input` when the layer runs in place
  // What the backward pass reads instead of tensors: saved_bytes. Empty: nobody will.
  absl::Span<uint8_t> saved;
  absl::Span<float> workspace;
};

// What becomes of a parameter's gradient g: values = scale * g, plus values where `accumulate`. A
// step of SGD is {parameters, -learning_rate, true}.
struct GradientSink {
  float* weight = nullptr;  // null: its gradient is not wanted
  // Of the weight's output channels only the first so many have a gradient; the others' places are
  // not in `weight`, or not to be written.
  int64_t weight_channels = 0;
  float* bias = nullptr;  // null: not wanted
  float scale = 1.0f;
  bool accumulate = false;
};

struct BackwardCall {
  int64_t count = 0;
  const float* input = nullptr;   // set if the weight's gradient is wanted and reads it
  const float* output = nullptr;  // null: not kept, `saved` has what is needed of it
  absl::Span<const uint8_t> saved;
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

// Which of its gradients a layer's backward pass computes.
struct BackwardWork {
  bool input_gradient = true;
  int64_t weight_channels = 0;  // as in GradientSink; 0: not the weight's
};

struct LayerKernel {
  LayerKind kind = LayerKind::kDense;
  OutputBuffer output_buffer = OutputBuffer::kOwn;
  // The gradient of the weight is computed from the input.
  bool weight_gradient_reads_input = false;
  // The backward pass reads the output, or else what the forward pass saved of it.
  bool backward_reads_output = false;
  // Computes ForwardCall::activation.
  bool fuses_activation = false;
  // Of a batch, in bytes; null: nothing is saved.
  int64_t (*saved_bytes)(const LayerShape& shape, int64_t batch_size) = nullptr;
  // In floats; null: none.
  int64_t (*forward_workspace_floats)(const LayerShape& shape, int64_t batch_size) = nullptr;
  int64_t (*backward_workspace_floats)(const LayerShape& shape, int64_t batch_size,
                                       const BackwardWork& work) = nullptr;
  void (*forward)(const LayerShape& shape, const ForwardCall& call) = nullptr;
  void (*backward)(const LayerShape& shape, const BackwardCall& call) = nullptr;
};

// Null: the engine has no such layer.
const LayerKernel* FindLayerKernel(LayerKind kind, MemoryMode memory = MemoryMode::kFast);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_LAYER_KERNEL_H_
