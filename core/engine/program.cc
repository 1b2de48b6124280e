#include "core/engine/program.h"

#include <algorithm>
#include <cmath>

#include "core/base/check.h"
#include "core/base/status_macros.h"
#include "core/engine/elementwise.h"
#include "core/engine/kernel_target.h"
#include "core/engine/loss.h"

namespace tern {
namespace {

constexpr uintptr_t kArenaAlignmentBytes = 64;

const float* At(const float* values, int64_t offset) {
  return offset < 0 ? nullptr : values + offset;
}

float* At(float* values, int64_t offset) { return offset < 0 ? nullptr : values + offset; }

absl::Span<float> Workspace(const ScheduledStep& step, float* arena) {
  if (step.buffers.workspace == kNotInArena) return {};
  return {arena + step.buffers.workspace, static_cast<size_t>(step.workspace_floats)};
}

absl::Span<uint8_t> Saved(const ScheduledStep& step, float* arena) {
  if (step.buffers.saved == kNotInArena) return {};
  return {reinterpret_cast<uint8_t*>(arena + step.buffers.saved),
          static_cast<size_t>(step.saved_bytes)};
}

}  // namespace

absl::StatusOr<Program> Program::Compile(const ModelSpec& spec, const ProgramOptions& options) {
  TERN_RETURN_IF_ERROR(ValidateLossOptions(options.loss));
  TERN_ASSIGN_OR_RETURN(Schedule schedule, MakeSchedule(spec, options));
  // Settles the kernel target, which all kernels of the process share, before the first one runs.
  (void)KernelTarget();
  return Program(std::move(schedule), options);
}

Program::Program(Schedule schedule, const ProgramOptions& options)
    : schedule_(std::move(schedule)),
      options_(options),
      num_inputs_(schedule_.layers.front().shape.in_elements()),
      num_classes_(schedule_.layers.back().shape.out_elements()) {
  while (schedule_.training.steps[loss_step_].kind != StepKind::kLoss) ++loss_step_;
}

Program::Call Program::MakeCall(absl::Span<const float> parameters, absl::Span<const float> inputs,
                                int64_t count, absl::Span<float> arena,
                                int64_t needed_arena_floats) const {
  TERN_CHECK(static_cast<int64_t>(parameters.size()) == schedule_.layout.size);
  TERN_CHECK(count >= 1 && count <= options_.batch_size);
  TERN_CHECK(static_cast<int64_t>(inputs.size()) == count * num_inputs_);
  TERN_CHECK(static_cast<int64_t>(arena.size()) >= needed_arena_floats);
  TERN_CHECK(reinterpret_cast<uintptr_t>(arena.data()) % kArenaAlignmentBytes == 0);
  return {.parameters = parameters.data(),
          .inputs = inputs.data(),
          .count = count,
          .arena = arena.data()};
}

void Program::Forward(const ScheduledStep& step, const Call& call) const {
  const CompiledLayer& layer = schedule_.layers[step.layer];
  const StepBuffers& buffers = step.buffers;
  layer.kernel->forward(
      layer.shape,
      {.count = call.count,
       .input = buffers.input == kNotInArena ? call.inputs : call.arena + buffers.input,
       .weight = At(call.parameters, layer.weight_offset),
       .bias = At(call.parameters, layer.bias_offset),
       .activation = step.activation,
       .output = call.arena + buffers.output,
       .saved = Saved(step, call.arena),
       .workspace = Workspace(step, call.arena)});
}

GradientSink Program::Sink(const ScheduledStep& step, const Call& call,
                           const Destination& destination) const {
  const CompiledLayer& layer = schedule_.layers[step.layer];
  GradientSink sink = {.weight_channels = layer.weight_channels,
                       .scale = destination.scale,
                       .accumulate = destination.accumulate};
  float* weight = nullptr;
  float* bias = nullptr;
  if (step.buffers.shared_gradient != kNotInArena) {
    // The gradient of shared parameters is complete, and may change them, after the last of their
    // layers only.
    weight = call.arena + step.buffers.shared_gradient;
    bias = weight + layer.weight.size;
    sink.scale = 1.0f;
    sink.accumulate = !layer.first_gradient;
  } else {
    const auto at = [&](const TrainedRange& range) {
      return destination.values + (destination.trained_only ? range.offset : range.begin);
    };
    weight = at(layer.weight);
    bias = at(layer.bias);
  }
  if (layer.weight.size > 0) sink.weight = weight;
  if (layer.bias.size > 0) sink.bias = bias;
  return sink;
}

void Program::AddSharedGradient(const CompiledLayer& layer, const float* gradient,
                                const Destination& destination) const {
  for (const TrainedRange& range : {layer.weight, layer.bias}) {
    float* values = destination.values + (destination.trained_only ? range.offset : range.begin);
    if (!destination.accumulate) Fill(0.0f, range.size, values);
    AddScaled(destination.scale, gradient, range.size, values);
    gradient += range.size;
  }
}

void Program::Backward(const ScheduledStep& step, const Call& call,
                       const Destination& destination) const {
  const CompiledLayer& layer = schedule_.layers[step.layer];
  const StepBuffers& buffers = step.buffers;
  layer.kernel->backward(
      layer.shape,
      {.count = call.count,
       .input = buffers.input == kNotInArena ? call.inputs : call.arena + buffers.input,
       .output = At(call.arena, buffers.output),
       .saved = Saved(step, call.arena),
       .weight = At(call.parameters, layer.weight_offset),
       .output_gradient = call.arena + buffers.output_gradient,
       .input_gradient = At(call.arena, buffers.input_gradient),
       .sink = Sink(step, call, destination),
       .workspace = Workspace(step, call.arena)});
  if (buffers.shared_gradient != kNotInArena && layer.last_gradient) {
    AddSharedGradient(layer, call.arena + buffers.shared_gradient, destination);
  }
}

float Program::ForwardPass(const Call& call, const Batch& batch, double share) const {
  const std::vector<ScheduledStep>& steps = schedule_.training.steps;
  for (size_t i = 0; i < loss_step_; ++i) Forward(steps[i], call);
  const StepBuffers& buffers = steps[loss_step_].buffers;
  const auto size = static_cast<size_t>(call.count * num_classes_);
  return static_cast<float>(LossGradient(options_.loss, {call.arena + buffers.input, size},
                                         batch.labels, batch.present_classes, share,
                                         {call.arena + buffers.output_gradient, size}));
}

void Program::BackwardPass(const Call& call, const Destination& destination) const {
  const std::vector<ScheduledStep>& steps = schedule_.training.steps;
  for (size_t i = loss_step_ + 1; i < steps.size(); ++i) {
    // Activations that were not kept come again.
    if (steps[i].kind == StepKind::kForward) {
      Forward(steps[i], call);
    } else {
      Backward(steps[i], call, destination);
    }
  }
}

float Program::Step(absl::Span<float> parameters, const Batch& batch, absl::Span<float> arena,
                    const SgdOptions& options, const SgdVectors& vectors) const {
  const Call call = MakeCall(parameters, batch.inputs, static_cast<int64_t>(batch.labels.size()),
                             arena, arena_floats());
  const SgdUpdate update(options, vectors, schedule_.trained, parameters);
  const float loss = ForwardPass(call, batch, 1.0);
  if (!std::isfinite(loss)) return loss;
  if (options.needs_gradient()) {
    BackwardPass(call, {.values = vectors.gradient.data()});
    update.ApplyGradient();
  } else if (options.needs_velocity()) {
    update.DecayVelocity();
    BackwardPass(call, {.values = vectors.velocity.data(), .accumulate = true});
    update.ApplyVelocity();
  } else {
    BackwardPass(call, {.values = parameters.data(),
                        .trained_only = false,
                        .scale = update.InPlaceScale(),
                        .accumulate = true});
    update.ApplyPenalties();
  }
  return loss;
}

float Program::Gradient(absl::Span<const float> parameters, const Batch& batch,
                        absl::Span<float> arena, absl::Span<float> gradient,
                        const GradientOptions& options) const {
  TERN_CHECK(static_cast<int64_t>(gradient.size()) == schedule_.trained.size);
  const Call call = MakeCall(parameters, batch.inputs, static_cast<int64_t>(batch.labels.size()),
                             arena, arena_floats());
  const float loss = ForwardPass(call, batch, options.share);
  if (!std::isfinite(loss)) return loss;
  BackwardPass(call, {.values = gradient.data(), .accumulate = options.accumulate});
  return loss;
}

float Program::Loss(absl::Span<const float> parameters, const Batch& batch,
                    absl::Span<float> arena) const {
  const Call call = MakeCall(parameters, batch.inputs, static_cast<int64_t>(batch.labels.size()),
                             arena, arena_floats());
  return ForwardPass(call, batch, 1.0);
}

void Program::ApplyGradient(const SgdOptions& options, const SgdVectors& vectors,
                            absl::Span<float> parameters) const {
  TERN_CHECK(static_cast<int64_t>(parameters.size()) == schedule_.layout.size);
  TERN_CHECK(static_cast<int64_t>(vectors.gradient.size()) == schedule_.trained.size);
  SgdUpdate(options, vectors, schedule_.trained, parameters).ApplyGradient();
}

void Program::Predict(absl::Span<const float> parameters, absl::Span<const float> inputs,
                      int64_t count, absl::Span<float> arena, absl::Span<float> logits) const {
  const Call call = MakeCall(parameters, inputs, count, arena, predict_arena_floats());
  TERN_CHECK(static_cast<int64_t>(logits.size()) == count * num_classes_);
  const std::vector<ScheduledStep>& steps = schedule_.inference.steps;
  for (const ScheduledStep& step : steps) Forward(step, call);
  std::copy_n(call.arena + steps.back().buffers.output, logits.size(), logits.begin());
}

}  // namespace tern
