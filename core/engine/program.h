// A model compiled for a batch size: the list of operations of a training step and one preplanned
// arena.
//
// Call order: Compile, then any of Step, Gradient and Predict, from any number of threads as long
// as each brings its own arena and parameters. A Program never changes and allocates nothing after
// Compile. The arena carries nothing from one call to the next.
#ifndef TERN_CORE_ENGINE_PROGRAM_H_
#define TERN_CORE_ENGINE_PROGRAM_H_

#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
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
};

class Program {
 public:
  // INVALID_ARGUMENT: the spec is no model or has no parameters, a layer cannot be trained by the
  // engine (named), or batch_size is outside [1, kMaxBatchSize].
  static absl::StatusOr<Program> Compile(const ModelSpec& spec, int64_t batch_size);

  const ParameterLayout& layout() const { return schedule_.layout; }
  int64_t batch_size() const { return batch_size_; }
  int64_t num_classes() const { return num_classes_; }
  // Floats of the arena: activations, gradients of activations, workspace; planned by liveness.
  // Predict needs the smaller arena only.
  int64_t arena_floats() const { return schedule_.training_arena_floats; }
  int64_t predict_arena_floats() const { return schedule_.inference_arena_floats; }

  // One step of SGD (sgd.h) on softmax cross-entropy, averaged over the batch. Plain SGD is in
  // place, without a gradient buffer (parameters that layers share have one in the arena);
  // `vectors` has what the options need beyond that. Returns the batch's mean loss before the step,
  // without the proximal term; not finite when training diverged. `parameters` has layout().size
  // floats, `arena` at least arena_floats(), 64-byte aligned.
  float Step(absl::Span<float> parameters, const Batch& batch, absl::Span<float> arena,
             const SgdOptions& options, const SgdVectors& vectors = {}) const;

  // As Step, but writes the gradient (layout().size floats) instead of changing the parameters.
  float Gradient(absl::Span<const float> parameters, const Batch& batch, absl::Span<float> arena,
                 absl::Span<float> gradient) const;

  // Logits of the batch: count * num_classes floats, `count` in [1, batch_size].
  void Predict(absl::Span<const float> parameters, absl::Span<const float> inputs, int64_t count,
               absl::Span<float> arena, absl::Span<float> logits) const;

 private:
  // Where the gradient of a backward pass goes: {parameters, -learning_rate, true}, {velocity, 1,
  // true} or {gradient, 1, false}.
  struct Destination {
    float* values = nullptr;
    float scale = 1.0f;
    bool accumulate = false;
  };

  Program(Schedule schedule, int64_t batch_size);

  void CheckCall(absl::Span<const float> parameters, absl::Span<const float> inputs, int64_t count,
                 absl::Span<const float> arena, int64_t needed_arena_floats) const;
  // Returns the logits, which lie in the arena.
  absl::Span<const float> Forward(LayerBuffers CompiledLayer::*buffers, const float* parameters,
                                  const float* inputs, int64_t count, float* arena) const;
  float ForwardAndBackward(absl::Span<const float> parameters, const Batch& batch,
                           absl::Span<float> arena, const Destination& destination) const;
  void Backward(const CompiledLayer& layer, const float* parameters, const float* inputs,
                int64_t count, float* arena, const Destination& destination) const;

  Schedule schedule_;
  int64_t batch_size_;
  int64_t num_inputs_;  // floats of an example
  int64_t num_classes_;
};

}  // namespace tern

#endif  // TERN_CORE_ENGINE_PROGRAM_H_
