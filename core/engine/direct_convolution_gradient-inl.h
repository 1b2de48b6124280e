// The weight gradient's kernels of direct convolutions for one target. Included once for each
// target by direct_convolution.cc, nowhere else.

#if defined(TERN_CORE_ENGINE_DIRECT_CONVOLUTION_GRADIENT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERN_CORE_ENGINE_DIRECT_CONVOLUTION_GRADIENT_INL_H_
#undef TERN_CORE_ENGINE_DIRECT_CONVOLUTION_GRADIENT_INL_H_
#else
#define TERN_CORE_ENGINE_DIRECT_CONVOLUTION_GRADIENT_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "core/engine/direct_convolution-inl.h"
#include "core/engine/direct_convolution_tiles.h"
#include "core/engine/gemm_blocking.h"
#include "core/engine/simd-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tern {
namespace HWY_NAMESPACE {

// Output rows that a gradient tile takes at once: an element of the image then serves several rows
// of the kernel from a register.
constexpr int StripRows(int channels, int rows, int kernel) {
  const int left = kRegisters - 1 - channels * rows * kernel;
  return rows == 1 ? 1 : std::clamp(left / channels, 1, kMaxStripRows);
}

// The gradient of a vector of outputs in kStrip rows, `left` of which exist, of kChannels channels.
template <class D, int kChannels, int kStrip>
HWY_INLINE void LoadGradients(const LayerShape& shape, const float* from, int64_t left,
                              int64_t lanes, int64_t seen,
                              hn::Vec<D> (&gradients)[kChannels][kStrip]) {
  HWY_UNROLL(6)
  for (int o = 0; o < kChannels; ++o) {
    HWY_UNROLL(4)
    for (int r = 0; r < kStrip; ++r) {
      gradients[o][r] = LoadUnseen(D(), from + o * shape.out_plane() + r * shape.out_width,
                                   r == 0 || r < left ? lanes : 0, seen);
    }
  }
}

// Adds the products of these gradients with what of the image met the kernel's rows.
template <class D, int kChannels, int kStrip, int kRows, int kKernel>
HWY_INLINE void AddProducts(const float* image, int64_t width,
                            const hn::Vec<D> (&gradients)[kChannels][kStrip],
                            hn::Vec<D> (&sum)[kChannels][kRows * kKernel]) {
  HWY_UNROLL(8)
  for (int i = 0; i < kStrip + kRows - 1; ++i) {
    HWY_UNROLL(5)
    for (int x = 0; x < kKernel; ++x) {
      const auto value = hn::LoadU(D(), image + i * width + x);
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

// Adds the sum of each of kElements vectors to its element of the sink.
template <class D, int kElements>
HWY_NOINLINE void AddSums(const GradientTile& tile, const float* lanes, float* sink) {
  constexpr int64_t kLanes = hn::MaxLanes(D());
  hn::Vec<D> vectors[kElements];
  for (int i = 0; i < kElements; ++i) vectors[i] = hn::Load(D(), lanes + i * kLanes);
  float sums[kElements];
  SumEach<kElements, D>(vectors, sums);
  for (int i = 0; i < kElements; ++i) {
    sink[i] = (tile.accumulate ? sink[i] : 0.0f) + tile.scale * sums[i];
  }
}

// By way of memory: sums whose address is taken would lie there throughout.
template <class D, int kChannels, int kElements>
HWY_INLINE void AddSumsOfChannels(const GradientTile& tile,
                                  const hn::Vec<D> (&sum)[kChannels][kElements]) {
  constexpr int64_t kLanes = hn::MaxLanes(D());
  HWY_ALIGN float lanes[kChannels * kElements * kLanes];
  HWY_UNROLL(6)
  for (int o = 0; o < kChannels; ++o) {
    HWY_UNROLL(25)
    for (int i = 0; i < kElements; ++i) {
      hn::Store(sum[o][i], D(), lanes + (o * kElements + i) * kLanes);
    }
  }
  for (int64_t o = 0; o < kChannels; ++o) {
    AddSums<D, kElements>(tile, lanes + o * kElements * kLanes, tile.sink + o * tile.sink_stride);
  }
}

template <class D, int kChannels, int kRows, int kKernel>
void WeightGradientTile(const LayerShape& shape, const GradientTile& tile) {
  constexpr int64_t kLanes = hn::MaxLanes(D());
  constexpr int kStrip = StripRows(kChannels, kRows, kKernel);
  const int64_t width = shape.in_width + 2 * shape.padding;
  hn::Vec<D> sum[kChannels][kRows * kKernel];
  HWY_UNROLL(6)
  for (int o = 0; o < kChannels; ++o) {
    HWY_UNROLL(25)
    for (int i = 0; i < kRows * kKernel; ++i) sum[o][i] = hn::Zero(D());
  }
  const float* images = tile.padded;
  const float* gradient = tile.gradient;
  // One loop over all examples' rows: in two the compiler would store the sums between them.
  const int64_t strips = tile.examples * DivideRoundingUp(shape.out_height, kStrip);
  int64_t row = 0;
  for (int64_t strip = 0; strip < strips; ++strip) {
    for (int64_t column = 0; column < shape.out_width; column += kLanes) {
      const int64_t first = VectorStart<D>(column, shape.out_width);
      hn::Vec<D> gradients[kChannels][kStrip];
      LoadGradients<D>(shape, gradient + row * shape.out_width + first, shape.out_height - row,
                       LanesInRow<D>(first, shape.out_width), column - first, gradients);
      AddProducts<D, kChannels, kStrip, kRows, kKernel>(images + row * width + first, width,
                                                        gradients, sum);
    }
    row += kStrip;
    if (row >= shape.out_height) {
      row = 0;
      images += tile.image_stride;
      gradient += shape.out_elements();
    }
  }
  AddSumsOfChannels<D>(tile, sum);
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

#endif  // TERN_CORE_ENGINE_DIRECT_CONVOLUTION_GRADIENT_INL_H_
