// Where each parameter lies in the one flat float vector that is a model's state: what is trained,
// sent, aggregated and hashed.
#ifndef TERN_CORE_MODEL_PARAMETER_LAYOUT_H_
#define TERN_CORE_MODEL_PARAMETER_LAYOUT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/model/model_spec.h"

namespace tern {

enum class ParameterRole { kWeight, kBias };

struct Parameter {
  std::string name;  // "fc1.weight", "conv1.bias"
  // Dense weight {out, in}; Conv2d weight {out, in / groups, kernel, kernel}; bias {out};
  // row-major, as in PyTorch.
  Shape shape;
  ParameterRole role = ParameterRole::kWeight;
  int64_t offset = 0;  // in floats, from the start of the flat vector
  int64_t size = 0;    // in floats
  int64_t fan_in = 0;  // inputs to each output
};

struct ParameterLayout {
  std::vector<Parameter> parameters;  // by offset, without gaps
  int64_t size = 0;                   // floats in all
  // For each layer of the spec the index of its weight in `parameters` (its bias is the next), or
  // -1.
  std::vector<int> weight_of_layer;

  // The parameter that holds flat coordinate `index`, for messages: "fc1.weight[17]".
  std::string CoordinateName(int64_t index) const;
};

// INVALID_ARGUMENT as InferShapes, when layers that share parameters disagree on their shape, or
// when there are more than kMaxElements parameters.
absl::StatusOr<ParameterLayout> MakeParameterLayout(const ModelSpec& spec);

// Weights and biases uniform in ±1/sqrt(fan_in), PyTorch's default for both layer kinds; a function
// of `seed` alone.
std::vector<float> InitialParameters(const ParameterLayout& layout, uint64_t seed);

}  // namespace tern

#endif  // TERN_CORE_MODEL_PARAMETER_LAYOUT_H_
