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

// How the layer is cut: each example's output rows come in chunks whose heights differ by at most
// one.
struct Chunks {
  int64_t patch;  // elements of a window, over all input channels
  int64_t out_height;
  int64_t count;
  int64_t max_pixels;

  explicit Chunks(const LayerShape& shape)
      : patch(shape.in_channels * shape.kernel * shape.kernel), out_height(shape.out_height) {
    const int64_t rows =
        std::clamp(kMaxColumnFloats / (patch * shape.out_width), int64_t{1}, out_height);
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
  return RoundUp(PaddedImage(shape).Floats() + kRowSlackFloats, kArenaAlignmentFloats);
}

int64_t ColumnFloats(const Chunks& chunks) {
  return RoundUp(chunks.patch * chunks.max_pixels + kRowSlackFloats, kArenaAlignmentFloats);
}

Workspace Divide(const LayerShape& shape, const Chunks& chunks, absl::Span<float> workspace) {
  const int64_t padded = PaddedFloats(shape);
  const int64_t columns = ColumnFloats(chunks);
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
void InputGradient(const LayerShape& shape, const BackwardCall& call) {
  const Chunks chunks(shape);
  const Workspace workspace = Divide(shape, chunks, call.workspace);
  for (int64_t example = 0; example < call.count; ++example) {
    const float* gradient = call.output_gradient + example * shape.out_elements();
    Fill(0.0f, PaddedImage(shape).Floats(), workspace.padded);
    ForEachChunk(
        shape, chunks, [&](int64_t first_row, int64_t rows, int64_t pixels, int64_t offset) {
          Gemm(chunks.patch, pixels, shape.out_channels, 1.0f, {call.weight, chunks.patch, true},
               {gradient + offset, shape.out_plane()}, 0.0f, workspace.columns, pixels,
               workspace.gemm);
          AddColumnsToPaddedImage(shape, workspace.columns, first_row, rows, workspace.padded);
        });
    UnpadImage(shape, workspace.padded, call.input_gradient + example * shape.in_elements());
  }
}

// dW = the sum over examples of dY columns^T.
void WeightGradient(const LayerShape& shape, const BackwardCall& call) {
  const Chunks chunks(shape);
  const Workspace workspace = Divide(shape, chunks, call.workspace);
  bool accumulate = call.sink.accumulate;
  for (int64_t example = 0; example < call.count; ++example) {
    const float* gradient = call.output_gradient + example * shape.out_elements();
    PadImage(shape, call.input + example * shape.in_elements(), workspace.padded);
    ForEachChunk(
        shape, chunks, [&](int64_t first_row, int64_t rows, int64_t pixels, int64_t offset) {
          PaddedImageToColumns(shape, workspace.padded, first_row, rows, workspace.columns);
          Gemm(shape.out_channels, chunks.patch, pixels, call.sink.scale,
               {gradient + offset, shape.out_plane()}, {workspace.columns, pixels, true},
               accumulate ? 1.0f : 0.0f, call.sink.weight, chunks.patch, workspace.gemm);
          accumulate = true;
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
    sink.bias[channel] = (sink.accumulate ? sink.bias[channel] : 0.0f) + sink.scale * sum;
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

// The padded image of one of `count` examples, in `buffer` unless it can be read where it lies:
// what is behind an image is read, never used, and must be finite, as the next example is.
const float* DirectImage(const LayerShape& shape, const float* images, int64_t example,
                         int64_t count, float* buffer) {
  const float* image = images + example * shape.in_elements();
  const int64_t slack = DirectSlackFloats(shape);
  const int64_t behind = (count - 1 - example) * shape.in_elements();
  if (shape.padding == 0 && behind >= slack) return image;
  PadImage(shape, image, buffer);
  Fill(0.0f, slack, buffer + PaddedImage(shape).Floats());
  return buffer;
}

void DirectForward(const LayerShape& shape, const ForwardCall& call) {
  const DirectWorkspace workspace(shape, call.workspace);
  PackKernels(shape, call.weight, workspace.kernels);
  for (int64_t example = 0; example < call.count; ++example) {
    ConvolveDirectly(shape, DirectImage(shape, call.input, example, call.count, workspace.padded),
                     workspace.kernels, call.bias, call.output + example * shape.out_elements());
  }
}

void DirectInputGradient(const LayerShape& shape, const BackwardCall& call) {
  const LayerShape gradient_shape = InputGradientShape(shape);
  const DirectWorkspace workspace(shape, call.workspace);
  PackMirroredKernels(shape, call.weight, workspace.kernels);
  for (int64_t example = 0; example < call.count; ++example) {
    ConvolveDirectly(
        gradient_shape,
        DirectImage(gradient_shape, call.output_gradient, example, call.count, workspace.padded),
        workspace.kernels, nullptr, call.input_gradient + example * shape.in_elements());
  }
}

void DirectWeightGradients(const LayerShape& shape, const BackwardCall& call) {
  const DirectWorkspace workspace(shape, call.workspace);
  for (int64_t example = 0; example < call.count; ++example) {
    DirectWeightGradient(shape,
                         DirectImage(shape, call.input, example, call.count, workspace.padded),
                         call.output_gradient + example * shape.out_elements(), call.sink.scale,
                         call.sink.accumulate || example > 0, call.sink.weight);
  }
}

}  // namespace

int64_t Conv2dWorkspaceFloats(const LayerShape& shape, int64_t /*batch_size*/) {
  const int64_t direct = IsDirectConvolution(shape) ? DirectWorkspace::Floats(shape) : 0;
  if (IsDirectInputGradient(shape)) return direct;
  const Chunks chunks(shape);
  return std::max(
      direct,
      PaddedFloats(shape) + ColumnFloats(chunks) +
          std::max({GemmWorkspaceFloats(shape.out_channels, chunks.max_pixels, chunks.patch),
                    GemmWorkspaceFloats(chunks.patch, chunks.max_pixels, shape.out_channels),
                    GemmWorkspaceFloats(shape.out_channels, chunks.patch, chunks.max_pixels)}));
}

void Conv2dForward(const LayerShape& shape, const ForwardCall& call) {
  if (IsDirectConvolution(shape)) return DirectForward(shape, call);
  const Chunks chunks(shape);
  const Workspace workspace = Divide(shape, chunks, call.workspace);
  for (int64_t example = 0; example < call.count; ++example) {
    float* output = call.output + example * shape.out_elements();
    for (int64_t channel = 0; channel < shape.out_channels; ++channel) {
      Fill(call.bias[channel], shape.out_plane(), output + channel * shape.out_plane());
    }
    PadImage(shape, call.input + example * shape.in_elements(), workspace.padded);
    ForEachChunk(
        shape, chunks, [&](int64_t first_row, int64_t rows, int64_t pixels, int64_t offset) {
          PaddedImageToColumns(shape, workspace.padded, first_row, rows, workspace.columns);
          Gemm(shape.out_channels, pixels, chunks.patch, 1.0f, {call.weight, chunks.patch},
               {workspace.columns, pixels}, 1.0f, output + offset, shape.out_plane(),
               workspace.gemm);
        });
  }
}

void Conv2dBackward(const LayerShape& shape, const BackwardCall& call) {
  // First: the sink may be the weight itself.
  if (call.input_gradient != nullptr) {
    (IsDirectInputGradient(shape) ? DirectInputGradient : InputGradient)(shape, call);
  }
  (IsDirectConvolution(shape) ? DirectWeightGradients : WeightGradient)(shape, call);
  BiasGradient(shape, call);
}

}  // namespace tern
