#include "core/engine/conv2d.h"

#include <algorithm>

#include "core/engine/direct_convolution.h"
#include "core/engine/elementwise.h"
#include "core/engine/gemm.h"
#include "core/engine/gemm_blocking.h"
#include "core/engine/image_columns.h"
#include "core/engine/memory_planner.h"

namespace tern {
namespace {

// Columns take at most 640 KiB unless one output row needs more.
constexpr int64_t kMaxColumnFloats = 160 * 1024;

// The columns are the image as it lies.
bool IsPointwise(const LayerShape& shape) {
  return shape.kernel == 1 && shape.stride == 1 && shape.padding == 0;
}

// How the layer is cut: each example's output rows come in chunks whose heights differ by at most
// one. A pointwise convolution is not cut.
struct Chunks {
  int64_t patch;  // elements of a window, over all input channels
  int64_t out_height;
  int64_t count;
  int64_t max_pixels;

  explicit Chunks(const LayerShape& shape)
      : patch(shape.in_channels * shape.kernel * shape.kernel), out_height(shape.out_height) {
    const int64_t rows =
        IsPointwise(shape)
            ? out_height
            : std::clamp(kMaxColumnFloats / (patch * shape.out_width), int64_t{1}, out_height);
    count = DivideRoundingUp(out_height, rows);
    max_pixels = DivideRoundingUp(out_height, count) * shape.out_width;
  }
  int64_t Start(int64_t chunk) const { return out_height * chunk / count; }
  // What the product for the weight's gradient needs, of high chunks and of low ones.
  int64_t WeightGradientFloats(int64_t channels) const {
    const int64_t min_pixels =
        out_height / count * (max_pixels / DivideRoundingUp(out_height, count));
    return std::max(GemmWorkspaceFloats(channels, patch, max_pixels, false, true),
                    GemmWorkspaceFloats(channels, patch, min_pixels, false, true));
  }
};

struct Workspace {
  float* padded;
  float* columns;
  absl::Span<float> gemm;
};

int64_t PaddedFloats(const LayerShape& shape) {
  if (IsPointwise(shape)) return 0;
  return RoundUp(PaddedImage(shape).Floats() + kRowSlackFloats, kArenaAlignmentFloats);
}

int64_t ColumnFloats(const LayerShape& shape, const Chunks& chunks) {
  if (IsPointwise(shape)) return 0;
  return RoundUp(chunks.patch * chunks.max_pixels + kRowSlackFloats, kArenaAlignmentFloats);
}

Workspace Divide(const LayerShape& shape, const Chunks& chunks, absl::Span<float> workspace) {
  const int64_t padded = PaddedFloats(shape);
  const int64_t columns = ColumnFloats(shape, chunks);
  return {workspace.data(), workspace.data() + padded,
          workspace.subspan(static_cast<size_t>(padded + columns))};
}

// Calls body(first_row, rows, pixels, offset of the rows in an output plane) for each chunk.
template <class Body>
void ForEachChunk(const LayerShape& shape, const Chunks& chunks, const Body& body) {
  for (int64_t chunk = 0; chunk < chunks.count; ++chunk) {
    const int64_t first_row = chunks.Start(chunk);
    const int64_t rows = chunks.Start(chunk + 1) - first_row;
    body(first_row, rows, rows * shape.out_width, first_row * shape.out_width);
  }
}

// The columns' gradient is W^T dY; each of its elements is added to the pixel it was copied from.
void InputGradientByColumns(const LayerShape& layer, const BackwardCall& call) {
  const LayerShape shape = GroupShape(layer);
  const Chunks chunks(shape);
  const Workspace workspace = Divide(shape, chunks, call.workspace);
  for (int64_t image = 0; image < call.count * layer.groups; ++image) {
    const float* weight = call.weight + image % layer.groups * shape.out_channels * chunks.patch;
    const float* gradient = call.output_gradient + image * shape.out_elements();
    float* input_gradient = call.input_gradient + image * shape.in_elements();
    float* columns = IsPointwise(shape) ? input_gradient : workspace.columns;
    if (!IsPointwise(shape)) Fill(0.0f, PaddedImage(shape).Floats(), workspace.padded);
    ForEachChunk(shape, chunks,
                 [&](int64_t first_row, int64_t rows, int64_t pixels, int64_t offset) {
                   Gemm({.m = chunks.patch,
                         .n = pixels,
                         .k = shape.out_channels,
                         .alpha = shape.factor,
                         .a = {weight, chunks.patch, true},
                         .b = {gradient + offset, shape.out_plane()},
                         .c = columns,
                         .c_stride = pixels},
                        workspace.gemm);
                   if (IsPointwise(shape)) return;
                   AddColumnsToPaddedImage(shape, columns, first_row, rows, workspace.padded);
                 });
    if (!IsPointwise(shape)) UnpadImage(shape, workspace.padded, input_gradient);
  }
}

// Calls body(columns, pixels, offset of the chunk's rows in an output plane) for each chunk of an
// image.
template <class Body>
void ForEachColumns(const LayerShape& shape, const Chunks& chunks, const Workspace& workspace,
                    const float* image, const Body& body) {
  if (IsPointwise(shape)) return body(image, shape.out_plane(), 0);
  PadImage(shape, image, workspace.padded);
  ForEachChunk(shape, chunks, [&](int64_t first_row, int64_t rows, int64_t pixels, int64_t offset) {
    PaddedImageToColumns(shape, workspace.padded, first_row, rows, workspace.columns);
    body(workspace.columns, pixels, offset);
  });
}

// dW = the sum over examples of dY columns^T.
void WeightGradientByColumns(const LayerShape& layer, const BackwardCall& call) {
  const LayerShape shape = GroupShape(layer);
  const Chunks chunks(shape);
  const Workspace workspace = Divide(shape, chunks, call.workspace);
  for (int64_t image = 0; image < call.count * layer.groups; ++image) {
    const int64_t first_channel = image % layer.groups * shape.out_channels;
    const int64_t channels =
        std::min(shape.out_channels, call.sink.weight_channels - first_channel);
    if (channels <= 0) continue;
    const float* gradient = call.output_gradient + image * shape.out_elements();
    float* sink = call.sink.weight + first_channel * chunks.patch;
    bool accumulate = call.sink.accumulate || image >= layer.groups;
    ForEachColumns(shape, chunks, workspace, call.input + image * shape.in_elements(),
                   [&](const float* columns, int64_t pixels, int64_t offset) {
                     Gemm({.m = channels,
                           .n = chunks.patch,
                           .k = pixels,
                           .alpha = shape.factor * call.sink.scale,
                           .a = {gradient + offset, shape.out_plane()},
                           .b = {columns, pixels, true},
                           .accumulate = accumulate,
                           .c = sink,
                           .c_stride = chunks.patch},
                          workspace.gemm);
                     accumulate = true;
                   });
  }
}

void ForwardByColumns(const LayerShape& layer, const ForwardCall& call) {
  const LayerShape shape = GroupShape(layer);
  const Chunks chunks(shape);
  const Workspace workspace = Divide(shape, chunks, call.workspace);
  for (int64_t image = 0; image < call.count * layer.groups; ++image) {
    const int64_t first_channel = image % layer.groups * shape.out_channels;
    float* output = call.output + image * shape.out_elements();
    ForEachColumns(shape, chunks, workspace, call.input + image * shape.in_elements(),
                   [&](const float* columns, int64_t pixels, int64_t offset) {
                     Gemm({.m = shape.out_channels,
                           .n = pixels,
                           .k = chunks.patch,
                           .alpha = shape.factor,
                           .a = {call.weight + first_channel * chunks.patch, chunks.patch},
                           .b = {columns, pixels},
                           .row_bias = call.bias + first_channel,
                           .activation = call.activation,
                           .c = output + offset,
                           .c_stride = shape.out_plane()},
                          workspace.gemm);
                   });
  }
}

void BiasGradient(const LayerShape& shape, const BackwardCall& call) {
  const GradientSink& sink = call.sink;
  for (int64_t channel = 0; channel < shape.out_channels; ++channel) {
    float sum = 0.0f;
    for (int64_t example = 0; example < call.count; ++example) {
      const int64_t plane = example * shape.out_channels + channel;
      sum += Sum(call.output_gradient + plane * shape.out_plane(), shape.out_plane());
    }
    sink.bias[channel] =
        (sink.accumulate ? sink.bias[channel] : 0.0f) + shape.factor * sink.scale * sum;
  }
}

}  // namespace

int64_t Conv2dForwardWorkspaceFloats(const LayerShape& layer, int64_t batch_size) {
  if (IsDirectConvolution(layer)) return DirectForwardWorkspaceFloats(layer, batch_size);
  const LayerShape shape = GroupShape(layer);
  const Chunks chunks(shape);
  return PaddedFloats(shape) + ColumnFloats(shape, chunks) +
         GemmWorkspaceFloats(shape.out_channels, chunks.max_pixels, chunks.patch, false, false);
}

int64_t Conv2dBackwardWorkspaceFloats(const LayerShape& layer, int64_t batch_size,
                                      const BackwardWork& work) {
  const LayerShape shape = GroupShape(layer);
  const Chunks chunks(shape);
  const int64_t columns = PaddedFloats(shape) + ColumnFloats(shape, chunks);
  int64_t floats = 0;
  if (work.input_gradient) {
    floats = IsDirectInputGradient(layer)
                 ? DirectInputGradientWorkspaceFloats(layer, batch_size)
                 : columns + GemmWorkspaceFloats(chunks.patch, chunks.max_pixels,
                                                 shape.out_channels, true, false);
  }
  if (work.weight_channels > 0) {
    floats = std::max(floats, IsDirectWeightGradient(layer)
                                  ? DirectWeightGradientWorkspaceFloats(layer, batch_size)
                                  : columns + chunks.WeightGradientFloats(std::min(
                                                  shape.out_channels, work.weight_channels)));
  }
  return floats;
}

void Conv2dForward(const LayerShape& shape, const ForwardCall& call) {
  (IsDirectConvolution(shape) ? DirectForward : ForwardByColumns)(shape, call);
}

void Conv2dBackward(const LayerShape& shape, const BackwardCall& call) {
  // First: the sink may be the weight itself.
  if (call.input_gradient != nullptr) {
    (IsDirectInputGradient(shape) ? DirectInputGradient : InputGradientByColumns)(shape, call);
  }
  if (call.sink.weight != nullptr) {
    (IsDirectWeightGradient(shape) ? DirectWeightGradient : WeightGradientByColumns)(shape, call);
  }
  if (call.sink.bias != nullptr) BiasGradient(shape, call);
}

}  // namespace tern
