// A model compiled for the engine: for every layer its kernel and its sizes, and the steps of
// training and of inference with the place of every tensor in the arena.
#ifndef TERN_CORE_ENGINE_SCHEDULE_H_
#define TERN_CORE_ENGINE_SCHEDULE_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "core/engine/activation.h"
#include "core/engine/layer_kernel.h"
#include "core/engine/memory_planner.h"
#include "core/engine/program_options.h"
#include "core/engine/trained_parameters.h"
#include "core/model/model_spec.h"
#include "core/model/parameter_layout.h"

namespace tern {

// Not in the arena: for an input the batch's own, for anything else absent.
inline constexpr int64_t kNotInArena = -1;

// Offsets in floats.
struct StepBuffers {
  int64_t input = kNotInArena;
  int64_t output = kNotInArena;
  int64_t saved = kNotInArena;
  int64_t workspace = kNotInArena;
  // The rest is of backward steps only, the first also of the loss.
  int64_t output_gradient = kNotInArena;
  int64_t input_gradient = kNotInArena;
  // For parameters that several layers share: where their gradients are summed, weight then bias.
  int64_t shared_gradient = kNotInArena;
};

enum class StepKind { kForward, kLoss, kBackward };

struct ScheduledStep {
  StepKind kind = StepKind::kForward;
  size_t layer = 0;  // in Schedule::layers; the last for the loss
  Activation activation = Activation::kNone;
  int64_t saved_bytes = 0;
  int64_t workspace_floats = 0;
  StepBuffers buffers = {};
};

struct CompiledLayer {
  const LayerKernel* kernel = nullptr;
  size_t spec_index = 0;  // in ModelSpec::layers
  LayerShape shape;
  // Has a backward pass: it, or a layer before it, has trained parameters.
  bool trained = false;
  // In the flat vector of parameters; -1 without.
  int64_t weight_offset = -1;
  int64_t bias_offset = -1;
  TrainedRange weight;  // what is trained of them
  TrainedRange bias;
  int64_t weight_channels = 0;  // output channels that are
  // Among the layers that share its parameters, in the order of the backward pass.
  bool first_gradient = true;
  bool last_gradient = true;
};

enum class TensorRole { kActivation, kSaved, kWorkspace, kGradient, kSharedGradient };

struct PlacedTensor {
  TensorRole role = TensorRole::kActivation;
  size_t layer = 0;  // in Schedule::layers: whose output, gradient of the output, ...
  TensorLife life;   // in steps, of StepPlan::steps
  int64_t offset = 0;
};

struct StepPlan {
  std::vector<ScheduledStep> steps;  // in training: forward, the loss, backward
  std::vector<PlacedTensor> tensors;
  int64_t arena_floats = 0;
  int64_t lower_bound_floats = 0;  // the most floats that are needed at one step
};

struct Schedule {
  ParameterLayout layout;
  TrainedParameters trained;
  std::vector<CompiledLayer> layers;  // in the order of execution
  StepPlan training;
  StepPlan inference;
};

// INVALID_ARGUMENT: the spec is no model, has no parameters, or has a layer that the engine lacks
// (named); options.batch_size is outside [1, kMaxBatchSize]; the scope is none of the model
// (FindTrainedParameters).
absl::StatusOr<Schedule> MakeSchedule(const ModelSpec& spec, const ProgramOptions& options);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_SCHEDULE_H_
