// What a model costs a device, counted from its structure before anything runs.
#ifndef TERN_CORE_MODEL_COST_H_
#define TERN_CORE_MODEL_COST_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "core/model/model_spec.h"

namespace tern {

struct Cost {
  int64_t num_parameters = 0;
  // Floating-point operations for one example; a multiply-add is two. Training has no input
  // gradient for the first layer that has parameters.
  int64_t forward_flops = 0;
  int64_t training_flops = 0;

  // Memory that a device needs in each phase, everything included; filled in by those who know the
  // phase.
  int64_t train_bytes = 0;   // parameters, start parameters where kept, the engine's arena
  int64_t encode_bytes = 0;  // start and trained parameters, codec scratch, the encoded update
  int64_t decode_bytes = 0;  // encoded model and parameters
  int64_t peak_bytes() const { return std::max({train_bytes, encode_bytes, decode_bytes}); }
};

// Floating-point operations of a layer for one example, pass by pass.
struct LayerFlops {
  int64_t forward = 0;
  int64_t input_gradient = 0;
  int64_t weight_gradient = 0;
  int64_t bias_gradient = 0;
};

// Of every layer, in order. INVALID_ARGUMENT as MakeParameterLayout, or when a layer takes more
// than 2^50 operations for one example.
absl::StatusOr<std::vector<LayerFlops>> CountLayerFlops(const ModelSpec& spec);

// Counts parameters and operations, of training those that update every parameter. INVALID_ARGUMENT
// as CountLayerFlops.
absl::StatusOr<Cost> CountCost(const ModelSpec& spec);

}  // namespace tern

#endif  // TERN_CORE_MODEL_COST_H_
