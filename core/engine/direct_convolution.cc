#include "core/engine/direct_convolution.h"

#include <algorithm>

#include "core/engine/direct_convolution_tiles.h"
#include "core/engine/elementwise.h"
#include "core/engine/gemm_blocking.h"
#include "core/engine/image_columns.h"
#include "core/engine/memory_planner.h"

namespace tern {
namespace {

constexpr int64_t kMaxStride = 2;

TapConvolution ForwardConvolution(const LayerShape& shape) {
  const PaddedImage padded(shape);
  TapConvolution forward{.in_channels = shape.in_channels,
                         .in_plane = padded.Offset(1, 0, 0),
                         .in_row = padded.Offset(0, shape.stride, 0),
                         .out_channels = shape.out_channels,
                         .out_height = shape.out_height,
                         .out_width = shape.out_width,
                         .out_plane = shape.out_plane(),
                         .out_row = shape.out_width,
                         .first_row = shape.padding,
                         .end_row = shape.padding + shape.in_height};
  for (int64_t y = 0; y < shape.kernel; ++y) {
    for (int64_t x = 0; x < shape.kernel; ++x) {
      forward.offsets[forward.taps] = padded.Offset(0, y * shape.dilation, x * shape.dilation);
      forward.elements[forward.taps] = forward.taps;
      ++forward.taps;
    }
  }
  if (shape.stride == 1 && shape.dilation == 1) forward.kernel = shape.kernel;
  return forward;
}

// The image of the outputs' gradient with as many zeros around it as the inputs' gradient meets:
// below as many as above, though fewer may do.
LayerShape GradientImage(const LayerShape& shape) {
  const int64_t extent = shape.dilation * (shape.kernel - 1);
  const int64_t above = (extent - shape.padding) / shape.stride;
  const int64_t last = (shape.in_height - 1 + shape.padding) / shape.stride;
  const int64_t last_column = (shape.in_width - 1 + shape.padding) / shape.stride;
  return {.in_channels = shape.out_channels,
          .in_height = shape.out_height,
          .in_width = shape.out_width,
          .padding = std::max(
              {above, last - (shape.out_height - 1), last_column - (shape.out_width - 1)})};
}

// Of the inputs' gradient, the rows row0, row0 + stride, ... and the columns column0, ...: outputs
// meet them in the same elements of a kernel. Written as the padded image of the input has them.
TapConvolution InputGradientConvolution(const LayerShape& shape, int64_t row0, int64_t column0) {
  const LayerShape image = GradientImage(shape);
  const PaddedImage from(image);
  const PaddedImage to(shape);
  TapConvolution backward{.in_channels = shape.out_channels,
                          .in_plane = from.Offset(1, 0, 0),
                          .in_row = from.Offset(0, 1, 0),
                          .out_channels = shape.in_channels,
                          .out_height = DivideRoundingUp(shape.in_height - row0, shape.stride),
                          .out_width = DivideRoundingUp(shape.in_width - column0, shape.stride),
                          .out_plane = to.Offset(1, 0, 0),
                          .out_row = to.Offset(0, shape.stride, 0),
                          .first_row = image.padding,
                          .end_row = image.padding + image.in_height};
  for (int64_t y = shape.kernel - 1; y >= 0; --y) {
    for (int64_t x = shape.kernel - 1; x >= 0; --x) {
      const int64_t row = row0 + shape.padding - y * shape.dilation;
      const int64_t column = column0 + shape.padding - x * shape.dilation;
      if (row % shape.stride != 0 || column % shape.stride != 0) continue;
      backward.offsets[backward.taps] =
          from.Offset(0, image.padding + row / shape.stride, image.padding + column / shape.stride);
      backward.elements[backward.taps++] = y * shape.kernel + x;
    }
  }
  if (shape.stride == 1) {
    backward.out_plane = shape.in_plane();
    backward.out_row = shape.in_width;
    if (shape.dilation == 1) backward.kernel = shape.kernel;
  }
  return backward;
}

// All of it: written to the input's gradient itself for stride 1, else to a padded image.
struct InputGradientConvolutions {
  int64_t count = 0;
  TapConvolution parts[kMaxStride * kMaxStride];
  int64_t kernels[kMaxStride * kMaxStride];  // where those of a part start
  int64_t output[kMaxStride * kMaxStride];   // and what it writes
  int64_t output_stride = 0;

  explicit InputGradientConvolutions(const LayerShape& shape) {
    const PaddedImage padded(shape);
    output_stride = shape.stride == 1 ? shape.in_elements() : padded.Floats();
    int64_t taps = 0;
    for (int64_t row = 0; row < shape.stride; ++row) {
      for (int64_t column = 0; column < shape.stride; ++column, ++count) {
        parts[count] = InputGradientConvolution(shape, row, column);
        kernels[count] = taps * shape.in_channels * shape.out_channels;
        output[count] = padded.Offset(0, row + shape.padding, column + shape.padding);
        taps += parts[count].taps;
      }
    }
  }
};

int64_t KernelFloats(const LayerShape& shape) {
  return shape.out_channels * shape.in_channels * shape.kernel * shape.kernel;
}

int64_t PackedFloats(const LayerShape& layer) {
  return RoundUp(layer.groups * KernelFloats(GroupShape(layer)), kArenaAlignmentFloats);
}

// Puts kernels in the order in which ConvolveTaps reads them; of `weight`, those of output channel
// o and input channel i start at o * out_stride + i * in_stride.
void PackKernels(const TapConvolution& convolution, const float* weight, int64_t out_stride,
                 int64_t in_stride, float factor, float* packed) {
  const EvenParts blocks(convolution.out_channels, kMaxTileChannels);
  for (int64_t block = 0; block < blocks.count; ++block) {
    const int64_t start = blocks.Start(block);
    const int64_t channels = blocks.Size(block);
    for (int64_t in = 0; in < convolution.in_channels; ++in) {
      for (int64_t t = 0; t < convolution.taps; ++t) {
        const float* element =
            weight + start * out_stride + in * in_stride + convolution.elements[t];
        for (int64_t out = 0; out < channels; ++out) *packed++ = factor * element[out * out_stride];
      }
    }
  }
}

void PackMirroredKernels(const LayerShape& layer, const InputGradientConvolutions& backward,
                         const float* weight, float* packed) {
  const LayerShape shape = GroupShape(layer);
  const int64_t size = shape.kernel * shape.kernel;
  for (int64_t group = 0; group < layer.groups; ++group) {
    for (int64_t i = 0; i < backward.count; ++i) {
      PackKernels(backward.parts[i], weight + group * KernelFloats(shape), size,
                  shape.in_channels * size, shape.factor,
                  packed + group * KernelFloats(shape) + backward.kernels[i]);
    }
  }
}

// How many of `count` images can be read where they lie, each with the `slack` floats behind it:
// these are read, never used, and must be finite, as the next images are.
int64_t ImagesInPlace(const LayerShape& shape, int64_t slack, int64_t count) {
  if (shape.padding > 0 || shape.stride > 1) return 0;
  return std::max(count - DivideRoundingUp(slack, shape.in_elements()), int64_t{0});
}

// Images that are taken in one pass: small ones would not be worth a pass each.
int64_t ImagesAtOnce(const LayerShape& shape, int64_t count) {
  constexpr int64_t kFloats = 4096;
  return std::clamp(kFloats / PaddedImage(shape).Floats(), int64_t{1}, count);
}

// So many images as one, of which their channels are the channels.
LayerShape Stack(LayerShape shape, int64_t images) {
  shape.in_channels *= images;
  return shape;
}

// Images that lie in padding, or need none.
struct Images {
  int64_t count;
  const float* first;
  int64_t stride;
};

// Calls body(first image, Images) until all `count` have been given. `padded` has room for
// PaddedFloats.
template <class Body>
void ForEachImages(const LayerShape& shape, const float* images, int64_t count, float* padded,
                   const Body& body) {
  const int64_t in_place = ImagesInPlace(shape, kRowSlackFloats, count);
  const int64_t at_once = ImagesAtOnce(shape, count);
  const int64_t stride = PaddedImage(shape).Floats();
  if (in_place < count) Fill(0.0f, at_once * stride + kRowSlackFloats, padded);
  int64_t some = 0;
  for (int64_t image = 0; image < count; image += some) {
    some = std::min(at_once, (image < in_place ? in_place : count) - image);
    const float* from = images + image * shape.in_elements();
    if (image >= in_place) ReplacePaddedImage(Stack(shape, some), from, padded);
    body(image, Images{some, image < in_place ? from : padded, stride});
  }
}

int64_t PaddedFloats(const LayerShape& shape, int64_t count) {
  return RoundUp(ImagesAtOnce(shape, count) * PaddedImage(shape).Floats() + kRowSlackFloats,
                 kArenaAlignmentFloats);
}

int64_t GradientSlackFloats(const LayerShape& shape) {
  return kRowSlackFloats + (kMaxStripRows - 1) * PaddedImage(shape).Offset(0, shape.stride, 0);
}

KernelGradient MakeKernelGradient(const LayerShape& shape) {
  const PaddedImage padded(shape);
  KernelGradient gradient{.in_channels = shape.in_channels,
                          .in_plane = padded.Offset(1, 0, 0),
                          .in_row = padded.Offset(0, shape.stride, 0),
                          .kernel_row = padded.Offset(0, shape.dilation, 0),
                          .kernel = shape.kernel,
                          .out_height = shape.out_height,
                          .out_width = shape.out_width};
  for (int64_t x = 0; x < shape.kernel; ++x) {
    gradient.columns[x] = padded.Offset(0, 0, x * shape.dilation);
  }
  return gradient;
}

// The kernels' gradient of one group; `images` and `outputs` are those of its first example.
void WeightGradientOfGroup(const LayerShape& shape, int64_t groups, const KernelGradient& gradient,
                           KernelGradientCall call, int64_t count, float* padded) {
  const int64_t image_stride = groups * shape.in_elements();
  const float* images = call.image;
  const float* outputs = call.gradient;
  const int64_t in_place = groups > 1 ? 0 : ImagesInPlace(shape, GradientSlackFloats(shape), count);
  const int64_t at_once = ImagesAtOnce(shape, count);
  for (int64_t example = 0; example < count; example += call.examples) {
    if (example < in_place) {
      call.examples = in_place;
      call.image = images;
      call.image_stride = image_stride;
    } else {
      call.examples = std::min(at_once, count - example);
      call.image = padded;
      call.image_stride = PaddedImage(shape).Floats();
      for (int64_t i = 0; i < call.examples; ++i) {
        ReplacePaddedImage(shape, images + (example + i) * image_stride,
                           padded + i * call.image_stride);
      }
    }
    call.gradient = outputs + example * call.gradient_stride;
    AddKernelGradient(gradient, call);
    call.accumulate = true;
  }
}

}  // namespace

bool IsDirectConvolution(const LayerShape& layer) {
  constexpr int64_t kMaxChannels = 32;
  const LayerShape shape = GroupShape(layer);
  const bool depthwise = layer.groups > 1 && shape.in_channels == 1;
  return shape.stride <= kMaxStride &&
         (shape.kernel == 3 || shape.kernel == 5 || (shape.kernel == 7 && depthwise)) &&
         std::max(shape.in_channels, shape.out_channels) <= kMaxChannels;
}

bool IsDirectInputGradient(const LayerShape& layer) {
  // Writing and adding a column costs about as much as its product with so many channels.
  constexpr int64_t kColumnChannels = 8;
  const LayerShape shape = GroupShape(layer);
  const int64_t outputs = shape.out_plane() * shape.stride * shape.stride;
  return IsDirectConvolution(layer) &&
         (shape.in_plane() - outputs) * shape.out_channels <= kColumnChannels * outputs;
}

bool IsDirectWeightGradient(const LayerShape& layer) {
  const LayerShape shape = GroupShape(layer);
  return IsDirectConvolution(layer) && (shape.stride == 1 || shape.in_channels < 4);
}

int64_t DirectForwardWorkspaceFloats(const LayerShape& layer, int64_t batch_size) {
  const LayerShape shape = GroupShape(layer);
  return PackedFloats(layer) + PaddedFloats(shape, batch_size * layer.groups);
}

int64_t DirectInputGradientWorkspaceFloats(const LayerShape& layer, int64_t batch_size) {
  const LayerShape shape = GroupShape(layer);
  const LayerShape image = GradientImage(shape);
  const int64_t images = batch_size * layer.groups;
  const int64_t sums =
      shape.stride == 1 ? 0 : ImagesAtOnce(image, images) * PaddedImage(shape).Floats();
  return PackedFloats(layer) + PaddedFloats(image, images) + sums;
}

int64_t DirectWeightGradientWorkspaceFloats(const LayerShape& layer, int64_t batch_size) {
  const LayerShape shape = GroupShape(layer);
  return ImagesAtOnce(shape, batch_size) * PaddedImage(shape).Floats() + GradientSlackFloats(shape);
}

void DirectForward(const LayerShape& layer, const ForwardCall& call) {
  const LayerShape shape = GroupShape(layer);
  const TapConvolution forward = ForwardConvolution(shape);
  const int64_t size = shape.kernel * shape.kernel;
  float* kernels = call.workspace.data();
  for (int64_t group = 0; group < layer.groups; ++group) {
    PackKernels(forward, call.weight + group * KernelFloats(shape), shape.in_channels * size, size,
                shape.factor, kernels + group * KernelFloats(shape));
  }
  ForEachImages(shape, call.input, call.count * layer.groups, kernels + PackedFloats(layer),
                [&](int64_t first, const Images& images) {
                  ConvolveTaps(forward, {.images = images.count,
                                         .image = images.first,
                                         .image_stride = images.stride,
                                         .groups = layer.groups,
                                         .group = first % layer.groups,
                                         .kernels = kernels,
                                         .kernel_stride = KernelFloats(shape),
                                         .bias = call.bias,
                                         .bias_factor = shape.factor,
                                         .activation = call.activation,
                                         .output = call.output + first * shape.out_elements(),
                                         .output_stride = shape.out_elements()});
                });
}

void DirectInputGradient(const LayerShape& layer, const BackwardCall& call) {
  const LayerShape shape = GroupShape(layer);
  const LayerShape from = GradientImage(shape);
  const InputGradientConvolutions backward(shape);
  const int64_t count = call.count * layer.groups;
  float* kernels = call.workspace.data();
  PackMirroredKernels(layer, backward, call.weight, kernels);
  float* padded = kernels + PackedFloats(layer);
  float* sums = padded + PaddedFloats(from, count);
  ForEachImages(from, call.output_gradient, count, padded,
                [&](int64_t first, const Images& images) {
                  float* to = call.input_gradient + first * shape.in_elements();
                  for (int64_t i = 0; i < backward.count; ++i) {
                    ConvolveTaps(backward.parts[i],
                                 {.images = images.count,
                                  .image = images.first,
                                  .image_stride = images.stride,
                                  .groups = layer.groups,
                                  .group = first % layer.groups,
                                  .kernels = kernels + backward.kernels[i],
                                  .kernel_stride = KernelFloats(shape),
                                  .output = shape.stride == 1 ? to : sums + backward.output[i],
                                  .output_stride = backward.output_stride});
                  }
                  if (shape.stride > 1) UnpadImage(Stack(shape, images.count), sums, to);
                });
}

void DirectWeightGradient(const LayerShape& layer, const BackwardCall& call) {
  const LayerShape shape = GroupShape(layer);
  const KernelGradient gradient = MakeKernelGradient(shape);
  Fill(0.0f, DirectWeightGradientWorkspaceFloats(layer, call.count), call.workspace.data());
  for (int64_t group = 0; group < layer.groups; ++group) {
    const int64_t first_channel = group * shape.out_channels;
    const int64_t channels =
        std::min(shape.out_channels, call.sink.weight_channels - first_channel);
    if (channels <= 0) break;
    WeightGradientOfGroup(shape, layer.groups, gradient,
                          {.gradient_stride = layer.groups * shape.out_elements(),
                           .image = call.input + group * shape.in_elements(),
                           .gradient = call.output_gradient + first_channel * shape.out_plane(),
                           .channels = channels,
                           .scale = shape.factor * call.sink.scale,
                           .accumulate = call.sink.accumulate,
                           .sink = call.sink.weight + group * KernelFloats(shape)},
                          call.count, call.workspace.data());
  }
}

}  // namespace tern
