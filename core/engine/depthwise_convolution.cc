#include "core/engine/depthwise_convolution.h"

#include <algorithm>

#include "core/engine/elementwise.h"
#include "core/engine/image_columns.h"
#include "core/engine/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/engine/depthwise_convolution.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes first.
#include "core/engine/row_vectors-inl.h"
#include "core/engine/simd-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tern {
namespace HWY_NAMESPACE {

constexpr int64_t kMaxTaps = 7 * 7;

// Where the elements of a kernel meet a plane: the first output of a row reads offsets[t] for
// element t, the outputs beside it the floats beside that, the next row's row_stride further on.
struct Taps {
  int64_t count = 0;
  int64_t row_stride = 0;
  int64_t offsets[kMaxTaps];
};

// A layer of one channel.
HWY_INLINE LayerShape PlaneShape(const LayerShape& shape) {
  LayerShape plane = shape;
  plane.in_channels = 1;
  return plane;
}

// The layer's kernel on a plane that PadImage has written.
HWY_INLINE Taps ForwardTaps(const LayerShape& shape) {
  const PaddedImage padded(PlaneShape(shape));
  Taps taps;
  taps.row_stride = padded.Offset(0, shape.stride, 0);
  for (int64_t y = 0; y < shape.kernel; ++y) {
    for (int64_t x = 0; x < shape.kernel; ++x) {
      taps.offsets[taps.count++] = padded.Offset(0, y * shape.dilation, x * shape.dilation);
    }
  }
  return taps;
}

// The gradient of the input is a convolution as well, with stride 1 and mirrored kernels, of the
// output's gradient spread over a plane of zeros: elements `stride` apart, the first one at
// (border, border).
struct SpreadPlane {
  int64_t border;
  int64_t width;
  int64_t floats;

  explicit SpreadPlane(const LayerShape& shape)
      : border(shape.dilation * (shape.kernel - 1) - shape.padding),
        width(shape.in_width + shape.dilation * (shape.kernel - 1)),
        floats((shape.in_height + shape.dilation * (shape.kernel - 1)) * width) {}
};

HWY_INLINE Taps MirroredTaps(const LayerShape& shape) {
  Taps taps;
  taps.row_stride = SpreadPlane(shape).width;
  for (int64_t y = shape.kernel - 1; y >= 0; --y) {
    for (int64_t x = shape.kernel - 1; x >= 0; --x) {
      taps.offsets[taps.count++] = (y * taps.row_stride + x) * shape.dilation;
    }
  }
  return taps;
}

// Into a plane whose other elements are zeros.
void Spread(const LayerShape& shape, const float* gradient, float* HWY_RESTRICT plane) {
  const SpreadPlane layout(shape);
  float* to = plane + layout.border * layout.width + layout.border;
  for (int64_t y = 0; y < shape.out_height; ++y) {
    if (shape.stride == 1) {
      CopyFloats(gradient, shape.out_width, to);
    } else {
      for (int64_t x = 0; x < shape.out_width; ++x) to[x * shape.stride] = gradient[x];
    }
    gradient += shape.out_width;
    to += shape.stride * layout.width;
  }
}

// What ConvolvePlanes computes: out[y][x] = start + factor * the sum over `planes` planes,
// plane_stride apart, and the taps of each.
struct PlaneSum {
  const float* image;
  int64_t planes;
  int64_t plane_stride;
  const float* weight;  // [planes, taps]
  float start;
  float factor;
  int64_t height;
  int64_t width;
  float* out;
};

template <class D, int kRows>
void ConvolveRows(const Taps& taps, const PlaneSum& call, int64_t row) {
  const D d;
  constexpr int64_t kLanes = hn::MaxLanes(d);
  for (int64_t column = 0; column < call.width; column += kLanes) {
    const int64_t first = VectorStart<D>(column, call.width);
    const float* image = call.image + row * taps.row_stride + first;
    const float* weight = call.weight;
    hn::Vec<D> sum[kRows];
    HWY_UNROLL(8)
    for (int r = 0; r < kRows; ++r) sum[r] = hn::Zero(d);
    for (int64_t plane = 0; plane < call.planes; ++plane, image += call.plane_stride) {
      for (int64_t t = 0; t < taps.count; ++t) {
        const auto element = hn::Set(d, *weight++);
        const float* from = image + taps.offsets[t];
        HWY_UNROLL(8)
        for (int r = 0; r < kRows; ++r) {
          sum[r] = hn::MulAdd(element, hn::LoadU(d, from + r * taps.row_stride), sum[r]);
        }
      }
    }
    HWY_UNROLL(8)
    for (int r = 0; r < kRows; ++r) {
      StoreInRow(d, hn::MulAdd(hn::Set(d, call.factor), sum[r], hn::Set(d, call.start)),
                 LanesInRow<D>(first, call.width), call.out + (row + r) * call.width + first);
    }
  }
}

// The last rows may be computed twice.
void ConvolvePlanes(const Taps& taps, const PlaneSum& call) {
  constexpr int kRows = 7;
  WithVectorsFor(call.width, [&](auto d) HWY_ATTR {
    using D = decltype(d);
    if (call.height < kRows) {
      for (int64_t row = 0; row < call.height; ++row) ConvolveRows<D, 1>(taps, call, row);
      return;
    }
    for (int64_t row = 0; row < call.height; row += kRows) {
      ConvolveRows<D, kRows>(taps, call, std::min(row, call.height - kRows));
    }
  });
}

void DepthwiseForwardOnTarget(const LayerShape& shape, const ForwardCall& call) {
  const LayerShape plane = PlaneShape(shape);
  const Taps taps = ForwardTaps(shape);
  const int64_t multiplier = shape.out_channels / shape.in_channels;
  float* padded = call.workspace.data();
  Fill(0.0f, static_cast<int64_t>(call.workspace.size()), padded);
  for (int64_t i = 0; i < call.count * shape.in_channels; ++i) {
    ReplacePaddedImage(plane, call.input + i * shape.in_plane(), padded);
    for (int64_t out = i * multiplier; out < (i + 1) * multiplier; ++out) {
      const int64_t channel = out % shape.out_channels;
      ConvolvePlanes(taps, {.image = padded,
                            .planes = 1,
                            .plane_stride = 0,
                            .weight = call.weight + channel * taps.count,
                            .start = shape.factor * call.bias[channel],
                            .factor = shape.factor,
                            .height = shape.out_height,
                            .width = shape.out_width,
                            .out = call.output + out * shape.out_plane()});
    }
  }
}

void DepthwiseInputGradientOnTarget(const LayerShape& shape, const BackwardCall& call) {
  const Taps taps = MirroredTaps(shape);
  const int64_t multiplier = shape.out_channels / shape.in_channels;
  const int64_t plane_floats = SpreadPlane(shape).floats;
  float* planes = call.workspace.data();
  Fill(0.0f, static_cast<int64_t>(call.workspace.size()), planes);
  for (int64_t i = 0; i < call.count * shape.in_channels; ++i) {
    for (int64_t j = 0; j < multiplier; ++j) {
      Spread(shape, call.output_gradient + (i * multiplier + j) * shape.out_plane(),
             planes + j * plane_floats);
    }
    ConvolvePlanes(taps, {.image = planes,
                          .planes = multiplier,
                          .plane_stride = plane_floats,
                          .weight = call.weight + i % shape.in_channels * multiplier * taps.count,
                          .start = 0.0f,
                          .factor = shape.factor,
                          .height = shape.in_height,
                          .width = shape.in_width,
                          .out = call.input_gradient + i * shape.in_plane()});
  }
}

// sums[t] = the sum over a plane of outputs of what element first_tap + t of the kernel met, times
// the gradient.
template <class D, int kTaps>
void TapGradients(const LayerShape& shape, const Taps& taps, int64_t first_tap, const float* padded,
                  const float* gradient, float* HWY_RESTRICT sums) {
  const D d;
  constexpr int64_t kLanes = hn::MaxLanes(d);
  hn::Vec<D> sum[kTaps];
  HWY_UNROLL(9)
  for (int t = 0; t < kTaps; ++t) sum[t] = hn::Zero(d);
  const int64_t* offsets = taps.offsets + first_tap;
  for (int64_t y = 0; y < shape.out_height; ++y) {
    const float* row = padded + y * taps.row_stride;
    for (int64_t column = 0; column < shape.out_width; column += kLanes) {
      const int64_t first = VectorStart<D>(column, shape.out_width);
      const auto value = LoadUnseen(d, gradient + y * shape.out_width + first,
                                    LanesInRow<D>(first, shape.out_width), column - first);
      HWY_UNROLL(9)
      for (int t = 0; t < kTaps; ++t) {
        sum[t] = hn::MulAdd(value, hn::LoadU(d, row + offsets[t] + first), sum[t]);
      }
    }
  }
  // By way of memory: sums whose address is taken would lie there throughout.
  HWY_ALIGN float lanes[kTaps * kLanes];
  HWY_UNROLL(9)
  for (int t = 0; t < kTaps; ++t) hn::Store(sum[t], d, lanes + t * kLanes);
  hn::Vec<D> vectors[kTaps];
  for (int t = 0; t < kTaps; ++t) vectors[t] = hn::Load(d, lanes + t * kLanes);
  SumEach<kTaps, D>(vectors, sums);
}

// As many taps at once as registers hold: a kernel of 3, else a row of one.
template <class D, int kTaps>
void WeightGradientOfPlane(const LayerShape& shape, const Taps& taps, const float* padded,
                           const float* gradient, const GradientSink& sink) {
  for (int64_t first = 0; first < taps.count; first += kTaps) {
    float sums[kTaps];
    TapGradients<D, kTaps>(shape, taps, first, padded, gradient, sums);
    for (int64_t t = 0; t < kTaps; ++t) {
      float& value = sink.weight[first + t];
      value = (sink.accumulate ? value : 0.0f) + shape.factor * sink.scale * sums[t];
    }
  }
}

template <int kTaps>
void WeightGradient(const LayerShape& shape, const BackwardCall& call) {
  const LayerShape plane = PlaneShape(shape);
  const Taps taps = ForwardTaps(shape);
  const int64_t multiplier = shape.out_channels / shape.in_channels;
  float* padded = call.workspace.data();
  Fill(0.0f, static_cast<int64_t>(call.workspace.size()), padded);
  for (int64_t i = 0; i < call.count * shape.in_channels; ++i) {
    ReplacePaddedImage(plane, call.input + i * shape.in_plane(), padded);
    for (int64_t out = i * multiplier; out < (i + 1) * multiplier; ++out) {
      GradientSink sink = call.sink;
      sink.weight += out % shape.out_channels * taps.count;
      sink.accumulate = sink.accumulate || i >= shape.in_channels;
      WithVectorsFor(shape.out_width, [&](auto d) HWY_ATTR {
        WeightGradientOfPlane<decltype(d), kTaps>(
            shape, taps, padded, call.output_gradient + out * shape.out_plane(), sink);
      });
    }
  }
}

void DepthwiseWeightGradientOnTarget(const LayerShape& shape, const BackwardCall& call) {
  switch (shape.kernel) {
    case 3:
      return WeightGradient<9>(shape, call);
    case 5:
      return WeightGradient<5>(shape, call);
    default:
      return WeightGradient<7>(shape, call);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tern
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tern {

HWY_EXPORT(DepthwiseForwardOnTarget);
HWY_EXPORT(DepthwiseInputGradientOnTarget);
HWY_EXPORT(DepthwiseWeightGradientOnTarget);

bool IsDepthwiseConvolution(const LayerShape& shape) {
  return shape.groups > 1 && shape.groups == shape.in_channels &&
         (shape.kernel == 3 || shape.kernel == 5 || shape.kernel == 7);
}

int64_t DepthwiseWorkspaceFloats(const LayerShape& shape) {
  const int64_t padded = PaddedImage(shape).Floats() / shape.in_channels;
  const int64_t extent = shape.dilation * (shape.kernel - 1);
  const int64_t spread = shape.out_channels / shape.in_channels * (shape.in_height + extent) *
                         (shape.in_width + extent);
  return std::max(padded, spread) + kRowSlackFloats;
}

void DepthwiseForward(const LayerShape& shape, const ForwardCall& call) {
  HWY_DYNAMIC_DISPATCH(DepthwiseForwardOnTarget)(shape, call);
}

void DepthwiseInputGradient(const LayerShape& shape, const BackwardCall& call) {
  HWY_DYNAMIC_DISPATCH(DepthwiseInputGradientOnTarget)(shape, call);
}

void DepthwiseWeightGradient(const LayerShape& shape, const BackwardCall& call) {
  HWY_DYNAMIC_DISPATCH(DepthwiseWeightGradientOnTarget)(shape, call);
}

}  // namespace tern
#endif  // HWY_ONCE
