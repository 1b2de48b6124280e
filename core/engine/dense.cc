#include "core/engine/dense.h"

#include <algorithm>

#include "core/engine/elementwise.h"
#include "core/engine/gemm.h"

namespace tern {

int64_t DenseWorkspaceFloats(const LayerShape& shape, int64_t batch_size) {
  const int64_t in = shape.in_channels;
  const int64_t out = shape.out_channels;
  return std::max({GemmWorkspaceFloats(batch_size, out, in),
                   GemmWorkspaceFloats(batch_size, in, out),
                   GemmWorkspaceFloats(out, in, batch_size)});
}

void DenseForward(const LayerShape& shape, const ForwardCall& call) {
  const int64_t in = shape.in_channels;
  const int64_t out = shape.out_channels;
  for (int64_t i = 0; i < call.count; ++i) {
    Multiply(shape.factor, call.bias, out, call.output + i * out);
  }
  Gemm(call.count, out, in, shape.factor, {call.input, in}, {call.weight, in, true}, 1.0f,
       call.output, out, call.workspace);
}

void DenseBackward(const LayerShape& shape, const BackwardCall& call) {
  const int64_t in = shape.in_channels;
  const int64_t out = shape.out_channels;
  // First: the sink may be the weight itself.
  if (call.input_gradient != nullptr) {
    Gemm(call.count, in, out, shape.factor, {call.output_gradient, out}, {call.weight, in}, 0.0f,
         call.input_gradient, in, call.workspace);
  }
  const GradientSink& sink = call.sink;
  const float scale = shape.factor * sink.scale;
  Gemm(out, in, call.count, scale, {call.output_gradient, out, true}, {call.input, in},
       sink.accumulate ? 1.0f : 0.0f, sink.weight, in, call.workspace);
  ColumnSums(call.output_gradient, call.count, out, scale, sink.accumulate, sink.bias);
}

}  // namespace tern
