#include "core/engine/dense.h"

#include <algorithm>

#include "core/engine/elementwise.h"
#include "core/engine/gemm.h"

namespace tern {

int64_t DenseForwardWorkspaceFloats(const LayerShape& shape, int64_t batch_size) {
  return GemmWorkspaceFloats(batch_size, shape.out_channels, shape.in_channels, false, true);
}

int64_t DenseBackwardWorkspaceFloats(const LayerShape& shape, int64_t batch_size,
                                     const BackwardWork& work) {
  const int64_t in = shape.in_channels;
  int64_t floats = 0;
  if (work.input_gradient) {
    floats = GemmWorkspaceFloats(batch_size, in, shape.out_channels, false, false);
  }
  if (work.weight_channels > 0) {
    floats =
        std::max(floats, GemmWorkspaceFloats(work.weight_channels, in, batch_size, true, false));
  }
  return floats;
}

void DenseForward(const LayerShape& shape, const ForwardCall& call) {
  const int64_t in = shape.in_channels;
  const int64_t out = shape.out_channels;
  Gemm({.m = call.count,
        .n = out,
        .k = in,
        .alpha = shape.factor,
        .a = {call.input, in},
        .b = {call.weight, in, true},
        .column_bias = call.bias,
        .activation = call.activation,
        .c = call.output,
        .c_stride = out},
       call.workspace);
}

void DenseBackward(const LayerShape& shape, const BackwardCall& call) {
  const int64_t in = shape.in_channels;
  const int64_t out = shape.out_channels;
  // First: the sink may be the weight itself.
  if (call.input_gradient != nullptr) {
    Gemm({.m = call.count,
          .n = in,
          .k = out,
          .alpha = shape.factor,
          .a = {call.output_gradient, out},
          .b = {call.weight, in},
          .c = call.input_gradient,
          .c_stride = in},
         call.workspace);
  }
  const GradientSink& sink = call.sink;
  const float scale = shape.factor * sink.scale;
  if (sink.weight != nullptr) {
    Gemm({.m = sink.weight_channels,
          .n = in,
          .k = call.count,
          .alpha = scale,
          .a = {call.output_gradient, out, true},
          .b = {call.input, in},
          .accumulate = sink.accumulate,
          .c = sink.weight,
          .c_stride = in},
         call.workspace);
  }
  if (sink.bias != nullptr) {
    ColumnSums(call.output_gradient, call.count, out, scale, sink.accumulate, sink.bias);
  }
}

}  // namespace tern
