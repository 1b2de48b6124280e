// The forward kernels of direct convolutions for one target. Included once for each target by
// direct_convolution.cc, nowhere else.

#if defined(TERN_CORE_ENGINE_DIRECT_CONVOLUTION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERN_CORE_ENGINE_DIRECT_CONVOLUTION_INL_H_
#undef TERN_CORE_ENGINE_DIRECT_CONVOLUTION_INL_H_
#else
#define TERN_CORE_ENGINE_DIRECT_CONVOLUTION_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "core/engine/direct_convolution_tiles.h"
#include "core/engine/gemm_blocking.h"
#include "core/engine/row_vectors-inl.h"
#include "core/engine/simd-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tern {
namespace HWY_NAMESPACE {

#if HWY_TARGET <= HWY_AVX3 || (HWY_TARGET == HWY_NEON && HWY_ARCH_ARM_A64)
constexpr int kRegisters = 32;
#else
constexpr int kRegisters = 16;
#endif

// Walks over an output plane vector by vector and row by row, and stays at the last vector.
template <class D>
class Cursor {
 public:
  explicit Cursor(const LayerShape& shape) : shape_(shape) {}

  int64_t y() const { return y_; }
  int64_t x() const { return VectorStart<D>(x_, shape_.out_width); }
  void Advance() {
    constexpr int64_t kLanes = hn::MaxLanes(D());
    if (x_ + kLanes < shape_.out_width) {
      x_ += kLanes;
    } else if (y_ + 1 < shape_.out_height) {
      x_ = 0;
      ++y_;
    }
  }

 private:
  const LayerShape& shape_;
  int64_t y_ = 0;
  int64_t x_ = 0;
};

// Accumulators, the vectors that they share, and one element of a kernel fill the registers.
constexpr int TileVectors(int channels) { return std::min(8, (kRegisters - 1) / (channels + 1)); }

template <class D, int kChannels, int kVectors>
HWY_INLINE void StartSums(const LayerShape& shape, const float* bias,
                          hn::Vec<D> (&sum)[kChannels][kVectors]) {
  HWY_UNROLL(6)
  for (int o = 0; o < kChannels; ++o) {
    const auto start = hn::Set(D(), bias == nullptr ? 0.0f : shape.factor * bias[o]);
    HWY_UNROLL(8)
    for (int v = 0; v < kVectors; ++v) sum[o][v] = start;
  }
}

// Adds what one element of each channel's kernel gives.
template <class D, int kChannels, int kVectors>
HWY_INLINE void AddElement(const float* image, const int64_t (&from)[kVectors],
                           const float* HWY_RESTRICT elements,
                           hn::Vec<D> (&sum)[kChannels][kVectors]) {
  hn::Vec<D> values[kVectors];
  HWY_UNROLL(8)
  for (int v = 0; v < kVectors; ++v) values[v] = hn::LoadU(D(), image + from[v]);
  HWY_UNROLL(6)
  for (int o = 0; o < kChannels; ++o) {
    const auto element = hn::Set(D(), elements[o]);
    HWY_UNROLL(8)
    for (int v = 0; v < kVectors; ++v) sum[o][v] = hn::MulAdd(element, values[v], sum[o][v]);
  }
}

// kVectors vectors of outputs in kChannels planes, the first at `cursor`, which moves behind them.
template <class D, int kChannels, int kVectors>
void ForwardTile(const LayerShape& shape, const float* padded, const float* HWY_RESTRICT kernels,
                 const float* bias, Cursor<D>& cursor, float* HWY_RESTRICT output) {
  const int64_t width = shape.in_width + 2 * shape.padding;
  int64_t from[kVectors];
  int64_t to[kVectors];
  int64_t lanes[kVectors];
  HWY_UNROLL(1)
  for (int v = 0; v < kVectors; ++v) {
    from[v] = cursor.y() * width + cursor.x();
    to[v] = cursor.y() * shape.out_width + cursor.x();
    lanes[v] = LanesInRow<D>(cursor.x(), shape.out_width);
    cursor.Advance();
  }
  hn::Vec<D> sum[kChannels][kVectors];
  StartSums<D>(shape, bias, sum);
  const int64_t plane = (shape.in_height + 2 * shape.padding) * width;
  for (int64_t channel = 0; channel < shape.in_channels; ++channel) {
    for (int64_t y = 0; y < shape.kernel; ++y) {
      const float* row = padded + channel * plane + y * width;
      for (int64_t x = 0; x < shape.kernel; ++x, ++row, kernels += kChannels) {
        AddElement<D>(row, from, kernels, sum);
      }
    }
  }
  HWY_UNROLL(6)
  for (int o = 0; o < kChannels; ++o) {
    float* out = output + o * shape.out_plane();
    HWY_UNROLL(8)
    for (int v = 0; v < kVectors; ++v) StoreInRow(D(), sum[o][v], lanes[v], out + to[v]);
  }
}

// Adds what one column of each channel's kernel gives to kRows rows of outputs. `image` is the
// first row that they meet; those outside [begin, end) are padding.
template <class D, int kChannels, int kRows, int kKernel>
HWY_INLINE void AddKernelColumn(const float* image, int64_t width, int64_t begin, int64_t end,
                                const float* HWY_RESTRICT elements,
                                hn::Vec<D> (&sum)[kChannels][kRows]) {
  hn::Vec<D> element[kChannels][kKernel];
  HWY_UNROLL(2)
  for (int o = 0; o < kChannels; ++o) {
    HWY_UNROLL(5)
    for (int y = 0; y < kKernel; ++y) {
      element[o][y] = hn::Set(D(), elements[y * kKernel * kChannels + o]);
    }
  }
  HWY_UNROLL(12)
  for (int i = 0; i < kRows + kKernel - 1; ++i) {
    if (i < begin || i >= end) continue;
    const auto value = hn::LoadU(D(), image + i * width);
    HWY_UNROLL(5)
    for (int y = 0; y < kKernel; ++y) {
      if (i < y || i >= y + kRows) continue;
      HWY_UNROLL(2)
      for (int o = 0; o < kChannels; ++o) {
        sum[o][i - y] = hn::MulAdd(element[o][y], value, sum[o][i - y]);
      }
    }
  }
}

// kRows whole rows of outputs in kChannels planes from `row` on, where `padded` and `output` are:
// an element of the image serves several rows from a register, which for one or two channels is
// what saves loads.
template <class D, int kChannels, int kRows, int kKernel>
void ForwardStrip(const LayerShape& shape, int64_t row, const float* padded,
                  const float* HWY_RESTRICT kernels, const float* bias,
                  float* HWY_RESTRICT output) {
  constexpr int64_t kLanes = hn::MaxLanes(D());
  const int64_t width = shape.in_width + 2 * shape.padding;
  const int64_t plane = (shape.in_height + 2 * shape.padding) * width;
  const int64_t begin = shape.padding - row;
  for (int64_t column = 0; column < shape.out_width; column += kLanes) {
    const int64_t first = VectorStart<D>(column, shape.out_width);
    hn::Vec<D> sum[kChannels][kRows];
    StartSums<D>(shape, bias, sum);
    for (int64_t channel = 0; channel < shape.in_channels; ++channel) {
      const float* image = padded + channel * plane + first;
      const float* elements = kernels + channel * kKernel * kKernel * kChannels;
      for (int64_t x = 0; x < kKernel; ++x, ++image, elements += kChannels) {
        AddKernelColumn<D, kChannels, kRows, kKernel>(image, width, begin, begin + shape.in_height,
                                                      elements, sum);
      }
    }
    HWY_UNROLL(2)
    for (int o = 0; o < kChannels; ++o) {
      HWY_UNROLL(8)
      for (int r = 0; r < kRows; ++r) {
        float* to = output + o * shape.out_plane() + r * shape.out_width + first;
        StoreInRow(D(), sum[o][r], LanesInRow<D>(first, shape.out_width), to);
      }
    }
  }
}

// The last strip may compute rows again that the one before it has computed.
template <class D, int kChannels, int kRows>
void ForwardStrips(const LayerShape& shape, const float* padded, const float* kernels,
                   const float* bias, float* output) {
  const auto strip = shape.kernel == 3 ? ForwardStrip<D, kChannels, kRows, 3>
                                       : ForwardStrip<D, kChannels, kRows, 5>;
  for (int64_t row = 0; row < shape.out_height; row += kRows) {
    const int64_t first = std::min(row, shape.out_height - kRows);
    strip(shape, first, padded + first * (shape.in_width + 2 * shape.padding), kernels, bias,
          output + first * shape.out_width);
  }
}

template <class D, int kChannels>
void ForwardPlanes(const LayerShape& shape, const float* padded, const float* kernels,
                   const float* bias, float* output) {
  if constexpr (kChannels * (5 + 8) < kRegisters) {
    const int64_t height = shape.out_height;
    const auto computed = [&](int64_t rows) { return RoundUp(height, rows); };
    if (height >= 8 && computed(8) <= std::min(computed(7), computed(6))) {
      return ForwardStrips<D, kChannels, 8>(shape, padded, kernels, bias, output);
    }
    if (height >= 7 && computed(7) <= computed(6)) {
      return ForwardStrips<D, kChannels, 7>(shape, padded, kernels, bias, output);
    }
    if (height >= 6) return ForwardStrips<D, kChannels, 6>(shape, padded, kernels, bias, output);
  }
  constexpr int kVectors = TileVectors(kChannels);
  constexpr int kFewVectors = (kVectors + 1) / 2;
  int64_t left =
      shape.out_height * DivideRoundingUp(shape.out_width, static_cast<int64_t>(hn::MaxLanes(D())));
  Cursor<D> cursor(shape);
  for (; left > kFewVectors; left -= kVectors) {
    ForwardTile<D, kChannels, kVectors>(shape, padded, kernels, bias, cursor, output);
  }
  if (left > 0) {
    ForwardTile<D, kChannels, kFewVectors>(shape, padded, kernels, bias, cursor, output);
  }
}

template <class D, size_t... kIndex>
void ForwardOn(const LayerShape& shape, const float* padded, const float* packed, const float* bias,
               float* output, std::index_sequence<kIndex...>) {
  constexpr void (*kTable[])(const LayerShape&, const float*, const float*, const float*,
                             float*) = {ForwardPlanes<D, kIndex + 1>...};
  const ChannelBlocks blocks(shape.out_channels, kMaxTileChannels);
  const int64_t patch = shape.in_channels * shape.kernel * shape.kernel;
  for (int64_t block = 0; block < blocks.count; ++block) {
    const int64_t start = blocks.Start(block);
    kTable[blocks.Size(block) - 1](shape, padded, packed + start * patch,
                                   bias == nullptr ? nullptr : bias + start,
                                   output + start * shape.out_plane());
  }
}

void ConvolveDirectlyOnTarget(const LayerShape& shape, const float* padded, const float* packed,
                              const float* bias, float* output) {
  WithVectorsFor(shape.out_width, [&](auto d) HWY_ATTR {
    ForwardOn<decltype(d)>(shape, padded, packed, bias, output,
                           std::make_index_sequence<kMaxTileChannels>());
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace tern
HWY_AFTER_NAMESPACE();

#endif  // TERN_CORE_ENGINE_DIRECT_CONVOLUTION_INL_H_
