#include "core/model/cost.h"

#include "core/base/status_macros.h"
#include "core/model/parameter_layout.h"

namespace tern {

absl::StatusOr<Cost> CountCost(const ModelSpec& spec) {
  TERN_ASSIGN_OR_RETURN(const std::vector<Shape> shapes, InferShapes(spec));
  TERN_ASSIGN_OR_RETURN(const ParameterLayout layout, MakeParameterLayout(spec));
  Cost cost;
  cost.num_parameters = layout.size;
  bool input_gradient_needed = false;
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    const int64_t outputs = NumElements(shapes[i]);
    const int weight = layout.weight_of_layer[i];
    if (weight < 0) {
      // One operation an output, or an input for a pooling window's comparisons.
      const int64_t window = spec.layers[i].kind == LayerKind::kMaxPool2d
                                 ? spec.layers[i].kernel * spec.layers[i].kernel
                                 : (spec.layers[i].kind == LayerKind::kRelu ? 1 : 0);
      cost.forward_flops += outputs * window;
      cost.training_flops += outputs * (window + (window > 0 ? 1 : 0));
      continue;
    }
    const int64_t product = 2 * outputs * layout.parameters[static_cast<size_t>(weight)].fan_in;
    cost.forward_flops += product + outputs;
    cost.training_flops += (input_gradient_needed ? 3 : 2) * product + 2 * outputs;
    input_gradient_needed = true;
  }
  return cost;
}

}  // namespace tern
