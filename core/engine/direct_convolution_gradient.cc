// AddKernelGradient: the gradients of direct convolutions' kernels.
#include <algorithm>
#include <utility>

#include "core/engine/direct_convolution_tiles.h"
#include "core/engine/gemm_blocking.h"
#include "core/engine/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/engine/direct_convolution_gradient.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes first.
#include "core/engine/row_vectors-inl.h"
#include "core/engine/simd-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tern {
namespace HWY_NAMESPACE {

// A tile takes kRows rows of one input channel's kernels of kChannels output channels.
// Accumulators, one vector of each channel's gradient and one of the image fill the registers.
constexpr int TileChannels(int kernel) {
  return kernel == 7 ? 1 : std::min(kMaxTileChannels, (kRegisters - 1) / (kernel + 1));
}
constexpr int TileRows(int channels, int kernel) {
  if (kernel == 7) return 1;
  for (int rows = kernel; rows > 1; --rows) {
    if (channels * (rows * kernel + 1) < kRegisters) return rows;
  }
  return 1;
}

// Output rows that a tile takes at once if the next one's image lies one row further: an element of
// the image then serves several rows of the kernel from a register.
constexpr int StripRows(int channels, int rows, int kernel) {
  const int left = kRegisters - 1 - channels * rows * kernel;
  return rows == 1 ? 1 : std::clamp(left / channels, 1, kMaxStripRows);
}

// The gradient of a vector of outputs in kStrip rows, `left` of which exist, of kChannels channels.
template <class D, int kChannels, int kStrip>
HWY_INLINE void LoadGradients(const KernelGradient& gradient, const float* from, int64_t left,
                              int64_t lanes, int64_t seen,
                              hn::Vec<D> (&gradients)[kChannels][kStrip]) {
  HWY_UNROLL(6)
  for (int o = 0; o < kChannels; ++o) {
    HWY_UNROLL(4)
    for (int r = 0; r < kStrip; ++r) {
      const int64_t offset = (o * gradient.out_height + r) * gradient.out_width;
      gradients[o][r] = LoadUnseen(D(), from + offset, r == 0 || r < left ? lanes : 0, seen);
    }
  }
}

// Adds the products of these gradients with what of the image met the kernel's rows.
template <class D, int kChannels, int kStrip, int kRows, int kKernel>
HWY_INLINE void AddProducts(const KernelGradient& gradient, const float* image,
                            const hn::Vec<D> (&gradients)[kChannels][kStrip],
                            hn::Vec<D> (&sum)[kChannels][kRows * kKernel]) {
  HWY_UNROLL(8)
  for (int i = 0; i < kStrip + kRows - 1; ++i) {
    HWY_UNROLL(7)
    for (int x = 0; x < kKernel; ++x) {
      const int64_t offset = kStrip > 1 ? x : gradient.columns[x];
      const auto value = hn::LoadU(D(), image + i * gradient.kernel_row + offset);
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
HWY_NOINLINE void AddSums(const KernelGradientCall& call, const float* lanes, float* sink) {
  constexpr int64_t kLanes = hn::MaxLanes(D());
  hn::Vec<D> vectors[kElements];
  for (int i = 0; i < kElements; ++i) vectors[i] = hn::Load(D(), lanes + i * kLanes);
  float sums[kElements];
  SumEach<kElements, D>(vectors, sums);
  for (int i = 0; i < kElements; ++i) {
    sink[i] = (call.accumulate ? sink[i] : 0.0f) + call.scale * sums[i];
  }
}

// By way of memory: sums whose address is taken would lie there throughout.
template <class D, int kChannels, int kElements>
HWY_INLINE void AddSumsOfChannels(const KernelGradient& gradient, const KernelGradientCall& call,
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
  const int64_t stride = gradient.in_channels * gradient.kernel * gradient.kernel;
  for (int64_t o = 0; o < kChannels; ++o) {
    AddSums<D, kElements>(call, lanes + o * kElements * kLanes, call.sink + o * stride);
  }
}

template <class D, int kChannels, int kStrip, int kRows, int kKernel>
void GradientTile(const KernelGradient& gradient, const KernelGradientCall& call) {
  constexpr int64_t kLanes = hn::MaxLanes(D());
  hn::Vec<D> sum[kChannels][kRows * kKernel];
  HWY_UNROLL(6)
  for (int o = 0; o < kChannels; ++o) {
    HWY_UNROLL(25)
    for (int i = 0; i < kRows * kKernel; ++i) sum[o][i] = hn::Zero(D());
  }
  const float* image = call.image;
  const float* outputs = call.gradient;
  // One loop over all examples' rows: in two the compiler would store the sums between them.
  const int64_t strips = call.examples * DivideRoundingUp(gradient.out_height, kStrip);
  int64_t row = 0;
  for (int64_t strip = 0; strip < strips; ++strip) {
    for (int64_t column = 0; column < gradient.out_width; column += kLanes) {
      const int64_t first = VectorStart<D>(column, gradient.out_width);
      hn::Vec<D> gradients[kChannels][kStrip];
      LoadGradients<D>(gradient, outputs + row * gradient.out_width + first,
                       gradient.out_height - row, LanesInRow<D>(first, gradient.out_width),
                       column - first, gradients);
      AddProducts<D, kChannels, kStrip, kRows, kKernel>(
          gradient, image + row * gradient.in_row + first, gradients, sum);
    }
    row += kStrip;
    if (row >= gradient.out_height) {
      row = 0;
      image += call.image_stride;
      outputs += call.gradient_stride;
    }
  }
  AddSumsOfChannels<D>(gradient, call, sum);
}

// The gradient of the kernels of kChannels output channels.
template <class D, int kChannels, int kKernel>
void GradientOfChannels(const KernelGradient& gradient, const KernelGradientCall& call) {
  constexpr int kRows = TileRows(kChannels, kKernel);
  constexpr int kStrip = StripRows(kChannels, kRows, kKernel);
  const bool strips = gradient.kernel_row == gradient.in_row && gradient.columns[1] == 1;
  for (int64_t channel = 0; channel < gradient.in_channels; ++channel) {
    KernelGradientCall part = call;
    part.image += channel * gradient.in_plane;
    part.sink += channel * kKernel * kKernel;
    int64_t rows = kRows;
    for (int64_t y = 0; y < kKernel; y += rows) {
      rows = y + kRows <= kKernel ? kRows : 1;
      if (rows == 1) {
        GradientTile<D, kChannels, 1, 1, kKernel>(gradient, part);
      } else if (strips) {
        GradientTile<D, kChannels, kStrip, kRows, kKernel>(gradient, part);
      } else {
        GradientTile<D, kChannels, 1, kRows, kKernel>(gradient, part);
      }
      part.image += rows * gradient.kernel_row;
      part.sink += rows * kKernel;
    }
  }
}

template <class D, int kKernel, size_t... kIndex>
void GradientOn(const KernelGradient& gradient, const KernelGradientCall& call,
                std::index_sequence<kIndex...>) {
  constexpr void (*kTable[])(const KernelGradient&, const KernelGradientCall&) = {
      GradientOfChannels<D, kIndex + 1, kKernel>...};
  const EvenParts blocks(call.channels, sizeof...(kIndex));
  for (int64_t block = 0; block < blocks.count; ++block) {
    const int64_t start = blocks.Start(block);
    KernelGradientCall part = call;
    part.gradient += start * gradient.out_height * gradient.out_width;
    part.sink += start * gradient.in_channels * kKernel * kKernel;
    kTable[blocks.Size(block) - 1](gradient, part);
  }
}

// As WithVectorsFor, but rows shorter than a vector must not make every load partial.
template <class Body>
HWY_INLINE void WithWholeVectorsFor(int64_t width, const Body& body) {
  if constexpr (hn::MaxLanes(FloatTag()) == 8 && HWY_MEM_OPS_MIGHT_FAULT) {
    if (width < 8) return body(hn::Half<FloatTag>());
  }
  WithVectorsFor(width, body);
}

void AddKernelGradientOnTarget(const KernelGradient& gradient, const KernelGradientCall& call) {
  WithWholeVectorsFor(gradient.out_width, [&](auto d) HWY_ATTR {
    using D = decltype(d);
    switch (gradient.kernel) {
      case 3:
        return GradientOn<D, 3>(gradient, call, std::make_index_sequence<TileChannels(3)>());
      case 5:
        return GradientOn<D, 5>(gradient, call, std::make_index_sequence<TileChannels(5)>());
      default:
        return GradientOn<D, 7>(gradient, call, std::make_index_sequence<TileChannels(7)>());
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace tern
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tern {

HWY_EXPORT(AddKernelGradientOnTarget);

void AddKernelGradient(const KernelGradient& gradient, const KernelGradientCall& call) {
  HWY_DYNAMIC_DISPATCH(AddKernelGradientOnTarget)(gradient, call);
}

}  // namespace tern
#endif  // HWY_ONCE
