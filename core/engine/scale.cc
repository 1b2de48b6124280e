#include "core/engine/scale.h"

#include "core/engine/elementwise.h"

namespace tern {

void ScaleForward(const LayerShape& shape, const ForwardCall& call) {
  Multiply(shape.factor, call.input, call.count * shape.out_elements(), call.output);
}

void ScaleBackward(const LayerShape& shape, const BackwardCall& call) {
  Multiply(shape.factor, call.output_gradient, call.count * shape.out_elements(),
           call.output_gradient);
}

}  // namespace tern
