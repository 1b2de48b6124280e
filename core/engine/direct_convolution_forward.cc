// ConvolveTaps: the products of direct convolutions' forward passes and input gradients.
#include <algorithm>
#include <utility>

#include "core/engine/direct_convolution_tiles.h"
#include "core/engine/gemm_blocking.h"
#include "core/engine/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/engine/direct_convolution_forward.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes first.
#include "core/engine/row_vectors-inl.h"
#include "core/engine/simd-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tern {
namespace HWY_NAMESPACE {

// Walks over an output plane vector by vector and row by row, and stays at the last vector.
template <class D>
class Cursor {
 public:
  explicit Cursor(const TapConvolution& convolution) : convolution_(convolution) {}

  int64_t y() const { return y_; }
  int64_t x() const { return VectorStart<D>(x_, convolution_.out_width); }
  void Advance() {
    constexpr int64_t kLanes = hn::MaxLanes(D());
    if (x_ + kLanes < convolution_.out_width) {
      x_ += kLanes;
    } else if (y_ + 1 < convolution_.out_height) {
      x_ = 0;
      ++y_;
    }
  }

 private:
  const TapConvolution& convolution_;
  int64_t y_ = 0;
  int64_t x_ = 0;
};

// What one block of output channels needs of one image.
struct BlockCall {
  const float* image;
  const float* kernels;
  const float* bias;
  float* output;
};

// Calls body(BlockCall) for each image; the block starts at output channel `start`.
template <class Body>
HWY_INLINE void ForEachImage(const TapConvolution& convolution, const TapConvolutionCall& call,
                             int64_t start, const Body& body) {
  const float* kernels = call.kernels + start * convolution.in_channels * convolution.taps;
  int64_t group = call.group;
  for (int64_t image = 0; image < call.images; ++image) {
    body(BlockCall{
        .image = call.image + image * call.image_stride,
        .kernels = kernels + group * call.kernel_stride,
        .bias =
            call.bias == nullptr ? nullptr : call.bias + group * convolution.out_channels + start,
        .output = call.output + image * call.output_stride + start * convolution.out_plane});
    group = group + 1 == call.groups ? 0 : group + 1;
  }
}

// Accumulators, the vectors that they share, and one element of a kernel fill the registers.
constexpr int TileVectors(int channels) { return std::min(8, (kRegisters - 1) / (channels + 1)); }

template <class D, int kChannels, int kVectors>
HWY_INLINE void StartSums(const float* bias, float factor, hn::Vec<D> (&sum)[kChannels][kVectors]) {
  HWY_UNROLL(6)
  for (int o = 0; o < kChannels; ++o) {
    const auto start = hn::Set(D(), bias == nullptr ? 0.0f : factor * bias[o]);
    HWY_UNROLL(8)
    for (int v = 0; v < kVectors; ++v) sum[o][v] = start;
  }
}

template <class D, int kChannels, int kVectors>
HWY_INLINE void ActivateSums(Activation activation, hn::Vec<D> (&sum)[kChannels][kVectors]) {
  if (activation == Activation::kNone) return;
  const Activator<D> activate(activation);
  HWY_UNROLL(6)
  for (int o = 0; o < kChannels; ++o) {
    HWY_UNROLL(8)
    for (int v = 0; v < kVectors; ++v) sum[o][v] = activate(sum[o][v]);
  }
}

// Adds what one element of each channel's kernel gives.
template <class D, int kChannels, int kVectors>
HWY_INLINE void AddTap(const float* image, const int64_t (&from)[kVectors],
                       const float* HWY_RESTRICT elements, hn::Vec<D> (&sum)[kChannels][kVectors]) {
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

// kVectors vectors of outputs in kChannels planes of every image, the first at `cursor`, which
// moves behind them.
template <class D, int kChannels, int kVectors>
void ForwardTile(const TapConvolution& convolution, const TapConvolutionCall& call, int64_t start,
                 Cursor<D>& cursor) {
  int64_t from[kVectors];
  int64_t to[kVectors];
  int64_t lanes[kVectors];
  HWY_UNROLL(1)
  for (int v = 0; v < kVectors; ++v) {
    from[v] = cursor.y() * convolution.in_row + cursor.x();
    to[v] = cursor.y() * convolution.out_row + cursor.x();
    lanes[v] = LanesInRow<D>(cursor.x(), convolution.out_width);
    cursor.Advance();
  }
  ForEachImage(convolution, call, start, [&](BlockCall block) HWY_ATTR {
    hn::Vec<D> sum[kChannels][kVectors];
    StartSums<D>(block.bias, call.bias_factor, sum);
    for (int64_t channel = 0; channel < convolution.in_channels; ++channel) {
      for (int64_t t = 0; t < convolution.taps; ++t, block.kernels += kChannels) {
        AddTap<D>(block.image + convolution.offsets[t], from, block.kernels, sum);
      }
      block.image += convolution.in_plane;
    }
    ActivateSums<D>(call.activation, sum);
    HWY_UNROLL(6)
    for (int o = 0; o < kChannels; ++o) {
      float* out = block.output + o * convolution.out_plane;
      HWY_UNROLL(8)
      for (int v = 0; v < kVectors; ++v) StoreInRow(D(), sum[o][v], lanes[v], out + to[v]);
    }
  });
}

// Adds what one column of a kernel gives to kRows rows of outputs. `image` is the first row that
// they meet; those outside [begin, end) are padding.
template <class D, int kRows, int kKernel>
HWY_INLINE void AddKernelColumn(const float* image, int64_t width, int64_t begin, int64_t end,
                                const float* HWY_RESTRICT elements, hn::Vec<D> (&sum)[1][kRows]) {
  hn::Vec<D> element[kKernel];
  HWY_UNROLL(5)
  for (int y = 0; y < kKernel; ++y) element[y] = hn::Set(D(), elements[y * kKernel]);
  HWY_UNROLL(11)
  for (int i = 0; i < kRows + kKernel - 1; ++i) {
    if (i < begin || i >= end) continue;
    const auto value = hn::LoadU(D(), image + i * width);
    HWY_UNROLL(5)
    for (int y = 0; y < kKernel; ++y) {
      if (i < y || i >= y + kRows) continue;
      sum[0][i - y] = hn::MulAdd(element[y], value, sum[0][i - y]);
    }
  }
}

// kRows whole rows of outputs in one plane from `row` on: an element of the image serves several
// rows from a register, which for a single channel is what saves loads.
template <class D, int kRows, int kKernel>
void ForwardStrip(const TapConvolution& convolution, const TapConvolutionCall& call,
                  const BlockCall& block, int64_t row) {
  constexpr int64_t kLanes = hn::MaxLanes(D());
  const int64_t begin = convolution.first_row - row;
  const int64_t end = convolution.end_row - row;
  for (int64_t column = 0; column < convolution.out_width; column += kLanes) {
    const int64_t first = VectorStart<D>(column, convolution.out_width);
    hn::Vec<D> sum[1][kRows];
    StartSums<D>(block.bias, call.bias_factor, sum);
    const float* plane = block.image + row * convolution.in_row + first;
    const float* elements = block.kernels;
    for (int64_t channel = 0; channel < convolution.in_channels; ++channel) {
      for (int64_t x = 0; x < kKernel; ++x) {
        AddKernelColumn<D, kRows, kKernel>(plane + x, convolution.in_row, begin, end, elements + x,
                                           sum);
      }
      elements += kKernel * kKernel;
      plane += convolution.in_plane;
    }
    ActivateSums<D>(call.activation, sum);
    float* to = block.output + row * convolution.out_row + first;
    HWY_UNROLL(7)
    for (int r = 0; r < kRows; ++r, to += convolution.out_row) {
      StoreInRow(D(), sum[0][r], LanesInRow<D>(first, convolution.out_width), to);
    }
  }
}

// The last strip may compute rows again that the one before it has computed.
template <class D, int kRows>
void ForwardStrips(const TapConvolution& convolution, const TapConvolutionCall& call,
                   int64_t start) {
  const auto strip =
      convolution.kernel == 3 ? ForwardStrip<D, kRows, 3> : ForwardStrip<D, kRows, 5>;
  ForEachImage(convolution, call, start, [&](const BlockCall& block) {
    for (int64_t row = 0; row < convolution.out_height; row += kRows) {
      strip(convolution, call, block, std::min(row, convolution.out_height - kRows));
    }
  });
}

template <class D, int kChannels>
void ForwardBlock(const TapConvolution& convolution, const TapConvolutionCall& call,
                  int64_t start) {
  const int64_t height = convolution.out_height;
  if constexpr (kChannels == 1 && HWY_TARGET != HWY_SCALAR) {
    if (height >= 4 && (convolution.kernel == 3 || convolution.kernel == 5)) {
      const bool high = height >= 7 && RoundUp(height, 7) <= RoundUp(height, 4);
      return (high ? ForwardStrips<D, 7> : ForwardStrips<D, 4>)(convolution, call, start);
    }
  }
  constexpr int kVectors = TileVectors(kChannels);
  constexpr int kFewVectors = (kVectors + 1) / 2;
  int64_t left =
      height * DivideRoundingUp(convolution.out_width, static_cast<int64_t>(hn::MaxLanes(D())));
  Cursor<D> cursor(convolution);
  for (; left > kFewVectors; left -= kVectors) {
    ForwardTile<D, kChannels, kVectors>(convolution, call, start, cursor);
  }
  if (left > 0) ForwardTile<D, kChannels, kFewVectors>(convolution, call, start, cursor);
}

template <class D, size_t... kIndex>
void ForwardOn(const TapConvolution& convolution, const TapConvolutionCall& call,
               std::index_sequence<kIndex...>) {
  constexpr void (*kTable[])(const TapConvolution&, const TapConvolutionCall&,
                             int64_t) = {ForwardBlock<D, kIndex + 1>...};
  const EvenParts blocks(convolution.out_channels, kMaxTileChannels);
  for (int64_t block = 0; block < blocks.count; ++block) {
    kTable[blocks.Size(block) - 1](convolution, call, blocks.Start(block));
  }
}

void ConvolveTapsOnTarget(const TapConvolution& convolution, const TapConvolutionCall& call) {
  WithVectorsFor(convolution.out_width, [&](auto d) HWY_ATTR {
    ForwardOn<decltype(d)>(convolution, call, std::make_index_sequence<kMaxTileChannels>());
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace tern
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tern {

HWY_EXPORT(ConvolveTapsOnTarget);

void ConvolveTaps(const TapConvolution& convolution, const TapConvolutionCall& call) {
  HWY_DYNAMIC_DISPATCH(ConvolveTapsOnTarget)(convolution, call);
}

}  // namespace tern
#endif  // HWY_ONCE
