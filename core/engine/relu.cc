#include "core/engine/relu.h"

#include "core/engine/elementwise.h"

namespace tern {

void ReluForward(const LayerShape& shape, const ForwardCall& call) {
  Relu(call.input, call.count * shape.out_elements(), call.output);
}

void ReluBackward(const LayerShape& shape, const BackwardCall& call) {
  ReluGradient(call.output, call.count * shape.out_elements(), call.output_gradient);
}

}  // namespace tern
