#include "core/engine/max_pool2d.h"

#include "core/engine/elementwise.h"
#include "core/engine/max_pool2x2.h"

namespace tern {
namespace {

// The offset from `window` of its largest element, rows `width` apart.
inline int64_t MaximumOffset(const float* window, int64_t kernel, int64_t width) {
  int64_t best = 0;
  float maximum = window[0];
  for (int64_t y = 0; y < kernel; ++y) {
    for (int64_t x = 0; x < kernel; ++x) {
      const int64_t offset = y * width + x;
      best = window[offset] > maximum ? offset : best;
      maximum = window[offset] > maximum ? window[offset] : maximum;
    }
  }
  return best;
}

bool IsPool2x2(const LayerShape& shape) { return shape.kernel == 2 && shape.stride == 2; }

}  // namespace

void MaxPool2dForward(const LayerShape& shape, const ForwardCall& call) {
  if (IsPool2x2(shape)) {
    return MaxPool2x2(call.input, call.count * shape.in_channels, shape.in_height, shape.in_width,
                      call.output);
  }
  float* out = call.output;
  for (int64_t plane = 0; plane < call.count * shape.in_channels; ++plane) {
    const float* in = call.input + plane * shape.in_plane();
    for (int64_t y = 0; y < shape.out_height; ++y) {
      const float* row = in + y * shape.stride * shape.in_width;
      for (int64_t x = 0; x < shape.out_width; ++x) {
        const float* window = row + x * shape.stride;
        *out++ = window[MaximumOffset(window, shape.kernel, shape.in_width)];
      }
    }
  }
}

void MaxPool2dBackward(const LayerShape& shape, const BackwardCall& call) {
  if (IsPool2x2(shape)) {
    return MaxPool2x2Gradient(call.input, call.count * shape.in_channels, shape.in_height,
                              shape.in_width, call.output_gradient, call.input_gradient);
  }
  Fill(0.0f, call.count * shape.in_elements(), call.input_gradient);
  const float* gradient = call.output_gradient;
  for (int64_t plane = 0; plane < call.count * shape.in_channels; ++plane) {
    const int64_t start = plane * shape.in_plane();
    for (int64_t y = 0; y < shape.out_height; ++y) {
      for (int64_t x = 0; x < shape.out_width; ++x) {
        const int64_t corner = start + (y * shape.in_width + x) * shape.stride;
        const int64_t offset = MaximumOffset(call.input + corner, shape.kernel, shape.in_width);
        call.input_gradient[corner + offset] += *gradient++;
      }
    }
  }
}

}  // namespace tern
