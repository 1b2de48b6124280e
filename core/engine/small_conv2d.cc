#include "core/engine/small_conv2d.h"

#include <algorithm>

#include "core/engine/elementwise.h"
#include "core/engine/max_pool2d.h"
#include "core/engine/small_conv2d_rows.h"

namespace tern {
namespace {

// A strip of gradients takes at most so many floats, unless one row needs more.
constexpr int64_t kStripFloats = 128;

// The max_pool2d behind the convolution.
LayerShape PoolShape(const LayerShape& shape) {
  return {.in_channels = shape.out_channels,
          .in_height = shape.out_height,
          .in_width = shape.out_width,
          .out_channels = shape.out_channels,
          .out_height = shape.out_height / shape.pool,
          .out_width = shape.out_width / shape.pool,
          .kernel = shape.pool,
          .stride = shape.pool};
}

// Of one row of windows in one channel.
LayerShape PoolStripShape(const LayerShape& shape) {
  LayerShape strip = PoolShape(shape);
  strip.in_channels = strip.out_channels = 1;
  strip.in_height = shape.pool;
  strip.in_width = strip.out_width * shape.pool;
  strip.out_height = 1;
  return strip;
}

int64_t Patch(const LayerShape& shape) {
  return shape.in_channels / shape.groups * shape.kernel * shape.kernel;
}

// The image of the group of output channel `channel` in `images`.
template <class T>
T* GroupImage(const LayerShape& shape, T* images, int64_t example, int64_t channel) {
  const int64_t group = channel / (shape.out_channels / shape.groups);
  return images +
         (example * shape.groups + group) * shape.in_channels / shape.groups * shape.in_plane();
}

// How many output channels from `channel` on run at once.
int64_t ChannelsAtOnce(const LayerShape& shape, int64_t channel) {
  const int64_t group = shape.out_channels / shape.groups;
  return group - channel % group >= kChannelTile ? kChannelTile : 1;
}

// Pools the strip in the workspace, which becomes row `row` of all rows of windows in the batch.
void PoolStrip(const LayerShape& strip, const ForwardCall& call, int64_t channel, int64_t row) {
  const auto saved_bytes = static_cast<size_t>(MaxPool2dSavedBytes(strip, 1));
  const size_t first_byte = call.saved.empty() ? 0 : static_cast<size_t>(row) * saved_bytes;
  MaxPool2dForward(strip, {.count = 1,
                           .input = call.workspace.data() + channel * strip.in_plane(),
                           .output = call.output + row * strip.out_width,
                           .saved = call.saved.subspan(first_byte),
                           .workspace = {}});
}

// A row of windows, or one row where nothing is pooled, of as many channels as run at once.
void ForwardRow(const LayerShape& shape, const ForwardCall& call, int64_t example, int64_t channel,
                int64_t y) {
  const LayerShape strip = PoolStripShape(shape);
  const int64_t columns = strip.in_width;
  const int64_t rows = shape.out_height / shape.pool;
  const bool pooled = shape.pool > 1;
  const int64_t channels = ChannelsAtOnce(shape, channel);
  const int64_t first_row = (example * shape.out_channels + channel) * rows + y;
  OutputRow row = {.image = GroupImage(shape, call.input, example, channel),
                   .weight = call.weight + channel * Patch(shape),
                   .bias = call.bias + channel,
                   .columns = columns,
                   .out = pooled ? call.workspace.data() : call.output + first_row * columns,
                   .out_stride = pooled ? strip.in_plane() : shape.out_plane()};
  for (row.y = y * shape.pool; row.y < (y + 1) * shape.pool; ++row.y, row.out += columns) {
    ConvolveRow(shape, channels, row);
  }
  for (int64_t c = 0; pooled && c < channels; ++c) {
    PoolStrip(strip, call, c, first_row + c * rows);
  }
}

// How the backward pass runs. Between the gradients of a pool or of a longer stride, and around
// those of a kernel that is nearly as wide as the image, rows of the image would meet mostly zeros.
bool RunsAlongImage(const LayerShape& shape) {
  return shape.stride == 1 && shape.pool == 1 && 2 * shape.out_width >= shape.in_width;
}

// How the gradient of a channel's output is cut into strips, and their layout: rows lie in zeros,
// the margins before and behind each, which two rows share.
struct StripLayout {
  int64_t margin;
  int64_t row_stride;
  int64_t rows;

  explicit StripLayout(const LayerShape& shape)
      : margin(shape.dilation * (shape.kernel - 1) - shape.padding),
        row_stride(shape.out_width + margin),
        rows(std::clamp((kStripFloats - margin) / row_stride, int64_t{1}, shape.out_height)) {}
  int64_t Floats() const { return margin + rows * row_stride; }
};

int64_t StripFloats(const LayerShape& shape) {
  return RunsAlongImage(shape) ? StripLayout(shape).Floats() : 0;
}

// AddProductsOfStrip for a plane of the gradient, strip by strip.
void AddProductsOfPlane(const LayerShape& shape, const float* gradient, absl::Span<float> workspace,
                        const GradientProducts& products) {
  const StripLayout layout(shape);
  GradientStrip strip = {.row = workspace.data() + layout.margin, .row_stride = layout.row_stride};
  Fill(0.0f, layout.Floats(), workspace.data());
  for (int64_t y = 0; y < shape.out_height; y += layout.rows) {
    strip.first_y = y;
    strip.rows = std::min(layout.rows, shape.out_height - y);
    for (int64_t r = 0; r < strip.rows; ++r) {
      std::copy_n(gradient + (y + r) * shape.out_width, shape.out_width,
                  workspace.data() + layout.margin + r * layout.row_stride);
    }
    AddProductsOfStrip(shape, strip, products);
  }
}

// Adds what a channel of all examples does to both gradients.
void BackwardChannel(const LayerShape& shape, const BackwardCall& call, int64_t channel,
                     float* weight_gradient) {
  const LayerShape pool = PoolShape(shape);
  const int64_t saved_bytes =
      shape.pool == 1 ? 0 : MaxPool2dSavedBytes(pool, 1) / pool.out_channels;
  GradientProducts products = {.weight = call.weight + channel * Patch(shape),
                               .weight_gradient = weight_gradient};
  for (int64_t example = 0; example < call.count; ++example) {
    const int64_t plane = example * shape.out_channels + channel;
    const float* gradient = call.output_gradient + plane * pool.out_plane();
    if (weight_gradient != nullptr) {
      products.image = GroupImage(shape, call.input, example, channel);
    }
    if (call.input_gradient != nullptr) {
      products.image_gradient = GroupImage(shape, call.input_gradient, example, channel);
    }
    if (RunsAlongImage(shape)) {
      AddProductsOfPlane(shape, gradient, call.workspace, products);
    } else {
      AddProductsOfElements(shape, pool, gradient, call.saved.data() + plane * saved_bytes,
                            products);
    }
  }
}

void BiasGradient(const LayerShape& shape, const BackwardCall& call) {
  const GradientSink& sink = call.sink;
  const int64_t plane_floats = shape.out_elements() / shape.out_channels;
  for (int64_t channel = 0; channel < shape.out_channels; ++channel) {
    float sum = 0.0f;
    for (int64_t example = 0; example < call.count; ++example) {
      const int64_t plane = example * shape.out_channels + channel;
      sum += Sum(call.output_gradient + plane * plane_floats, plane_floats);
    }
    sink.bias[channel] =
        (sink.accumulate ? sink.bias[channel] : 0.0f) + shape.factor * sink.scale * sum;
  }
}

}  // namespace

int64_t SmallConv2dSavedBytes(const LayerShape& shape, int64_t batch_size) {
  return shape.pool == 1 ? 0 : MaxPool2dSavedBytes(PoolShape(shape), batch_size);
}

int64_t SmallConv2dForwardWorkspaceFloats(const LayerShape& shape, int64_t /*batch_size*/) {
  if (shape.pool == 1) return 0;
  return ChannelsAtOnce(shape, 0) * PoolStripShape(shape).in_plane();
}

int64_t SmallConv2dBackwardWorkspaceFloats(const LayerShape& shape, int64_t /*batch_size*/,
                                           const BackwardWork& work) {
  const bool weight = work.weight_channels > 0;
  if (!work.input_gradient && !weight) return 0;
  return StripFloats(shape) + (weight ? Patch(shape) : 0);
}

void SmallConv2dForward(const LayerShape& shape, const ForwardCall& call) {
  for (int64_t example = 0; example < call.count; ++example) {
    for (int64_t channel = 0; channel < shape.out_channels;
         channel += ChannelsAtOnce(shape, channel)) {
      for (int64_t y = 0; y < shape.out_height / shape.pool; ++y) {
        ForwardRow(shape, call, example, channel, y);
      }
    }
  }
  const int64_t count = call.count * shape.out_elements();
  if (call.activation == Activation::kRelu) Relu(call.output, count, call.output);
  if (call.activation == Activation::kRelu6) Relu6(call.output, count, call.output);
}

void SmallConv2dBackward(const LayerShape& shape, const BackwardCall& call) {
  const GradientSink& sink = call.sink;
  const bool input_wanted = call.input_gradient != nullptr;
  if (input_wanted) Fill(0.0f, call.count * shape.in_elements(), call.input_gradient);
  const int64_t patch = Patch(shape);
  for (int64_t channel = 0; channel < shape.out_channels; ++channel) {
    const bool weight_wanted = sink.weight != nullptr && channel < sink.weight_channels;
    if (!input_wanted && !weight_wanted) break;
    float* gradient = weight_wanted ? call.workspace.data() + StripFloats(shape) : nullptr;
    if (weight_wanted) Fill(0.0f, patch, gradient);
    BackwardChannel(shape, call, channel, gradient);
    if (!weight_wanted) continue;
    float* to = sink.weight + channel * patch;
    const float scale = shape.factor * sink.scale;
    if (sink.accumulate) {
      AddScaled(scale, gradient, patch, to);
    } else {
      Multiply(scale, gradient, patch, to);
    }
  }
  if (sink.bias != nullptr) BiasGradient(shape, call);
}

}  // namespace tern
