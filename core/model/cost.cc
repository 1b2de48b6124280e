#include "core/model/cost.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/model/parameter_layout.h"

namespace tern {

namespace {

// With at most kMaxLayers layers and three products a layer no sum reaches 2^63.
constexpr int64_t kMaxProductFlops = int64_t{1} << 50;

absl::StatusOr<int64_t> BoundedProduct(const LayerSpec& layer, int64_t outputs, int64_t each) {
  if (each == 0 || outputs <= kMaxProductFlops / each) return outputs * each;
  return absl::InvalidArgumentError(
      absl::StrCat("layer '", layer.name, "': ", outputs, " outputs of ", each,
                   " operations each, expected at most ", kMaxProductFlops, " for one example"));
}

// Of a layer without parameters, for each of its outputs; for a pooling window its comparisons or
// additions.
struct OperationsPerOutput {
  int64_t forward = 0;
  int64_t backward = 0;
};

OperationsPerOutput CountPerOutput(const LayerSpec& layer, const Shape& input) {
  switch (layer.kind) {
    case LayerKind::kMaxPool2d:
      return {layer.kernel * layer.kernel, 1};
    case LayerKind::kAvgPool2d:
      return {layer.kernel * layer.kernel, layer.kernel * layer.kernel};
    case LayerKind::kGlobalAvgPool2d:
      return {input[1] * input[2], 1};
    case LayerKind::kRelu6:
      return {2, 1};
    case LayerKind::kRelu:
    case LayerKind::kScale:
      return {1, 1};
    default:
      return {};
  }
}

}  // namespace

absl::StatusOr<std::vector<LayerFlops>> CountLayerFlops(const ModelSpec& spec) {
  TERN_ASSIGN_OR_RETURN(const std::vector<Shape> shapes, InferShapes(spec));
  TERN_ASSIGN_OR_RETURN(const ParameterLayout layout, MakeParameterLayout(spec));
  std::vector<LayerFlops> flops;
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    const LayerSpec& layer = spec.layers[i];
    const int64_t outputs = NumElements(shapes[i]);
    const int weight = layout.weight_of_layer[i];
    if (weight < 0) {
      const OperationsPerOutput each = CountPerOutput(layer, i == 0 ? spec.input : shapes[i - 1]);
      TERN_ASSIGN_OR_RETURN(const int64_t forward, BoundedProduct(layer, outputs, each.forward));
      flops.push_back({.forward = forward, .input_gradient = each.backward * outputs});
      continue;
    }
    const int64_t fan_in = layout.parameters[static_cast<size_t>(weight)].fan_in;
    TERN_ASSIGN_OR_RETURN(const int64_t product, BoundedProduct(layer, outputs, 2 * fan_in));
    flops.push_back({.forward = product + outputs,
                     .input_gradient = product,
                     .weight_gradient = product,
                     .bias_gradient = outputs});
  }
  return flops;
}

absl::StatusOr<Cost> CountCost(const ModelSpec& spec) {
  TERN_ASSIGN_OR_RETURN(const std::vector<LayerFlops> layers, CountLayerFlops(spec));
  TERN_ASSIGN_OR_RETURN(const ParameterLayout layout, MakeParameterLayout(spec));
  Cost cost;
  cost.num_parameters = layout.size;
  bool input_gradient_needed = false;
  for (size_t i = 0; i < layers.size(); ++i) {
    cost.forward_flops += layers[i].forward;
    cost.training_flops += layers[i].forward + layers[i].weight_gradient + layers[i].bias_gradient;
    if (input_gradient_needed) cost.training_flops += layers[i].input_gradient;
    input_gradient_needed = input_gradient_needed || layout.weight_of_layer[i] >= 0;
  }
  return cost;
}

}  // namespace tern
