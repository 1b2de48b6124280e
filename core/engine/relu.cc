#include "core/engine/relu.h"

#include "core/engine/elementwise.h"

namespace tern {

void ReluForward(const LayerShape& shape, const ForwardCall& call) {
  Relu(call.input, call.count * shape.out_elements(), call.output);
}

void ReluBackward(const LayerShape& shape, const BackwardCall& call) {
  ReluGradient(call.output, call.count * shape.out_elements(), call.output_gradient);
}

void Relu6Forward(const LayerShape& shape, const ForwardCall& call) {
  Relu6(call.input, call.count * shape.out_elements(), call.output);
}

void Relu6Backward(const LayerShape& shape, const BackwardCall& call) {
  Relu6Gradient(call.output, call.count * shape.out_elements(), call.output_gradient);
}

}  // namespace tern
