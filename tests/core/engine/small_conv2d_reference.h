// A convolution and the max pool behind it by their definitions, in double.
#ifndef TERN_TESTS_CORE_ENGINE_SMALL_CONV2D_REFERENCE_H_
#define TERN_TESTS_CORE_ENGINE_SMALL_CONV2D_REFERENCE_H_

#include <cstdint>
#include <vector>

#include "core/base/random.h"
#include "core/engine/layer_kernel.h"

namespace tern::testing {

inline size_t Size(int64_t count) { return static_cast<size_t>(count); }

struct Geometry {
  int64_t in_channels = 1;
  int64_t out_channels = 1;
  int64_t height = 1;
  int64_t width = 1;
  int64_t kernel = 1;
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t dilation = 1;
  int64_t groups = 1;
  int64_t pool = 1;
};

inline LayerShape MakeShape(const Geometry& g) {
  const int64_t extent = g.dilation * (g.kernel - 1) + 1;
  return {.in_channels = g.in_channels,
          .in_height = g.height,
          .in_width = g.width,
          .out_channels = g.out_channels,
          .out_height = (g.height + 2 * g.padding - extent) / g.stride + 1,
          .out_width = (g.width + 2 * g.padding - extent) / g.stride + 1,
          .kernel = g.kernel,
          .stride = g.stride,
          .padding = g.padding,
          .groups = g.groups,
          .dilation = g.dilation,
          .pool = g.pool,
          .factor = -1.5f};
}

inline std::vector<float> RandomValues(int64_t count, uint64_t seed) {
  RandomStream random({.seed = seed});
  std::vector<float> values(Size(count));
  for (float& value : values) value = 2.0f * random.NextFloat() - 1.0f;
  return values;
}

inline int64_t Patch(const LayerShape& s) { return s.in_channels / s.groups * s.kernel * s.kernel; }

inline int64_t ConvolutionElements(const LayerShape& shape) {
  return shape.out_channels * shape.out_plane();
}

// Calls body(element of the inputs, of the weight, of the convolution's outputs) for every product
// that the definition has; the zeros of the padding have none.
template <class Body>
void ForEachProduct(const LayerShape& s, int64_t count, const Body& body) {
  const int64_t out_group = s.out_channels / s.groups;
  const int64_t in_group = s.in_channels / s.groups;
  for (int64_t out = 0; out < count * ConvolutionElements(s); ++out) {
    const int64_t plane = out / s.out_plane();
    const int64_t channel = plane % s.out_channels;
    const int64_t first_plane =
        plane / s.out_channels * s.in_channels + channel / out_group * in_group;
    const int64_t top = out % s.out_plane() / s.out_width * s.stride - s.padding;
    const int64_t left = out % s.out_width * s.stride - s.padding;
    for (int64_t tap = 0; tap < Patch(s); ++tap) {
      const int64_t y = top + tap / s.kernel % s.kernel * s.dilation;
      const int64_t x = left + tap % s.kernel * s.dilation;
      if (y < 0 || y >= s.in_height || x < 0 || x >= s.in_width) continue;
      const int64_t in_plane = first_plane + tap / (s.kernel * s.kernel);
      body(Size((in_plane * s.in_height + y) * s.in_width + x), Size(channel * Patch(s) + tap),
           Size(out));
    }
  }
}

// A batch, and what the definition makes of it.
struct Reference {
  Reference(const LayerShape& s, int64_t examples)
      : shape(s),
        count(examples),
        input(RandomValues(count * s.in_elements(), 1)),
        weight(RandomValues(s.out_channels * Patch(s), 2)),
        bias(RandomValues(s.out_channels, 3)),
        output_gradient(RandomValues(count * s.out_elements(), 4)) {
    Convolve();
    Pool();
  }

  void Convolve() {
    convolution.resize(Size(count * ConvolutionElements(shape)));
    const double factor = static_cast<double>(shape.factor);
    for (size_t i = 0; i < convolution.size(); ++i) {
      convolution[i] =
          factor * static_cast<double>(bias[i / Size(shape.out_plane()) % bias.size()]);
    }
    ForEachProduct(shape, count, [&](size_t in, size_t tap, size_t out) {
      convolution[out] +=
          factor * static_cast<double>(input[in]) * static_cast<double>(weight[tap]);
    });
  }

  // The first largest of each window, whose gradient goes there alone.
  void Pool() {
    gradient.resize(convolution.size());
    const int64_t width = shape.out_width / shape.pool;
    const int64_t height = shape.out_height / shape.pool;
    for (int64_t window = 0; window < count * shape.out_elements(); ++window) {
      const int64_t plane = window / (width * height);
      const int64_t row = plane * shape.out_height + window / width % height * shape.pool;
      const int64_t corner = row * shape.out_width + window % width * shape.pool;
      size_t maximum = Size(corner);
      for (int64_t i = 0; i < shape.pool * shape.pool; ++i) {
        const size_t other = Size(corner + i / shape.pool * shape.out_width + i % shape.pool);
        if (convolution[other] > convolution[maximum]) maximum = other;
      }
      output.push_back(convolution[maximum]);
      gradient[maximum] = static_cast<double>(output_gradient[Size(window)]);
    }
  }

  LayerShape shape;
  int64_t count;
  std::vector<float> input;
  std::vector<float> weight;
  std::vector<float> bias;
  std::vector<float> output_gradient;
  std::vector<double> convolution;
  std::vector<double> output;    // pooled
  std::vector<double> gradient;  // of the convolution's output
};

}  // namespace tern::testing

#endif  // TERN_TESTS_CORE_ENGINE_SMALL_CONV2D_REFERENCE_H_
