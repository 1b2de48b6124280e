// A model compiled for the engine: for every layer its kernel, its sizes, and where its tensors lie
// in the arena.
#ifndef TERN_CORE_ENGINE_SCHEDULE_H_
#define TERN_CORE_ENGINE_SCHEDULE_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "core/engine/layer_kernel.h"
#include "core/model/model_spec.h"
#include "core/model/parameter_layout.h"

namespace tern {

inline constexpr int64_t kMaxBatchSize = 4096;

// Not in the arena: for an input the batch's own, for anything else absent.
inline constexpr int64_t kNotInArena = -1;

// Offsets in floats.
struct LayerBuffers {
  int64_t input = kNotInArena;
  int64_t output = kNotInArena;
  int64_t forward_workspace = kNotInArena;
  // The rest is of training only.
  int64_t backward_workspace = kNotInArena;
  int64_t output_gradient = kNotInArena;
  int64_t input_gradient = kNotInArena;
  // For parameters that several layers share: where their gradients are summed, weight then bias.
  int64_t shared_gradient = kNotInArena;
};

struct CompiledLayer {
  const LayerKernel* kernel = nullptr;
  LayerShape shape;
  int64_t workspace_floats = 0;
  // Has a backward pass: it, or a layer before it, has parameters.
  bool trained = false;
  // In the flat vector of parameters; -1 without.
  int64_t weight_offset = -1;
  int64_t bias_offset = -1;
  int64_t parameter_floats = 0;  // weight and bias, which lie one after the other
  // Among the layers that share its parameters, in the order of the backward pass.
  bool first_gradient = true;
  bool last_gradient = true;
  LayerBuffers training;
  LayerBuffers inference;
};

struct Schedule {
  ParameterLayout layout;
  std::vector<CompiledLayer> layers;
  int64_t training_arena_floats = 0;
  int64_t inference_arena_floats = 0;
};

// INVALID_ARGUMENT: the spec is no model, has no parameters, or has a layer that the engine lacks
// (named); batch_size is outside [1, kMaxBatchSize].
absl::StatusOr<Schedule> MakeSchedule(const ModelSpec& spec, int64_t batch_size);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_SCHEDULE_H_
