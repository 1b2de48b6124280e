#include "core/engine/avg_pool2d.h"

#include "core/engine/elementwise.h"

namespace tern {
namespace {

// Of each element in the mean of its window.
float Share(const LayerShape& shape) {
  return 1.0f / static_cast<float>(shape.kernel * shape.kernel);
}

}  // namespace

// One row of the image.
int64_t AvgPool2dForwardWorkspaceFloats(const LayerShape& shape, int64_t /*batch_size*/) {
  return shape.in_width;
}
int64_t AvgPool2dBackwardWorkspaceFloats(const LayerShape& shape, int64_t /*batch_size*/,
                                         const BackwardWork& /*work*/) {
  return shape.in_width;
}

void AvgPool2dForward(const LayerShape& shape, const ForwardCall& call) {
  float* sums = call.workspace.data();  // of the columns of a row of windows
  float* out = call.output;
  for (int64_t plane = 0; plane < call.count * shape.in_channels; ++plane) {
    const float* in = call.input + plane * shape.in_plane();
    for (int64_t y = 0; y < shape.out_height; ++y) {
      ColumnSums(in + y * shape.stride * shape.in_width, shape.kernel, shape.in_width, Share(shape),
                 false, sums);
      for (int64_t x = 0; x < shape.out_width; ++x) {
        float mean = 0.0f;
        for (int64_t i = 0; i < shape.kernel; ++i) mean += sums[x * shape.stride + i];
        *out++ = mean;
      }
    }
  }
}

void AvgPool2dBackward(const LayerShape& shape, const BackwardCall& call) {
  float* row = call.workspace.data();  // what a row of windows gives to each row that it covers
  const float* gradient = call.output_gradient;
  Fill(0.0f, call.count * shape.in_elements(), call.input_gradient);
  for (int64_t plane = 0; plane < call.count * shape.in_channels; ++plane) {
    float* in_gradient = call.input_gradient + plane * shape.in_plane();
    for (int64_t y = 0; y < shape.out_height; ++y) {
      Fill(0.0f, shape.in_width, row);
      for (int64_t x = 0; x < shape.out_width; ++x, ++gradient) {
        for (int64_t i = 0; i < shape.kernel; ++i) row[x * shape.stride + i] += *gradient;
      }
      for (int64_t i = 0; i < shape.kernel; ++i) {
        AddScaled(Share(shape), row, shape.in_width,
                  in_gradient + (y * shape.stride + i) * shape.in_width);
      }
    }
  }
}

void GlobalAvgPool2dForward(const LayerShape& shape, const ForwardCall& call) {
  for (int64_t plane = 0; plane < call.count * shape.in_channels; ++plane) {
    call.output[plane] = Sum(call.input + plane * shape.in_plane(), shape.in_plane()) /
                         static_cast<float>(shape.in_plane());
  }
}

void GlobalAvgPool2dBackward(const LayerShape& shape, const BackwardCall& call) {
  for (int64_t plane = 0; plane < call.count * shape.in_channels; ++plane) {
    Fill(call.output_gradient[plane] / static_cast<float>(shape.in_plane()), shape.in_plane(),
         call.input_gradient + plane * shape.in_plane());
  }
}

}  // namespace tern
