#include "core/engine/relu.h"

#include "core/engine/elementwise.h"

namespace tern {

int64_t ReluSavedBytes(const LayerShape& shape, int64_t batch_size) {
  return (batch_size * shape.out_elements() + 7) / 8;
}

void ReluForward(const LayerShape& shape, const ForwardCall& call) {
  const int64_t n = call.count * shape.out_elements();
  Relu(call.input, n, call.output);
  if (!call.saved.empty()) ReluActive(call.output, n, call.saved.data());
}

void ReluBackward(const LayerShape& shape, const BackwardCall& call) {
  const int64_t n = call.count * shape.out_elements();
  if (call.output == nullptr) return KeepActive(call.saved.data(), n, call.output_gradient);
  ReluGradient(call.output, n, call.output_gradient);
}

void Relu6Forward(const LayerShape& shape, const ForwardCall& call) {
  const int64_t n = call.count * shape.out_elements();
  Relu6(call.input, n, call.output);
  if (!call.saved.empty()) Relu6Active(call.output, n, call.saved.data());
}

void Relu6Backward(const LayerShape& shape, const BackwardCall& call) {
  const int64_t n = call.count * shape.out_elements();
  if (call.output == nullptr) return KeepActive(call.saved.data(), n, call.output_gradient);
  Relu6Gradient(call.output, n, call.output_gradient);
}

}  // namespace tern
