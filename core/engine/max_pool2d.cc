#include "core/engine/max_pool2d.h"

#include "core/engine/elementwise.h"
#include "core/engine/max_pool2x2.h"

namespace tern {
namespace {

bool IsPool2x2(const LayerShape& shape) { return shape.kernel == 2 && shape.stride == 2; }

// Of one window, unless it is of 2 x 2.
int64_t PlaceBytes(const LayerShape& shape) { return shape.kernel * shape.kernel <= 256 ? 1 : 4; }

// The place in row order of the largest element of a window, whose rows are `width` apart.
inline int64_t MaximumPlace(const float* window, int64_t kernel, int64_t width) {
  int64_t best = 0;
  float maximum = window[0];
  for (int64_t y = 0; y < kernel; ++y) {
    for (int64_t x = 0; x < kernel; ++x) {
      const float value = window[y * width + x];
      best = value > maximum ? y * kernel + x : best;
      maximum = value > maximum ? value : maximum;
    }
  }
  return best;
}

void SavePlace(int64_t place, int64_t bytes, uint8_t* saved) {
  for (int64_t i = 0; i < bytes; ++i) saved[i] = static_cast<uint8_t>(place >> (8 * i));
}

int64_t SavedPlace(const uint8_t* saved, int64_t bytes) {
  int64_t place = 0;
  for (int64_t i = 0; i < bytes; ++i) place |= int64_t{saved[i]} << (8 * i);
  return place;
}

// Calls body(window, offset of its first element) for each window of the batch.
template <class Body>
void ForEachWindow(const LayerShape& shape, int64_t count, const Body& body) {
  int64_t window = 0;
  for (int64_t plane = 0; plane < count * shape.in_channels; ++plane) {
    for (int64_t y = 0; y < shape.out_height; ++y) {
      const int64_t row = plane * shape.in_plane() + y * shape.stride * shape.in_width;
      for (int64_t x = 0; x < shape.out_width; ++x) body(window++, row + x * shape.stride);
    }
  }
}

}  // namespace

int64_t MaxPool2dSavedBytes(const LayerShape& shape, int64_t batch_size) {
  const int64_t rows = batch_size * shape.out_channels * shape.out_height;
  return rows * (IsPool2x2(shape) ? MaxPool2x2PlaceBytes(shape.out_width)
                                  : shape.out_width * PlaceBytes(shape));
}

PoolPlace MaxPool2dPlace(const LayerShape& shape, const uint8_t* saved, int64_t y, int64_t x) {
  if (IsPool2x2(shape)) {
    const int place = MaxPool2x2Place(saved + y * MaxPool2x2PlaceBytes(shape.out_width), x);
    return {place / 2, place % 2};
  }
  const int64_t bytes = PlaceBytes(shape);
  const int64_t place = SavedPlace(saved + (y * shape.out_width + x) * bytes, bytes);
  return {place / shape.kernel, place % shape.kernel};
}

void MaxPool2dForward(const LayerShape& shape, const ForwardCall& call) {
  if (IsPool2x2(shape)) {
    return MaxPool2x2(shape, call.count * shape.in_channels, call.input, call.output,
                      call.saved.empty() ? nullptr : call.saved.data());
  }
  const int64_t bytes = PlaceBytes(shape);
  ForEachWindow(shape, call.count, [&](int64_t window, int64_t offset) {
    const float* from = call.input + offset;
    const int64_t place = MaximumPlace(from, shape.kernel, shape.in_width);
    call.output[window] = from[place / shape.kernel * shape.in_width + place % shape.kernel];
    if (!call.saved.empty()) SavePlace(place, bytes, call.saved.data() + bytes * window);
  });
}

void MaxPool2dBackward(const LayerShape& shape, const BackwardCall& call) {
  if (IsPool2x2(shape)) {
    return MaxPool2x2Gradient(shape, call.count * shape.in_channels, call.saved.data(),
                              call.output_gradient, call.input_gradient);
  }
  const int64_t bytes = PlaceBytes(shape);
  Fill(0.0f, call.count * shape.in_elements(), call.input_gradient);
  ForEachWindow(shape, call.count, [&](int64_t window, int64_t offset) {
    const int64_t place = SavedPlace(call.saved.data() + bytes * window, bytes);
    call.input_gradient[offset + place / shape.kernel * shape.in_width + place % shape.kernel] +=
        call.output_gradient[window];
  });
}

}  // namespace tern
