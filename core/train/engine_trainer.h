// Local training on Tern's own engine.
#ifndef TERN_CORE_TRAIN_ENGINE_TRAINER_H_
#define TERN_CORE_TRAIN_ENGINE_TRAINER_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/engine/aligned_floats.h"
#include "core/engine/program.h"
#include "core/train/trainer.h"

namespace tern {

// Keeps the compiled program and its memory from one plan to the next, and allocates only what
// another model, batch size, number of examples or other training options need; holds exactly what
// the plan needs (PlanCost). One thread at a time.
class EngineTrainer final : public Trainer {
 public:
  absl::Status Prepare(const Plan& plan, int64_t num_examples) override;

  // As Trainer::Train; prepares itself. Each epoch goes over the examples in a new order, all drawn
  // from one stream of random numbers; the last batch may be smaller.
  absl::StatusOr<TrainReport> Train(const Plan& plan, uint64_t client, const Dataset& dataset,
                                    absl::Span<float> parameters,
                                    absl::Span<float> control) override;

 private:
  absl::Status PrepareProgram(const Plan& plan);
  // The program's memory, and nothing more than it.
  absl::Status PrepareBuffers(const Plan& plan, int64_t num_examples);
  // What training begins with: the order of the examples, zero velocity, where FedProx pulls to,
  // the classes that there are. Packs `control` to its front.
  void Begin(const Plan& plan, const Dataset& dataset, absl::Span<const float> parameters,
             absl::Span<float> control);
  // What the plan wants to know of the parameters before the first step, from one pass over the
  // examples as order_ has them at first: the loss, the gradient. ABORTED: not finite.
  absl::Status MeasureStart(const Plan& plan, const Dataset& dataset,
                            absl::Span<const float> parameters, TrainReport& report);
  // One pass over the examples in the order of order_, or as far as max_local_steps allows; adds
  // its steps and losses.
  absl::Status TrainEpoch(const Plan& plan, const Dataset& dataset, absl::Span<float> parameters,
                          TrainReport& report, double& total_loss);
  // One step; returns the batch's mean loss. When that is not finite, nothing has changed.
  float TrainBatch(const SgdOptions& options, const Dataset& dataset,
                   absl::Span<const int32_t> indices, absl::Span<float> parameters);
  Batch Gather(const Dataset& dataset, absl::Span<const int32_t> indices);
  SgdVectors vectors();
  // The gradient that MeasureStart took, as `control` is to hold it.
  void UnpackStartGradient(absl::Span<float> control);
  int64_t HeldBytes() const;

  ModelSpec model_;  // that program_ was compiled from, under options_
  ProgramOptions options_;
  std::optional<Program> program_;
  AlignedFloats arena_;
  AlignedFloats inputs_;  // of a batch, or micro-batch
  // As SgdVectors; empty when the plan needs none.
  AlignedFloats velocity_;
  AlignedFloats gradient_;
  AlignedFloats start_;
  absl::Span<const float> control_;  // of this call's caller
  // Of all examples; empty unless the plan's method is option I of SCAFFOLD.
  AlignedFloats start_gradient_;
  std::vector<int32_t> labels_;           // of a batch, or micro-batch
  std::vector<int32_t> order_;            // of the dataset's examples
  std::vector<uint8_t> present_classes_;  // empty: the loss is about all
};

}  // namespace tern

#endif  // TERN_CORE_TRAIN_ENGINE_TRAINER_H_
