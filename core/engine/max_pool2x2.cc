#include "core/engine/max_pool2x2.h"

#include <algorithm>

#include "core/engine/elementwise.h"
#include "core/engine/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/engine/max_pool2x2.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes first.
#include "core/engine/simd-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tern {
namespace HWY_NAMESPACE {

// The functions of this part take a row of windows as the two rows of the image that it covers, the
// lower one `width` floats behind.
#if HWY_TARGET == HWY_SCALAR

HWY_INLINE void PoolRow(const float* row, int64_t width, float* out) {
  for (int64_t x = 0; x + 1 < width; x += 2) {
    const float top = row[x + 1] > row[x] ? row[x + 1] : row[x];
    const float bottom = row[width + x + 1] > row[width + x] ? row[width + x + 1] : row[width + x];
    out[x / 2] = bottom > top ? bottom : top;
  }
}

HWY_INLINE void PoolRowGradient(const float* row, int64_t width, const float* out_gradient,
                                float* in_gradient) {
  for (int64_t x = 0; x + 1 < width; x += 2) {
    const int64_t top = row[x + 1] > row[x] ? x + 1 : x;
    const int64_t bottom = row[width + x + 1] > row[width + x] ? width + x + 1 : width + x;
    const int64_t maximum = row[bottom] > row[top] ? bottom : top;
    for (const int64_t i : {x, x + 1, width + x, width + x + 1}) {
      in_gradient[i] = i == maximum ? out_gradient[x / 2] : 0.0f;
    }
  }
}

#else

// Vectors hold the rows as they lie: lanes 2i and 2i + 1 belong to one window. What is left of a
// row is taken by ever shorter vectors, the last windows by part of one of four lanes.

// A later element is the maximum only where it is above the earlier ones.
template <class V>
HWY_INLINE V Later(V earlier, V later) {
  return hn::IfThenElse(hn::Gt(later, earlier), later, earlier);
}

// Loads and stores of the first `count` lanes.
template <class D>
struct Lanes {
  int64_t count;

  HWY_INLINE bool whole() const { return count == static_cast<int64_t>(hn::MaxLanes(D())); }
  HWY_INLINE hn::Vec<D> Load(const float* from) const {
    return whole() ? hn::LoadU(D(), from) : LoadLanes(D(), from, count);
  }
  HWY_INLINE void Store(hn::Vec<D> value, float* to) const {
    if (whole()) return hn::StoreU(value, D(), to);
    StoreLanes(value, D(), to, count);
  }
};

// In the even lanes the maximum of each window's row.
template <class V>
HWY_INLINE V RowMaxima(V row) {
  return Later(row, hn::Shuffle2301(row));
}

// Where an element is the maximum of its window's row.
template <class D>
HWY_INLINE hn::Mask<D> LeadsRow(D d, hn::Vec<D> row) {
  const hn::RepartitionToWide<hn::RebindToUnsigned<D> > pairs;
  const auto odd = hn::MaskFromVec(hn::BitCast(d, hn::Set(pairs, 0xFFFFFFFF00000000u)));
  const auto others = hn::Shuffle2301(row);
  return hn::Or(hn::And(odd, hn::Gt(row, others)), hn::AndNot(odd, hn::Ge(row, others)));
}

// Each of `count` floats, twice.
template <class D>
HWY_INLINE hn::Vec<D> LoadTwice(D d, const float* from, int64_t count) {
  const hn::RepartitionToWide<hn::RebindToUnsigned<D> > pairs;
  const auto once = Lanes<hn::Half<D> >{count}.Load(from);
  const auto wide = hn::PromoteTo(pairs, hn::BitCast(hn::RebindToUnsigned<hn::Half<D> >(), once));
  return hn::BitCast(d, hn::Or(wide, hn::ShiftLeft<32>(wide)));
}

// Calls body(tag, first column, columns) for each vector of `columns` columns from `x` on.
template <class D, class Body>
HWY_INLINE void ForEachVectorOfWindows(D d, int64_t x, int64_t columns, const Body& body) {
  constexpr int64_t kLanes = hn::MaxLanes(D());
  for (; x + kLanes <= columns; x += kLanes) body(d, x, kLanes);
  if (x == columns) return;
  if constexpr (kLanes > 4) {
    ForEachVectorOfWindows(hn::Half<D>(), x, columns, body);
  } else {
    body(d, x, columns - x);
  }
}

HWY_INLINE void PoolRow(const float* row, int64_t width, float* HWY_RESTRICT out) {
  ForEachVectorOfWindows(
      FloatTag(), 0, width / 2 * 2, [&](auto d, int64_t x, int64_t count) HWY_ATTR {
        const Lanes<decltype(d)> lanes{count};
        const auto maxima =
            Later(RowMaxima(lanes.Load(row + x)), RowMaxima(lanes.Load(row + width + x)));
        const auto packed = hn::LowerHalf(hn::ConcatEven(d, maxima, maxima));
        Lanes<hn::Half<decltype(d)> >{count / 2}.Store(packed, out + x / 2);
      });
}

HWY_INLINE void PoolRowGradient(const float* row, int64_t width, const float* out_gradient,
                                float* HWY_RESTRICT in_gradient) {
  ForEachVectorOfWindows(
      FloatTag(), 0, width / 2 * 2, [&](auto d, int64_t x, int64_t count) HWY_ATTR {
        const Lanes<decltype(d)> lanes{count};
        const auto top = lanes.Load(row + x);
        const auto bottom = lanes.Load(row + width + x);
        const auto below = hn::Gt(RowMaxima(bottom), RowMaxima(top));
        const auto gradient = LoadTwice(d, out_gradient + x / 2, count / 2);
        lanes.Store(hn::IfThenElseZero(hn::AndNot(below, LeadsRow(d, top)), gradient),
                    in_gradient + x);
        lanes.Store(hn::IfThenElseZero(hn::And(below, LeadsRow(d, bottom)), gradient),
                    in_gradient + width + x);
      });
}

#endif

void MaxPool2x2OnTarget(const float* in, int64_t planes, int64_t height, int64_t width,
                        float* out) {
  for (int64_t plane = 0; plane < planes; ++plane, in += height * width) {
    for (int64_t y = 0; y + 1 < height; y += 2, out += width / 2)
      PoolRow(in + y * width, width, out);
  }
}

void MaxPool2x2GradientOnTarget(const float* in, int64_t planes, int64_t height, int64_t width,
                                const float* out_gradient, float* in_gradient) {
  // What no window covers.
  if (width % 2 != 0 || height % 2 != 0) Fill(0.0f, planes * height * width, in_gradient);
  for (int64_t plane = 0; plane < planes; ++plane) {
    for (int64_t y = 0; y + 1 < height; y += 2, out_gradient += width / 2) {
      const int64_t offset = (plane * height + y) * width;
      PoolRowGradient(in + offset, width, out_gradient, in_gradient + offset);
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

void MaxPool2x2(const float* in, int64_t planes, int64_t height, int64_t width, float* out) {
  HWY_DYNAMIC_DISPATCH(MaxPool2x2OnTarget)(in, planes, height, width, out);
}

void MaxPool2x2Gradient(const float* in, int64_t planes, int64_t height, int64_t width,
                        const float* out_gradient, float* in_gradient) {
  HWY_DYNAMIC_DISPATCH(MaxPool2x2GradientOnTarget)
  (in, planes, height, width, out_gradient, in_gradient);
}

}  // namespace tern
#endif  // HWY_ONCE
