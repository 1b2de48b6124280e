#include "core/engine/conv2d.h"

#include <algorithm>

#include "core/engine/depthwise_convolution.h"
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

// Channels of an example lie group by group: to everything below, a layer with groups is one
// without that has as many times the examples. Those of one group have every groups-th of them.
LayerShape GroupShape(const LayerShape& shape) {
  LayerShape group = shape;
  group.in_channels /= shape.groups;
  group.out_channels /= shape.groups;
  group.groups = 1;
  return group;
}

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
void InputGradient(const LayerShape& layer, const BackwardCall& call) {
  const LayerShape shape = GroupShape(layer);
  const Chunks chunks(shape);
  const Workspace workspace = Divide(shape, chunks, call.workspace);
  for (int64_t image = 0; image < call.count * layer.groups; ++image) {
    const float* weight = call.weight + image % layer.groups * shape.out_channels * chunks.patch;
    const float* gradient = call.output_gradient + image * shape.out_elements();
    float* input_gradient = call.input_gradient + image * shape.in_elements();
    float* columns = IsPointwise(shape) ? input_gradient : workspace.columns;
    if (!IsPointwise(shape)) Fill(0.0f, PaddedImage(shape).Floats(), workspace.padded);
    ForEachChunk(
        shape, chunks, [&](int64_t first_row, int64_t rows, int64_t pixels, int64_t offset) {
          Gemm(chunks.patch, pixels, shape.out_channels, shape.factor, {weight, chunks.patch, true},
               {gradient + offset, shape.out_plane()}, 0.0f, columns, pixels, workspace.gemm);
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
void WeightGradient(const LayerShape& layer, const BackwardCall& call) {
  const LayerShape shape = GroupShape(layer);
  const Chunks chunks(shape);
  const Workspace workspace = Divide(shape, chunks, call.workspace);
  for (int64_t image = 0; image < call.count * layer.groups; ++image) {
    const float* gradient = call.output_gradient + image * shape.out_elements();
    float* sink = call.sink.weight + image % layer.groups * shape.out_channels * chunks.patch;
    bool accumulate = call.sink.accumulate || image >= layer.groups;
    ForEachColumns(shape, chunks, workspace, call.input + image * shape.in_elements(),
                   [&](const float* columns, int64_t pixels, int64_t offset) {
                     Gemm(shape.out_channels, chunks.patch, pixels, shape.factor * call.sink.scale,
                          {gradient + offset, shape.out_plane()}, {columns, pixels, true},
                          accumulate ? 1.0f : 0.0f, sink, chunks.patch, workspace.gemm);
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
    for (int64_t channel = 0; channel < shape.out_channels; ++channel) {
      Fill(shape.factor * call.bias[first_channel + channel], shape.out_plane(),
           output + channel * shape.out_plane());
    }
    ForEachColumns(shape, chunks, workspace, call.input + image * shape.in_elements(),
                   [&](const float* columns, int64_t pixels, int64_t offset) {
                     Gemm(shape.out_channels, pixels, chunks.patch, shape.factor,
                          {call.weight + first_channel * chunks.patch, chunks.patch},
                          {columns, pixels}, 1.0f, output + offset, shape.out_plane(),
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

int64_t DirectImageFloats(const LayerShape& shape) {
  return PaddedImage(shape).Floats() + DirectSlackFloats(shape);
}

// The workspace of a direct convolution: its kernels in the order of their use, a padded image.
struct DirectWorkspace {
  float* kernels;
  float* padded;

  DirectWorkspace(const LayerShape& shape, absl::Span<float> workspace)
      : kernels(workspace.data()),
        padded(kernels + RoundUp(PackedKernelFloats(shape), kArenaAlignmentFloats)) {}
  static int64_t Floats(const LayerShape& shape) {
    return RoundUp(PackedKernelFloats(shape), kArenaAlignmentFloats) +
           std::max(DirectImageFloats(shape), DirectImageFloats(InputGradientShape(shape)));
  }
};

// How many of `count` images can be read where they lie: what is behind an image is read, never
// used, and must be finite, as the next images are.
int64_t ImagesInPlace(const LayerShape& shape, int64_t count) {
  if (shape.padding > 0) return 0;
  const int64_t needed = DivideRoundingUp(DirectSlackFloats(shape), shape.in_elements());
  return std::max(count - needed, int64_t{0});
}

// `first`: nothing of a padded image of this shape is in `padded` yet.
void PadWithSlack(const LayerShape& shape, const float* image, bool first, float* padded) {
  if (first) Fill(0.0f, DirectImageFloats(shape), padded);
  ReplacePaddedImage(shape, image, padded);
}

// output [count, out, h', w'] of images [count, in, h, w].
void ConvolveEach(const LayerShape& shape, const float* images, int64_t count, const float* bias,
                  const DirectWorkspace& workspace, float* output) {
  const int64_t in_place = ImagesInPlace(shape, count);
  for (int64_t example = 0; example < count; ++example) {
    const float* image = images + example * shape.in_elements();
    if (example >= in_place) PadWithSlack(shape, image, example == in_place, workspace.padded);
    ConvolveDirectly(shape, example < in_place ? image : workspace.padded, workspace.kernels, bias,
                     output + example * shape.out_elements());
  }
}

void DirectForward(const LayerShape& shape, const ForwardCall& call) {
  const DirectWorkspace workspace(shape, call.workspace);
  PackKernels(shape, call.weight, workspace.kernels);
  ConvolveEach(shape, call.input, call.count, call.bias, workspace, call.output);
}

void DirectInputGradient(const LayerShape& shape, const BackwardCall& call) {
  const DirectWorkspace workspace(shape, call.workspace);
  PackMirroredKernels(shape, call.weight, workspace.kernels);
  ConvolveEach(InputGradientShape(shape), call.output_gradient, call.count, nullptr, workspace,
               call.input_gradient);
}

void DirectWeightGradients(const LayerShape& shape, const BackwardCall& call) {
  const DirectWorkspace workspace(shape, call.workspace);
  const GradientSink& sink = call.sink;
  const int64_t in_place = ImagesInPlace(shape, call.count);
  if (in_place > 0) {
    DirectWeightGradient(shape, call.input, call.output_gradient, in_place, sink.scale,
                         sink.accumulate, sink.weight);
  }
  for (int64_t example = in_place; example < call.count; ++example) {
    PadWithSlack(shape, call.input + example * shape.in_elements(), example == in_place,
                 workspace.padded);
    DirectWeightGradient(shape, workspace.padded,
                         call.output_gradient + example * shape.out_elements(), 1, sink.scale,
                         sink.accumulate || example > 0, sink.weight);
  }
}

}  // namespace

int64_t Conv2dWorkspaceFloats(const LayerShape& layer, int64_t /*batch_size*/) {
  if (IsDepthwiseConvolution(layer)) return DepthwiseWorkspaceFloats(layer);
  const int64_t direct = IsDirectConvolution(layer) ? DirectWorkspace::Floats(layer) : 0;
  if (IsDirectInputGradient(layer)) return direct;
  const LayerShape shape = GroupShape(layer);
  const Chunks chunks(shape);
  return std::max(
      direct,
      PaddedFloats(shape) + ColumnFloats(shape, chunks) +
          std::max({GemmWorkspaceFloats(shape.out_channels, chunks.max_pixels, chunks.patch),
                    GemmWorkspaceFloats(chunks.patch, chunks.max_pixels, shape.out_channels),
                    GemmWorkspaceFloats(shape.out_channels, chunks.patch, chunks.max_pixels)}));
}

void Conv2dForward(const LayerShape& shape, const ForwardCall& call) {
  if (IsDepthwiseConvolution(shape)) return DepthwiseForward(shape, call);
  if (IsDirectConvolution(shape)) return DirectForward(shape, call);
  ForwardByColumns(shape, call);
}

void Conv2dBackward(const LayerShape& shape, const BackwardCall& call) {
  const bool depthwise = IsDepthwiseConvolution(shape);
  // First: the sink may be the weight itself.
  if (call.input_gradient != nullptr) {
    (depthwise                      ? DepthwiseInputGradient
     : IsDirectInputGradient(shape) ? DirectInputGradient
                                    : InputGradient)(shape, call);
  }
  (depthwise                    ? DepthwiseWeightGradient
   : IsDirectConvolution(shape) ? DirectWeightGradients
                                : WeightGradient)(shape, call);
  BiasGradient(shape, call);
}

}  // namespace tern
