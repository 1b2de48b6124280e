#include "core/engine/program.h"

#include <algorithm>

#include "core/base/check.h"
#include "core/base/status_macros.h"
#include "core/engine/elementwise.h"
#include "core/engine/gemm.h"
#include "core/engine/softmax_cross_entropy.h"

namespace tern {
namespace {

constexpr uintptr_t kArenaAlignmentBytes = 64;

absl::Span<float> Workspace(const CompiledLayer& layer, float* arena, int64_t offset) {
  if (offset == kNotInArena) return {};
  return {arena + offset, static_cast<size_t>(layer.workspace_floats)};
}

const float* At(const float* values, int64_t offset) {
  return offset < 0 ? nullptr : values + offset;
}

}  // namespace

absl::StatusOr<Program> Program::Compile(const ModelSpec& spec, int64_t batch_size) {
  TERN_ASSIGN_OR_RETURN(Schedule schedule, MakeSchedule(spec, batch_size));
  // Settles the kernel target, which all kernels of the process share, before the first one runs.
  (void)KernelTarget();
  return Program(std::move(schedule), batch_size);
}

Program::Program(Schedule schedule, int64_t batch_size)
    : schedule_(std::move(schedule)),
      batch_size_(batch_size),
      num_inputs_(schedule_.layers.front().shape.in_elements()),
      num_classes_(schedule_.layers.back().shape.out_elements()) {}

void Program::CheckCall(absl::Span<const float> parameters, absl::Span<const float> inputs,
                        int64_t count, absl::Span<const float> arena,
                        int64_t needed_arena_floats) const {
  TERN_CHECK(static_cast<int64_t>(parameters.size()) == schedule_.layout.size);
  TERN_CHECK(count >= 1 && count <= batch_size_);
  TERN_CHECK(static_cast<int64_t>(inputs.size()) == count * num_inputs_);
  TERN_CHECK(static_cast<int64_t>(arena.size()) >= needed_arena_floats);
  TERN_CHECK(reinterpret_cast<uintptr_t>(arena.data()) % kArenaAlignmentBytes == 0);
}

absl::Span<const float> Program::Forward(LayerBuffers CompiledLayer::*buffers,
                                         const float* parameters, const float* inputs,
                                         int64_t count, float* arena) const {
  for (const CompiledLayer& layer : schedule_.layers) {
    if (layer.kernel->output_buffer == OutputBuffer::kView) continue;
    const LayerBuffers& in_arena = layer.*buffers;
    layer.kernel->forward(layer.shape,
                          {.count = count,
                           .input = in_arena.input == kNotInArena ? inputs : arena + in_arena.input,
                           .weight = At(parameters, layer.weight_offset),
                           .bias = At(parameters, layer.bias_offset),
                           .output = arena + in_arena.output,
                           .workspace = Workspace(layer, arena, in_arena.forward_workspace)});
  }
  return {arena + (schedule_.layers.back().*buffers).output,
          static_cast<size_t>(count * num_classes_)};
}

void Program::Backward(const CompiledLayer& layer, const float* parameters, const float* inputs,
                       int64_t count, float* arena, const Destination& destination) const {
  if (layer.kernel->output_buffer == OutputBuffer::kView) return;
  const LayerBuffers& buffers = layer.training;
  GradientSink sink;
  if (layer.weight_offset >= 0) {
    sink = {.weight = destination.values + layer.weight_offset,
            .bias = destination.values + layer.bias_offset,
            .scale = destination.scale,
            .accumulate = destination.accumulate};
  }
  // The gradient of shared parameters is complete, and may change them, after the last of their
  // layers only.
  if (buffers.shared_gradient != kNotInArena) {
    float* shared = arena + buffers.shared_gradient;
    sink = {.weight = shared,
            .bias = shared + (layer.bias_offset - layer.weight_offset),
            .scale = 1.0f,
            .accumulate = !layer.first_gradient};
  }
  layer.kernel->backward(
      layer.shape,
      {.count = count,
       .input = buffers.input == kNotInArena ? inputs : arena + buffers.input,
       .output = arena + buffers.output,
       .weight = At(parameters, layer.weight_offset),
       .output_gradient = arena + buffers.output_gradient,
       .input_gradient =
           buffers.input_gradient == kNotInArena ? nullptr : arena + buffers.input_gradient,
       .sink = sink,
       .workspace = Workspace(layer, arena, buffers.backward_workspace)});
  if (buffers.shared_gradient != kNotInArena && layer.last_gradient) {
    float* values = destination.values + layer.weight_offset;
    if (!destination.accumulate) Fill(0.0f, layer.parameter_floats, values);
    AddScaled(destination.scale, arena + buffers.shared_gradient, layer.parameter_floats, values);
  }
}

float Program::ForwardAndBackward(absl::Span<const float> parameters, const Batch& batch,
                                  absl::Span<float> arena, const Destination& destination) const {
  const auto count = static_cast<int64_t>(batch.labels.size());
  CheckCall(parameters, batch.inputs, count, arena, arena_floats());
  const absl::Span<const float> logits = Forward(&CompiledLayer::training, parameters.data(),
                                                 batch.inputs.data(), count, arena.data());
  float* logits_gradient = arena.data() + schedule_.layers.back().training.output_gradient;
  const double loss =
      SoftmaxCrossEntropy(logits, batch.labels, absl::MakeSpan(logits_gradient, logits.size()));
  for (auto layer = schedule_.layers.rbegin(); layer != schedule_.layers.rend(); ++layer) {
    if (!layer->trained) break;
    Backward(*layer, parameters.data(), batch.inputs.data(), count, arena.data(), destination);
  }
  return static_cast<float>(loss);
}

float Program::Step(absl::Span<float> parameters, const Batch& batch, absl::Span<float> arena,
                    const SgdOptions& options, const SgdVectors& vectors) const {
  if (options.needs_gradient()) {
    const float loss = Gradient(parameters, batch, arena, vectors.gradient);
    ApplyGradient(options, vectors, parameters);
    return loss;
  }
  if (options.needs_velocity()) {
    DecayVelocity(options, vectors, parameters);
    const float loss = ForwardAndBackward(parameters, batch, arena,
                                          {.values = vectors.velocity.data(), .accumulate = true});
    ApplyVelocity(options, vectors, parameters);
    return loss;
  }
  const float loss = ForwardAndBackward(
      parameters, batch, arena,
      {.values = parameters.data(), .scale = InPlaceScale(options), .accumulate = true});
  ApplyPenalties(options, vectors, parameters);
  return loss;
}

float Program::Gradient(absl::Span<const float> parameters, const Batch& batch,
                        absl::Span<float> arena, absl::Span<float> gradient) const {
  TERN_CHECK(gradient.size() == parameters.size());
  return ForwardAndBackward(parameters, batch, arena, {.values = gradient.data()});
}

void Program::Predict(absl::Span<const float> parameters, absl::Span<const float> inputs,
                      int64_t count, absl::Span<float> arena, absl::Span<float> logits) const {
  CheckCall(parameters, inputs, count, arena, predict_arena_floats());
  TERN_CHECK(static_cast<int64_t>(logits.size()) == count * num_classes_);
  const absl::Span<const float> result =
      Forward(&CompiledLayer::inference, parameters.data(), inputs.data(), count, arena.data());
  std::copy(result.begin(), result.end(), logits.begin());
}

}  // namespace tern
