// A model compiled for a batch size: the list of operations of a training step and one preplanned
// arena.
//
// Call order: Compile, then any of Step, Evaluate and Predict, from any number of threads as long
// as each brings its own arena and parameters. A Program never changes and allocates nothing after
// Compile.
#ifndef TERN_CORE_ENGINE_PROGRAM_H_
#define TERN_CORE_ENGINE_PROGRAM_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/model/model_spec.h"
#include "core/model/parameter_layout.h"

namespace tern {

// Examples of a batch: `inputs` holds labels.size() * NumElements(spec.input) floats, example by
// example; labels are class indices in [0, classes). labels.size() is in [1, batch_size].
struct Batch {
  absl::Span<const float> inputs;
  absl::Span<const int32_t> labels;
};

struct SgdOptions {
  float learning_rate = 0.0f;
};

class Program {
 public:
  // INVALID_ARGUMENT: the spec is no model, or a layer cannot be trained by the engine (named).
  static absl::StatusOr<Program> Compile(const ModelSpec& spec, int64_t batch_size);

  const ParameterLayout& layout() const { return layout_; }
  int64_t batch_size() const { return batch_size_; }
  int64_t num_classes() const { return num_classes_; }
  // Floats of the arena: activations, gradients of activations, workspace; planned by liveness.
  int64_t arena_floats() const { return arena_floats_; }

  // One step of plain SGD on softmax cross-entropy, averaged over the batch: parameters -= lr *
  // gradient, in place and without a gradient buffer. Returns the batch's mean loss before the
  // step. `parameters` has layout().size floats, `arena` at least arena_floats(), 64-byte aligned.
  float Step(absl::Span<float> parameters, const Batch& batch, absl::Span<float> arena,
             const SgdOptions& options) const;

  // As Step, but writes the gradient (layout().size floats) instead of changing the parameters.
  float Gradient(absl::Span<const float> parameters, const Batch& batch, absl::Span<float> arena,
                 absl::Span<float> gradient) const;

  // Logits of the batch: count * num_classes floats, `count` in [1, batch_size].
  void Predict(absl::Span<const float> parameters, absl::Span<const float> inputs, int64_t count,
               absl::Span<float> arena, absl::Span<float> logits) const;
};

}  // namespace tern

#endif  // TERN_CORE_ENGINE_PROGRAM_H_
