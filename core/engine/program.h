// A model compiled for a batch size: the list of operations of a training step and one preplanned
// arena.
//
// Call order: Compile, then any of Step, Gradient, Loss and Predict, from any number of threads as
// long as each brings its own arena and parameters. A Program never changes and allocates nothing
// after Compile. The arena carries nothing from one call to the next.
#ifndef TERN_CORE_ENGINE_PROGRAM_H_
#define TERN_CORE_ENGINE_PROGRAM_H_

#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/engine/program_options.h"
#include "core/engine/schedule.h"
#include "core/engine/sgd.h"
#include "core/model/model_spec.h"
#include "core/model/parameter_layout.h"

namespace tern {

// Examples of a batch: `inputs` holds labels.size() * NumElements(spec.input) floats, example by
// example; labels are class indices in [0, classes). labels.size() is in [1, batch_size].
struct Batch {
  absl::Span<const float> inputs;
  absl::Span<const int32_t> labels;
  // [classes], 0 or 1: the classes that the loss is about (LossGradient); empty: all.
  absl::Span<const uint8_t> present_classes;
};

// For a batch that is cut into micro-batches, whose gradients are added up.
struct GradientOptions {
  double share = 1.0;       // of the examples of the whole batch
  bool accumulate = false;  // adds to what the gradient holds
};

class Program {
 public:
  // INVALID_ARGUMENT: the spec is no model or has no parameters, a layer cannot be trained by the
  // engine (named), or an option is out of its range.
  static absl::StatusOr<Program> Compile(const ModelSpec& spec, const ProgramOptions& options);
  static absl::StatusOr<Program> Compile(const ModelSpec& spec, int64_t batch_size) {
    return Compile(spec, ProgramOptions{.batch_size = batch_size});
  }

  const ParameterLayout& layout() const { return schedule_.layout; }
  const TrainedParameters& trained() const { return schedule_.trained; }
  const Schedule& schedule() const { return schedule_; }
  int64_t batch_size() const { return options_.batch_size; }
  int64_t num_classes() const { return num_classes_; }
  // Floats of the arena: activations, gradients of activations, workspace; planned by liveness.
  // Predict needs the smaller arena only.
  int64_t arena_floats() const { return schedule_.training.arena_floats; }
  int64_t predict_arena_floats() const { return schedule_.inference.arena_floats; }

  // One step of SGD (sgd.h) on the loss, averaged over the batch. Plain SGD is in place, without a
  // gradient buffer (parameters that layers share have one in the arena); `vectors` has what the
  // options need beyond that. Returns the batch's mean loss before the step, without the proximal
  // term; when it is not finite, training has diverged and nothing has changed. `parameters` has
  // layout().size floats, `arena` at least arena_floats(), 64-byte aligned.
  float Step(absl::Span<float> parameters, const Batch& batch, absl::Span<float> arena,
             const SgdOptions& options, const SgdVectors& vectors = {}) const;

  // As Step, but writes the gradient (trained().size floats) instead of changing the parameters.
  // When the loss is not finite, `gradient` stays as it is.
  float Gradient(absl::Span<const float> parameters, const Batch& batch, absl::Span<float> arena,
                 absl::Span<float> gradient, const GradientOptions& options = {}) const;

  // The batch's mean loss alone, as Step and Gradient return it.
  float Loss(absl::Span<const float> parameters, const Batch& batch, absl::Span<float> arena) const;

  // The rest of a step whose gradient is in vectors.gradient, which is of no use afterwards.
  void ApplyGradient(const SgdOptions& options, const SgdVectors& vectors,
                     absl::Span<float> parameters) const;

  // Logits of the batch: count * num_classes floats, `count` in [1, batch_size].
  void Predict(absl::Span<const float> parameters, absl::Span<const float> inputs, int64_t count,
               absl::Span<float> arena, absl::Span<float> logits) const;

 private:
  // Where the gradient of a backward pass goes: {parameters, false, -learning_rate, true},
  // {velocity, true, 1, true} or {gradient, true, 1, accumulate}.
  struct Destination {
    float* values = nullptr;
    bool trained_only = true;  // has the trained coordinates only
    float scale = 1.0f;
    bool accumulate = false;
  };
  // What all steps of a call work with.
  struct Call {
    const float* parameters = nullptr;
    const float* inputs = nullptr;
    int64_t count = 0;
    float* arena = nullptr;
  };

  Program(Schedule schedule, const ProgramOptions& options);

  Call MakeCall(absl::Span<const float> parameters, absl::Span<const float> inputs, int64_t count,
                absl::Span<float> arena, int64_t needed_arena_floats) const;
  void Forward(const ScheduledStep& step, const Call& call) const;
  void Backward(const ScheduledStep& step, const Call& call, const Destination& destination) const;
  GradientSink Sink(const ScheduledStep& step, const Call& call,
                    const Destination& destination) const;
  void AddSharedGradient(const CompiledLayer& layer, const float* gradient,
                         const Destination& destination) const;
  // The forward pass and the loss; the gradient of the logits is then in the arena.
  float ForwardPass(const Call& call, const Batch& batch, double share) const;
  // From there on.
  void BackwardPass(const Call& call, const Destination& destination) const;

  Schedule schedule_;
  ProgramOptions options_;
  size_t loss_step_ = 0;  // in schedule_.training.steps
  int64_t num_inputs_;    // floats of an example
  int64_t num_classes_;
};

}  // namespace tern

#endif  // TERN_CORE_ENGINE_PROGRAM_H_
