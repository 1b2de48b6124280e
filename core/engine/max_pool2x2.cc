#include "core/engine/max_pool2x2.h"

#include "core/engine/elementwise.h"
#include "core/engine/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/engine/max_pool2x2.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes first.
#include "core/engine/simd-inl.h"
#include "core/engine/vector_bits-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tern {
namespace HWY_NAMESPACE {

// The functions of this part take a row of windows as the two rows of the image that it covers, the
// lower one `width` floats behind, the first `columns` of each.
#if HWY_TARGET == HWY_SCALAR

template <bool kSave>
HWY_INLINE void PoolRow(const float* row, int64_t width, int64_t columns, float* out,
                        uint8_t* places) {
  for (int64_t x = 0; x < columns; x += 2) {
    const float* top = row + x;
    const float* bottom = top + width;
    const bool top_right = top[1] > top[0];
    const bool bottom_right = bottom[1] > bottom[0];
    const float top_maximum = top_right ? top[1] : top[0];
    const float bottom_maximum = bottom_right ? bottom[1] : bottom[0];
    const bool below = bottom_maximum > top_maximum;
    out[x / 2] = below ? bottom_maximum : top_maximum;
    if constexpr (!kSave) continue;
    const int place = below ? 2 + bottom_right : top_right;
    const int before = x % 8 == 0 ? 0 : places[x / 8];
    places[x / 8] = static_cast<uint8_t>(before | (place << (x % 8)));
  }
}

HWY_INLINE void PoolRowGradient(const uint8_t* places, int64_t width, int64_t columns,
                                const float* out_gradient, float* in_gradient) {
  for (int64_t x = 0; x < columns; x += 2) {
    const int place = MaxPool2x2Place(places, x / 2);
    const float gradient = out_gradient[x / 2];
    in_gradient[x] = place == 0 ? gradient : 0.0f;
    in_gradient[x + 1] = place == 1 ? gradient : 0.0f;
    in_gradient[width + x] = place == 2 ? gradient : 0.0f;
    in_gradient[width + x + 1] = place == 3 ? gradient : 0.0f;
  }
}

#else

// Vectors hold the rows as they lie: lanes 2i and 2i + 1 belong to one window, and so do the bits
// 2i and 2i + 1 of its place.

// A later element is the maximum only where it is above the earlier ones.
template <class V>
HWY_INLINE V Later(V earlier, V later) {
  return hn::IfThenElse(hn::Gt(later, earlier), later, earlier);
}

template <bool kSave>
HWY_INLINE void PoolRow(const float* row, int64_t width, int64_t columns, float* HWY_RESTRICT out,
                        uint8_t* HWY_RESTRICT places) {
  ForEachShorterVector(FloatTag(), 0, columns, [&](auto d, int64_t x, int64_t count) HWY_ATTR {
    const Lanes<decltype(d)> lanes{count};
    const auto top = lanes.Load(row + x);
    const auto bottom = lanes.Load(row + width + x);
    // In both lanes of a window; what they make of a NaN may differ.
    const auto top_maximum = Later(top, hn::Shuffle2301(top));
    const auto bottom_maximum = Later(bottom, hn::Shuffle2301(bottom));
    const auto below = hn::Gt(bottom_maximum, top_maximum);
    const auto maximum = hn::IfThenElse(below, bottom_maximum, top_maximum);
    const auto packed = hn::LowerHalf(hn::ConcatEven(d, maximum, maximum));
    Lanes<hn::Half<decltype(d)> >{count / 2}.Store(packed, out + x / 2);
    if constexpr (!kSave) return;
    // Odd lanes: is the lower row's maximum above the upper's? Even ones: is the maximum above what
    // is left of it in its row, or there?
    const auto row_with_maximum = hn::IfThenElse(below, bottom, top);
    StoreBits(
        hn::Gt(hn::OddEven(bottom_maximum, maximum), hn::OddEven(top_maximum, row_with_maximum)), d,
        x, places);
  });
}

// Each of `count` floats, twice.
template <class D>
HWY_INLINE hn::Vec<D> LoadTwice(D d, const float* from, int64_t count) {
  const hn::RepartitionToWide<hn::RebindToUnsigned<D> > pairs;
  const auto once = Lanes<hn::Half<D> >{count}.Load(from);
  const auto wide = hn::PromoteTo(pairs, hn::BitCast(hn::RebindToUnsigned<hn::Half<D> >(), once));
  return hn::BitCast(d, hn::Or(wide, hn::ShiftLeft<32>(wide)));
}

// The bits of the places of the windows of d's lanes, the first in the lowest.
template <class D>
HWY_INLINE uint32_t LoadPlaces(D /*d*/, int64_t x, const uint8_t* places) {
  const uint8_t* from = places + x / 8;
  if constexpr (hn::MaxLanes(D()) == 16) {
    return static_cast<uint32_t>(from[0] | (from[1] << 8));
  } else if constexpr (hn::MaxLanes(D()) == 8) {
    return *from;
  } else {
    static_assert(hn::MaxLanes(D()) == 4);
    return static_cast<uint32_t>(*from >> (x % 8));
  }
}

// Of each lane: the bits of its window's place, and what they are if the lane has the maximum, it
// being in the upper or in the lower row.
HWY_ALIGN constexpr uint32_t kPlaceBits[16] = {
    3u << 0, 3u << 0, 3u << 2,  3u << 2,  3u << 4,  3u << 4,  3u << 6,  3u << 6,
    3u << 8, 3u << 8, 3u << 10, 3u << 10, 3u << 12, 3u << 12, 3u << 14, 3u << 14};
HWY_ALIGN constexpr uint32_t kUpperPlace[16] = {0, 1u << 0, 0, 1u << 2,  0, 1u << 4,  0, 1u << 6,
                                                0, 1u << 8, 0, 1u << 10, 0, 1u << 12, 0, 1u << 14};
HWY_ALIGN constexpr uint32_t kLowerPlace[16] = {
    2u << 0, 3u << 0, 2u << 2,  3u << 2,  2u << 4,  3u << 4,  2u << 6,  3u << 6,
    2u << 8, 3u << 8, 2u << 10, 3u << 10, 2u << 12, 3u << 12, 2u << 14, 3u << 14};

HWY_INLINE void PoolRowGradient(const uint8_t* HWY_RESTRICT places, int64_t width, int64_t columns,
                                const float* out_gradient, float* HWY_RESTRICT in_gradient) {
  ForEachShorterVector(FloatTag(), 0, columns, [&](auto d, int64_t x, int64_t count) HWY_ATTR {
    const Lanes<decltype(d)> lanes{count};
    const hn::RebindToUnsigned<decltype(d)> bits;
    const auto place = hn::And(hn::Set(bits, LoadPlaces(d, x, places)), hn::Load(bits, kPlaceBits));
    const auto upper = hn::RebindMask(d, hn::Eq(place, hn::Load(bits, kUpperPlace)));
    const auto lower = hn::RebindMask(d, hn::Eq(place, hn::Load(bits, kLowerPlace)));
    const auto gradient = LoadTwice(d, out_gradient + x / 2, count / 2);
    lanes.Store(hn::IfThenElseZero(upper, gradient), in_gradient + x);
    lanes.Store(hn::IfThenElseZero(lower, gradient), in_gradient + width + x);
  });
}

#endif

template <bool kSave>
void Pool(const LayerShape& shape, int64_t planes, const float* in, float* out, uint8_t* places) {
  const int64_t windows = shape.out_width;
  const int64_t place_bytes = MaxPool2x2PlaceBytes(windows);
  for (int64_t plane = 0; plane < planes; ++plane, in += shape.in_plane()) {
    for (int64_t y = 0; y < shape.out_height; ++y, out += windows) {
      PoolRow<kSave>(in + 2 * y * shape.in_width, shape.in_width, 2 * windows, out, places);
      if constexpr (kSave) places += place_bytes;
    }
  }
}

void MaxPool2x2OnTarget(const LayerShape& shape, int64_t planes, const float* in, float* out,
                        uint8_t* places) {
  (places == nullptr ? Pool<false> : Pool<true>)(shape, planes, in, out, places);
}

void MaxPool2x2GradientOnTarget(const LayerShape& shape, int64_t planes, const uint8_t* places,
                                const float* out_gradient, float* in_gradient) {
  const int64_t width = shape.in_width;
  const int64_t windows = shape.out_width;
  const int64_t place_bytes = MaxPool2x2PlaceBytes(windows);
  // What no window covers.
  if (width != 2 * windows || shape.in_height != 2 * shape.out_height) {
    Fill(0.0f, planes * shape.in_plane(), in_gradient);
  }
  for (int64_t plane = 0; plane < planes; ++plane, in_gradient += shape.in_plane()) {
    for (int64_t y = 0; y < shape.out_height; ++y, out_gradient += windows, places += place_bytes) {
      PoolRowGradient(places, width, 2 * windows, out_gradient, in_gradient + 2 * y * width);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tern
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tern {

HWY_EXPORT(MaxPool2x2OnTarget);
HWY_EXPORT(MaxPool2x2GradientOnTarget);

void MaxPool2x2(const LayerShape& shape, int64_t planes, const float* in, float* out,
                uint8_t* places) {
  HWY_DYNAMIC_DISPATCH(MaxPool2x2OnTarget)(shape, planes, in, out, places);
}

void MaxPool2x2Gradient(const LayerShape& shape, int64_t planes, const uint8_t* places,
                        const float* out_gradient, float* in_gradient) {
  HWY_DYNAMIC_DISPATCH(MaxPool2x2GradientOnTarget)
  (shape, planes, places, out_gradient, in_gradient);
}

}  // namespace tern
#endif  // HWY_ONCE
