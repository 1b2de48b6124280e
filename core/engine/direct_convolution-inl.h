// The kernels of direct convolutions for one target. Included once for each target by
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
  int64_t x() const { return x_; }
  bool at_end() const { return at_end_; }
  void Advance() {
    constexpr int64_t kLanes = hn::MaxLanes(D());
    if (x_ + kLanes < shape_.out_width) {
      x_ += kLanes;
    } else if (y_ + 1 < shape_.out_height) {
      x_ = 0;
      ++y_;
    } else {
      at_end_ = true;
    }
  }

 private:
  const LayerShape& shape_;
  int64_t y_ = 0;
  int64_t x_ = 0;
  bool at_end_ = false;
};

// Accumulators, the vectors that they share, and one element of a kernel fill the registers.
constexpr int TileVectors(int channels) { return std::min(8, (kRegisters - 1) / (channels + 1)); }

// kVectors vectors of outputs in kChannels planes, the first at `cursor`, which moves behind them.
template <class D, int kChannels, int kVectors>
void ForwardTile(const LayerShape& shape, const float* padded, const float* HWY_RESTRICT kernels,
                 const float* bias, Cursor<D>& cursor, float* HWY_RESTRICT output) {
  constexpr int64_t kLanes = hn::MaxLanes(D());
  const D d;
  const int64_t width = shape.in_width + 2 * shape.padding;
  int64_t from[kVectors];
  int64_t to[kVectors];
  int64_t lanes[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    from[v] = cursor.y() * width + cursor.x();
    to[v] = cursor.y() * shape.out_width + cursor.x();
    lanes[v] = std::min(kLanes, shape.out_width - cursor.x());
    cursor.Advance();
  }
  hn::Vec<D> sum[kChannels][kVectors];
  HWY_UNROLL(6)
  for (int o = 0; o < kChannels; ++o) {
    HWY_UNROLL(8)
    for (int v = 0; v < kVectors; ++v)
      sum[o][v] = hn::Set(d, bias == nullptr ? 0.0f : shape.factor * bias[o]);
  }
  const int64_t plane = (shape.in_height + 2 * shape.padding) * width;
  for (int64_t channel = 0; channel < shape.in_channels; ++channel) {
    for (int64_t y = 0; y < shape.kernel; ++y) {
      const float* row = padded + channel * plane + y * width;
      for (int64_t x = 0; x < shape.kernel; ++x, ++row, kernels += kChannels) {
        hn::Vec<D> values[kVectors];
        HWY_UNROLL(8)
        for (int v = 0; v < kVectors; ++v) values[v] = hn::LoadU(d, row + from[v]);
        HWY_UNROLL(6)
        for (int o = 0; o < kChannels; ++o) {
          const auto element = hn::Set(d, kernels[o]);
          HWY_UNROLL(8)
          for (int v = 0; v < kVectors; ++v) {
            sum[o][v] = hn::MulAdd(element, values[v], sum[o][v]);
          }
        }
      }
    }
  }
  HWY_UNROLL(6)
  for (int o = 0; o < kChannels; ++o) {
    float* out = output + o * shape.out_plane();
    HWY_UNROLL(8)
    for (int v = 0; v < kVectors; ++v) {
      if (lanes[v] == kLanes) {
        hn::StoreU(sum[o][v], d, out + to[v]);
      } else {
        StoreLanes(sum[o][v], d, out + to[v], lanes[v]);
      }
    }
  }
}

// kRows whole rows of outputs in kChannels planes, `padded` and `output` at the first: an element
// of the image serves several rows from a register, which for one or two channels is what saves
// loads.
template <class D, int kChannels, int kRows, int kKernel>
void ForwardStrip(const LayerShape& shape, const float* padded, const float* HWY_RESTRICT kernels,
                  const float* bias, float* HWY_RESTRICT output) {
  constexpr int64_t kLanes = hn::MaxLanes(D());
  const D d;
  const int64_t width = shape.in_width + 2 * shape.padding;
  const int64_t plane = (shape.in_height + 2 * shape.padding) * width;
  for (int64_t column = 0; column < shape.out_width; column += kLanes) {
    hn::Vec<D> sum[kChannels][kRows];
    HWY_UNROLL(2)
    for (int o = 0; o < kChannels; ++o) {
      HWY_UNROLL(8)
      for (int r = 0; r < kRows; ++r)
        sum[o][r] = hn::Set(d, bias == nullptr ? 0.0f : shape.factor * bias[o]);
    }
    const float* elements = kernels;
    for (int64_t channel = 0; channel < shape.in_channels; ++channel) {
      const float* image = padded + channel * plane + column;
      for (int64_t x = 0; x < kKernel; ++x, ++image, elements += kChannels) {
        hn::Vec<D> element[kChannels][kKernel];
        HWY_UNROLL(2)
        for (int o = 0; o < kChannels; ++o) {
          HWY_UNROLL(5)
          for (int y = 0; y < kKernel; ++y) {
            element[o][y] = hn::Set(d, elements[y * kKernel * kChannels + o]);
          }
        }
        HWY_UNROLL(12)
        for (int i = 0; i < kRows + kKernel - 1; ++i) {
          const auto value = hn::LoadU(d, image + i * width);
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
      elements += (kKernel - 1) * kKernel * kChannels;
    }
    const int64_t lanes = std::min(kLanes, shape.out_width - column);
    HWY_UNROLL(2)
    for (int o = 0; o < kChannels; ++o) {
      HWY_UNROLL(8)
      for (int r = 0; r < kRows; ++r) {
        StoreLanes(sum[o][r], d, output + o * shape.out_plane() + r * shape.out_width + column,
                   lanes);
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
    strip(shape, padded + first * (shape.in_width + 2 * shape.padding), kernels, bias,
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

// Adds to each of kElements elements of the sink the sum of its vector of `lanes`.
template <class D, int kElements>
HWY_INLINE void AddSums(const GradientTile& tile, const float* lanes, float* sink) {
  constexpr int64_t kLanes = hn::MaxLanes(D());
  hn::Vec<D> vectors[kElements];
  for (int i = 0; i < kElements; ++i) vectors[i] = hn::Load(D(), lanes + i * kLanes);
  float sums[kElements];
  SumEach<kElements, D>(vectors, sums);
  for (int i = 0; i < kElements; ++i) {
    sink[i] = (tile.accumulate ? sink[i] : 0.0f) + tile.scale * sums[i];
  }
}

// Output rows that a gradient tile takes at once: an element of the image then serves several rows
// of the kernel from a register.
constexpr int StripRows(int channels, int rows, int kernel) {
  const int left = kRegisters - 1 - channels * rows * kernel;
  return rows == 1 ? 1 : std::clamp(left / channels, 1, kMaxStripRows);
}

template <class D, int kChannels, int kRows, int kKernel>
void WeightGradientTile(const LayerShape& shape, const GradientTile& tile) {
  constexpr int64_t kLanes = hn::MaxLanes(D());
  constexpr int kElements = kRows * kKernel;
  constexpr int kStrip = StripRows(kChannels, kRows, kKernel);
  const D d;
  const int64_t width = shape.in_width + 2 * shape.padding;
  const int64_t strips = DivideRoundingUp(shape.out_height, kStrip);
  hn::Vec<D> sum[kChannels][kElements];
  HWY_UNROLL(6)
  for (int o = 0; o < kChannels; ++o) {
    HWY_UNROLL(25)
    for (int i = 0; i < kElements; ++i) sum[o][i] = hn::Zero(d);
  }
  for (int64_t step = 0; step < tile.examples * strips; ++step) {
    const int64_t row = step % strips * kStrip;
    const float* images = tile.padded + step / strips * tile.image_stride;
    const float* gradient = tile.gradient + step / strips * shape.out_elements();
    for (int64_t column = 0; column < shape.out_width; column += kLanes) {
      const float* image = images + row * width + column;
      const int64_t lanes = std::min(kLanes, shape.out_width - column);
      hn::Vec<D> gradients[kChannels][kStrip];
      HWY_UNROLL(6)
      for (int o = 0; o < kChannels; ++o) {
        HWY_UNROLL(4)
        for (int r = 0; r < kStrip; ++r) {
          gradients[o][r] =
              LoadLanes(d, gradient + o * shape.out_plane() + (row + r) * shape.out_width + column,
                        row + r < shape.out_height ? lanes : 0);
        }
      }
      HWY_UNROLL(8)
      for (int i = 0; i < kStrip + kRows - 1; ++i) {
        HWY_UNROLL(5)
        for (int x = 0; x < kKernel; ++x) {
          const auto value = hn::LoadU(d, image + i * width + x);
          HWY_UNROLL(5)
          for (int y = 0; y < kRows; ++y) {
            if (i < y || i >= y + kStrip) continue;
            HWY_UNROLL(6)
            for (int o = 0; o < kChannels; ++o) {
              hn::Vec<D>& target = sum[o][y * kKernel + x];
              target = hn::MulAdd(value, gradients[o][i - y], target);
            }
          }
        }
      }
    }
  }
  // By way of memory: sums whose address is taken would lie there throughout.
  HWY_ALIGN float lanes[kChannels * kElements * kLanes];
  HWY_UNROLL(6)
  for (int o = 0; o < kChannels; ++o) {
    HWY_UNROLL(25)
    for (int i = 0; i < kElements; ++i) {
      hn::Store(sum[o][i], d, lanes + (o * kElements + i) * kLanes);
    }
  }
  for (int o = 0; o < kChannels; ++o) {
    AddSums<D, kElements>(tile, lanes + o * kElements * kLanes, tile.sink + o * tile.sink_stride);
  }
}

// Accumulators, one vector of each channel's gradient and one of the image fill the registers.
constexpr int TileRows(int channels, int kernel) {
  for (int rows = kernel; rows > 1; --rows) {
    if (channels * (rows * kernel + 1) < kRegisters) return rows;
  }
  return 1;
}
constexpr int GradientChannels(int kernel) {
  return std::min(kMaxTileChannels, (kRegisters - 1) / (kernel + 1));
}

// The gradient of the kernels of kChannels output channels.
template <class D, int kChannels, int kKernel>
void WeightGradientOfChannels(const LayerShape& shape, GradientTile tile) {
  constexpr int kRows = TileRows(kChannels, kKernel);
  const int64_t width = shape.in_width + 2 * shape.padding;
  const int64_t plane = (shape.in_height + 2 * shape.padding) * width;
  for (int64_t channel = 0; channel < shape.in_channels; ++channel) {
    GradientTile part = tile;
    part.padded += channel * plane;
    part.sink += channel * kKernel * kKernel;
    int64_t rows = kRows;
    for (int64_t y = 0; y < kKernel; y += rows) {
      rows = y + kRows <= kKernel ? kRows : 1;
      if (rows == kRows) {
        WeightGradientTile<D, kChannels, kRows, kKernel>(shape, part);
      } else {
        WeightGradientTile<D, kChannels, 1, kKernel>(shape, part);
      }
      part.padded += rows * width;
      part.sink += rows * kKernel;
    }
  }
}

template <class D, int kKernel, size_t... kIndex>
void WeightGradientOn(const LayerShape& shape, const GradientTile& tile,
                      std::index_sequence<kIndex...>) {
  constexpr void (*kTable[])(const LayerShape&,
                             GradientTile) = {WeightGradientOfChannels<D, kIndex + 1, kKernel>...};
  const ChannelBlocks blocks(shape.out_channels, sizeof...(kIndex));
  for (int64_t block = 0; block < blocks.count; ++block) {
    const int64_t start = blocks.Start(block);
    GradientTile part = tile;
    part.gradient += start * shape.out_plane();
    part.sink += start * tile.sink_stride;
    kTable[blocks.Size(block) - 1](shape, part);
  }
}

// Calls body(tag) with the vectors that fill rows of this width best.
template <class Body>
HWY_INLINE void WithVectorsFor(int64_t width, const Body& body) {
  using HalfTag = hn::CappedTag<float, 8>;
  constexpr int64_t kHalfLanes = hn::MaxLanes(HalfTag());
  constexpr int64_t kLanes = hn::MaxLanes(FloatTag());
  if constexpr (kHalfLanes < kLanes) {
    if (RoundUp(width, kHalfLanes) < RoundUp(width, kLanes)) return body(HalfTag());
  }
  body(FloatTag());
}

void ConvolveDirectlyOnTarget(const LayerShape& shape, const float* padded, const float* packed,
                              const float* bias, float* output) {
  WithVectorsFor(shape.out_width, [&](auto d) HWY_ATTR {
    ForwardOn<decltype(d)>(shape, padded, packed, bias, output,
                           std::make_index_sequence<kMaxTileChannels>());
  });
}

void DirectWeightGradientOnTarget(const LayerShape& shape, const GradientTile& tile) {
  WithVectorsFor(shape.out_width, [&](auto d) HWY_ATTR {
    if (shape.kernel == 3) {
      WeightGradientOn<decltype(d), 3>(shape, tile,
                                       std::make_index_sequence<GradientChannels(3)>());
    } else {
      WeightGradientOn<decltype(d), 5>(shape, tile,
                                       std::make_index_sequence<GradientChannels(5)>());
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace tern
HWY_AFTER_NAMESPACE();

#endif  // TERN_CORE_ENGINE_DIRECT_CONVOLUTION_INL_H_
