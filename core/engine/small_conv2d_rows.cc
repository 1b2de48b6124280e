#include "core/engine/small_conv2d_rows.h"

#include <algorithm>

#include "core/engine/max_pool2d.h"
#include "core/engine/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/engine/small_conv2d_rows.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes first.
#include "core/engine/simd-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tern {
namespace HWY_NAMESPACE {

// Calls body(tag, x) for vectors that cover [first, end), ever shorter ones at the end.
template <class D, class Body>
HWY_INLINE void ForEachWholeVector(D d, int64_t first, int64_t end, const Body& body) {
  constexpr int64_t kLanes = hn::MaxLanes(D());
  for (; first + kLanes <= end; first += kLanes) body(d, first);
  if constexpr (kLanes > 1) {
    if (first < end) ForEachWholeVector(hn::Half<D>(), first, end, body);
  }
}

struct Range {
  int64_t begin;
  int64_t end;
};

// Which elements of a kernel whose first one lies at `start` lie in [0, size).
HWY_INLINE Range TapsInside(const LayerShape& shape, int64_t start, int64_t size) {
  const int64_t dilation = shape.dilation;
  const int64_t extent = dilation * (shape.kernel - 1);
  if (start >= 0 && start + extent < size) return {0, shape.kernel};
  const int64_t begin = start >= 0 ? 0 : (dilation - 1 - start) / dilation;
  return {begin, std::min(shape.kernel, (size - start + dilation - 1) / dilation)};
}

// As many outputs from column x on as d has lanes; `taps` of each row of the kernel.
template <int kChannels, class D>
HWY_INLINE void ConvolveColumns(D d, const LayerShape& shape, const OutputRow& row, Range taps,
                                int64_t x) {
  const int64_t channels = shape.in_channels / shape.groups;
  const int64_t patch = channels * shape.kernel * shape.kernel;
  const int64_t top = row.y * shape.stride - shape.padding;
  const int64_t left = x * shape.stride - shape.padding;
  const Range rows = TapsInside(shape, top, shape.in_height);
  hn::Vec<D> sums[kChannels];
  for (int c = 0; c < kChannels; ++c) sums[c] = hn::Set(d, row.bias[c]);
  for (int64_t channel = 0; channel < channels; ++channel) {
    for (int64_t ky = rows.begin; ky < rows.end; ++ky) {
      const int64_t y = channel * shape.in_height + top + ky * shape.dilation;
      const float* weight = row.weight + (channel * shape.kernel + ky) * shape.kernel;
      for (int64_t kx = taps.begin; kx < taps.end; ++kx) {
        const auto in = hn::LoadU(d, row.image + (y * shape.in_width + left + kx * shape.dilation));
        HWY_UNROLL(4)
        for (int c = 0; c < kChannels; ++c) {
          sums[c] = hn::MulAdd(hn::Set(d, weight[c * patch + kx]), in, sums[c]);
        }
      }
    }
  }
  const auto factor = hn::Set(d, shape.factor);
  for (int c = 0; c < kChannels; ++c) {
    hn::StoreU(hn::Mul(factor, sums[c]), d, row.out + c * row.out_stride + x);
  }
}

// Outputs whose windows reach over the border are computed one by one, as are those of a stride.
template <int kChannels>
HWY_INLINE void ConvolveRowOfChannels(const LayerShape& shape, const OutputRow& row) {
  const int64_t extent = shape.dilation * (shape.kernel - 1);
  const int64_t begin = std::min(shape.stride == 1 ? shape.padding : row.columns, row.columns);
  const int64_t end = std::clamp(shape.in_width + shape.padding - extent, begin, row.columns);
  const auto one_by_one = [&](int64_t from, int64_t to) HWY_ATTR {
    for (int64_t x = from; x < to; ++x) {
      const Range taps = TapsInside(shape, x * shape.stride - shape.padding, shape.in_width);
      ConvolveColumns<kChannels>(hn::CappedTag<float, 1>(), shape, row, taps, x);
    }
  };
  one_by_one(0, begin);
  ForEachWholeVector(FloatTag(), begin, end, [&](auto d, int64_t x) HWY_ATTR {
    ConvolveColumns<kChannels>(d, shape, row, {0, shape.kernel}, x);
  });
  one_by_one(end, row.columns);
}

void ConvolveRowOnTarget(const LayerShape& shape, int64_t channels, const OutputRow& row) {
  if (channels == kChannelTile) return ConvolveRowOfChannels<kChannelTile>(shape, row);
  ConvolveRowOfChannels<1>(shape, row);
}

// to[t] += the sum of the lanes of sums[t].
template <int kTaps, class D>
HWY_INLINE void AddSums(D d, const hn::Vec<D>* sums, float* to) {
  constexpr int64_t kLanes = hn::MaxLanes(D());
  if constexpr (kLanes < 4 || kTaps < 4) {
    for (int t = 0; t < kTaps; ++t) to[t] += hn::GetLane(hn::SumOfLanes(d, sums[t]));
  } else {
    // By way of memory: sums whose address is taken would lie there throughout.
    HWY_ALIGN float lanes[kTaps * kLanes];
    HWY_UNROLL(5)
    for (int t = 0; t < kTaps; ++t) hn::Store(sums[t], d, lanes + t * kLanes);
    hn::Vec<D> vectors[kTaps];
    for (int t = 0; t < kTaps; ++t) vectors[t] = hn::Load(d, lanes + t * kLanes);
    float totals[kTaps];
    SumEach<kTaps, D>(vectors, totals);
    for (int t = 0; t < kTaps; ++t) to[t] += totals[t];
  }
}

// An element of the kernel of one channel.
struct Tap {
  int64_t channel;
  int64_t ky;
  int64_t kx;

  HWY_INLINE int64_t Offset(const LayerShape& shape) const {
    return (channel * shape.kernel + ky) * shape.kernel + kx;
  }
};

// What a strip adds to both gradients by kTaps elements of a row of the kernel, `tap` the first of
// them, in as many columns of the image from x on as d has lanes.
template <int kTaps, bool kImage, bool kWeight, class D>
HWY_INLINE void AddProductsOfColumns(D d, const LayerShape& shape, const GradientStrip& strip,
                                     const GradientProducts& products, const Tap& tap, int64_t x) {
  const int64_t offset = tap.Offset(shape);
  hn::Vec<D> weights[kTaps];
  hn::Vec<D> sums[kTaps];
  for (int t = 0; t < kTaps; ++t) {
    if constexpr (kImage) weights[t] = hn::Set(d, shape.factor * products.weight[offset + t]);
    sums[t] = hn::Zero(d);
  }
  for (int64_t r = 0; r < strip.rows; ++r) {
    const int64_t y = strip.first_y + r - shape.padding + tap.ky * shape.dilation;
    if (y < 0 || y >= shape.in_height) continue;
    const float* gradients =
        strip.row + (r * strip.row_stride + x + shape.padding - tap.kx * shape.dilation);
    const int64_t pixel = (tap.channel * shape.in_height + y) * shape.in_width + x;
    auto in = hn::Zero(d);
    auto in_gradient = hn::Zero(d);
    if constexpr (kWeight) in = hn::LoadU(d, products.image + pixel);
    if constexpr (kImage) in_gradient = hn::LoadU(d, products.image_gradient + pixel);
    HWY_UNROLL(5)
    for (int t = 0; t < kTaps; ++t) {
      const auto gradient = hn::LoadU(d, gradients - t * shape.dilation);
      if constexpr (kWeight) sums[t] = hn::MulAdd(in, gradient, sums[t]);
      if constexpr (kImage) in_gradient = hn::MulAdd(weights[t], gradient, in_gradient);
    }
    if constexpr (kImage) hn::StoreU(in_gradient, d, products.image_gradient + pixel);
  }
  if constexpr (kWeight) AddSums<kTaps>(d, sums, products.weight_gradient + offset);
}

template <int kTaps, bool kImage, bool kWeight>
HWY_INLINE void AddProductsOfTaps(const LayerShape& shape, const GradientStrip& strip,
                                  const GradientProducts& products, Tap& tap) {
  for (; tap.kx + kTaps <= shape.kernel; tap.kx += kTaps) {
    ForEachWholeVector(FloatTag(), 0, shape.in_width, [&](auto d, int64_t x) HWY_ATTR {
      AddProductsOfColumns<kTaps, kImage, kWeight>(d, shape, strip, products, tap, x);
    });
  }
}

struct AlongImage {
  const GradientStrip& strip;

  template <bool kImage, bool kWeight>
  HWY_INLINE void Add(const LayerShape& shape, const GradientProducts& products) const {
    for (int64_t channel = 0; channel < shape.in_channels / shape.groups; ++channel) {
      for (int64_t ky = 0; ky < shape.kernel; ++ky) {
        Tap tap = {channel, ky, 0};
        AddProductsOfTaps<5, kImage, kWeight>(shape, strip, products, tap);
        AddProductsOfTaps<3, kImage, kWeight>(shape, strip, products, tap);
        AddProductsOfTaps<1, kImage, kWeight>(shape, strip, products, tap);
      }
    }
  }
};

// What an element of the gradient adds to both by as many elements of a row of the kernel as d has
// lanes, which meet a row of the image's `pixel`s.
template <bool kImage, bool kWeight, class D>
HWY_INLINE void AddProductsOfElement(D d, const LayerShape& shape, const GradientProducts& products,
                                     float gradient, int64_t pixel, int64_t tap) {
  if constexpr (kWeight) {
    float* to = products.weight_gradient + tap;
    const auto in = hn::LoadU(d, products.image + pixel);
    hn::StoreU(hn::MulAdd(hn::Set(d, gradient), in, hn::LoadU(d, to)), d, to);
  }
  if constexpr (kImage) {
    float* to = products.image_gradient + pixel;
    const auto weight = hn::LoadU(d, products.weight + tap);
    hn::StoreU(hn::MulAdd(hn::Set(d, shape.factor * gradient), weight, hn::LoadU(d, to)), d, to);
  }
}

struct AlongKernel {
  const LayerShape& pool;
  const float* gradients;
  const uint8_t* saved;

  // The products of the gradient of the convolution's output (y, x).
  template <bool kImage, bool kWeight>
  HWY_INLINE void AddElement(const LayerShape& shape, const GradientProducts& products,
                             float gradient, int64_t y, int64_t x) const {
    const int64_t top = y * shape.stride - shape.padding;
    const int64_t left = x * shape.stride - shape.padding;
    const Range rows = TapsInside(shape, top, shape.in_height);
    const Range columns = TapsInside(shape, left, shape.in_width);
    const auto add = [&](auto d, int64_t pixel, int64_t tap) HWY_ATTR {
      AddProductsOfElement<kImage, kWeight>(d, shape, products, gradient, pixel, tap);
    };
    for (int64_t channel = 0; channel < shape.in_channels / shape.groups; ++channel) {
      for (int64_t ky = rows.begin; ky < rows.end; ++ky) {
        const int64_t row = channel * shape.in_height + top + ky * shape.dilation;
        const int64_t pixel = row * shape.in_width + left;
        const int64_t tap = Tap{channel, ky, 0}.Offset(shape);
        if (shape.dilation == 1) {
          ForEachWholeVector(hn::CappedTag<float, 4>(), columns.begin, columns.end,
                             [&](auto d, int64_t kx) HWY_ATTR { add(d, pixel + kx, tap + kx); });
          continue;
        }
        for (int64_t kx = columns.begin; kx < columns.end; ++kx) {
          add(hn::CappedTag<float, 1>(), pixel + kx * shape.dilation, tap + kx);
        }
      }
    }
  }

  template <bool kImage, bool kWeight>
  HWY_INLINE void Add(const LayerShape& shape, const GradientProducts& products) const {
    const float* gradient = gradients;
    for (int64_t y = 0; y < pool.out_height; ++y) {
      for (int64_t x = 0; x < pool.out_width; ++x, ++gradient) {
        PoolPlace place;
        if (shape.pool > 1) place = MaxPool2dPlace(pool, saved, y, x);
        AddElement<kImage, kWeight>(shape, products, *gradient, y * shape.pool + place.y,
                                    x * shape.pool + place.x);
      }
    }
  }
};

// Whichever is wanted. The settings by value: no store can change copies that nothing points to.
template <class Along>
HWY_INLINE void Add(LayerShape shape, const Along& along, GradientProducts products) {
  if (products.image_gradient == nullptr) return along.template Add<false, true>(shape, products);
  if (products.weight_gradient == nullptr) return along.template Add<true, false>(shape, products);
  along.template Add<true, true>(shape, products);
}

void AddProductsOfStripOnTarget(const LayerShape& shape, const GradientStrip& strip,
                                const GradientProducts& products) {
  Add(shape, AlongImage{strip}, products);
}

void AddProductsOfElementsOnTarget(const LayerShape& shape, const LayerShape& pool,
                                   const float* gradient, const uint8_t* saved,
                                   const GradientProducts& products) {
  Add(shape, AlongKernel{pool, gradient, saved}, products);
}

}  // namespace HWY_NAMESPACE
}  // namespace tern
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tern {

HWY_EXPORT(ConvolveRowOnTarget);
HWY_EXPORT(AddProductsOfStripOnTarget);
HWY_EXPORT(AddProductsOfElementsOnTarget);

void ConvolveRow(const LayerShape& shape, int64_t channels, const OutputRow& row) {
  HWY_DYNAMIC_DISPATCH(ConvolveRowOnTarget)(shape, channels, row);
}

void AddProductsOfStrip(const LayerShape& shape, const GradientStrip& strip,
                        const GradientProducts& products) {
  HWY_DYNAMIC_DISPATCH(AddProductsOfStripOnTarget)(shape, strip, products);
}

void AddProductsOfElements(const LayerShape& shape, const LayerShape& pool, const float* gradient,
                           const uint8_t* saved, const GradientProducts& products) {
  HWY_DYNAMIC_DISPATCH(AddProductsOfElementsOnTarget)(shape, pool, gradient, saved, products);
}

}  // namespace tern
#endif  // HWY_ONCE
