#include "core/engine/image_columns.h"

#include <algorithm>

#include "core/engine/elementwise.h"
#include "core/engine/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/engine/image_columns.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes first.
#include "core/engine/simd-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tern {
namespace HWY_NAMESPACE {

// In the padded image, between what two neighbouring output rows read.
HWY_INLINE int64_t OutputRowStride(const LayerShape& shape) {
  return shape.stride * shape.stride * PaddedImage(shape).group;
}

// Calls body(offset in the padded image, row of the matrix) for each row of the columns, in order,
// where the offset is that of the first element which the row's outputs read.
template <class Body>
HWY_INLINE void ForEachColumnsRow(const LayerShape& shape, int64_t first_row, const Body& body) {
  const PaddedImage padded(shape);
  int64_t row = 0;
  for (int64_t channel = 0; channel < shape.in_channels; ++channel) {
    for (int64_t y = 0; y < shape.kernel; ++y) {
      for (int64_t x = 0; x < shape.kernel; ++x) {
        body(padded.Offset(channel, first_row * shape.stride + y * shape.dilation,
                           x * shape.dilation),
             row++);
      }
    }
  }
}

void PaddedImageToColumnsOnTarget(const LayerShape& shape, const float* padded, int64_t first_row,
                                  int64_t rows, float* HWY_RESTRICT columns) {
  constexpr int64_t kStep = hn::MaxLanes(FloatTag());
  static_assert(kStep <= kRowSlackFloats);
  const FloatTag d;
  const int64_t from_stride = OutputRowStride(shape);
  const int64_t width = shape.out_width;
  ForEachColumnsRow(shape, first_row, [&](int64_t offset, int64_t row) HWY_ATTR {
    const float* from = padded + offset;
    float* to = columns + row * rows * width;
    for (int64_t y = 0; y < rows; ++y, from += from_stride, to += width) {
      // What is copied beyond the end of a row is overwritten by the next.
      for (int64_t x = 0; x < width; x += kStep) hn::StoreU(hn::LoadU(d, from + x), d, to + x);
    }
  });
}

void AddColumnsToPaddedImageOnTarget(const LayerShape& shape, const float* columns,
                                     int64_t first_row, int64_t rows, float* HWY_RESTRICT padded) {
  const int64_t to_stride = OutputRowStride(shape);
  const int64_t width = shape.out_width;
  ForEachColumnsRow(shape, first_row, [&](int64_t offset, int64_t row) HWY_ATTR {
    const float* from = columns + row * rows * width;
    float* to = padded + offset;
    for (int64_t y = 0; y < rows; ++y, from += width, to += to_stride)
      AddFloats(FloatTag(), from, width, to);
  });
}

// Copies a row by whole vectors, the last of which may overlap the one before; rows shorter than a
// vector by shorter ones.
template <class D>
HWY_INLINE void CopyRow(D d, const float* from, int64_t count, float* HWY_RESTRICT to) {
  constexpr int64_t kLanes = hn::MaxLanes(D());
  if constexpr (kLanes > 1) {
    if (count < kLanes) return CopyRow(hn::Half<D>(), from, count, to);
  }
  for (int64_t i = 0; i < count; i += kLanes) {
    const int64_t start = std::min(i, count - kLanes);
    hn::StoreU(hn::LoadU(d, from + start), d, to + start);
  }
}

// even[i] = from[2 i], odd[i] = from[2 i + 1]. Pairs end with vectors that may overlap the ones
// before.
template <class D>
HWY_INLINE void SplitByParity(D d, const float* from, int64_t count, float* HWY_RESTRICT even,
                              float* HWY_RESTRICT odd) {
  constexpr int64_t kLanes = hn::MaxLanes(D());
  const int64_t pairs = count / 2;
  if (count % 2 != 0) even[pairs] = from[count - 1];
  if constexpr (kLanes > 4) {
    if (pairs < kLanes) return SplitByParity(hn::Half<D>(), from, 2 * pairs, even, odd);
  }
  int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  for (; i < pairs && pairs >= kLanes; i += kLanes) {
    const int64_t start = std::min(i, pairs - kLanes);
    const auto low = hn::LoadU(d, from + 2 * start);
    const auto high = hn::LoadU(d, from + 2 * start + kLanes);
    hn::StoreU(hn::ConcatEven(d, high, low), d, even + start);
    hn::StoreU(hn::ConcatOdd(d, high, low), d, odd + start);
  }
#else
  (void)d;
#endif
  for (; i < pairs; ++i) {
    even[i] = from[2 * i];
    odd[i] = from[2 * i + 1];
  }
}

// The inverse.
template <class D>
HWY_INLINE void MergeParities(D d, const float* even, const float* odd, int64_t count,
                              float* HWY_RESTRICT to) {
  constexpr int64_t kLanes = hn::MaxLanes(D());
  const int64_t pairs = count / 2;
  if (count % 2 != 0) to[count - 1] = even[pairs];
  if constexpr (kLanes > 4) {
    if (pairs < kLanes) return MergeParities(hn::Half<D>(), even, odd, 2 * pairs, to);
  }
  int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  for (; i < pairs && pairs >= kLanes; i += kLanes) {
    const int64_t start = std::min(i, pairs - kLanes);
    hn::StoreInterleaved2(hn::LoadU(d, even + start), hn::LoadU(d, odd + start), d, to + 2 * start);
  }
#else
  (void)d;
#endif
  for (; i < pairs; ++i) {
    to[2 * i] = even[i];
    to[2 * i + 1] = odd[i];
  }
}

// Calls body(row of the image, where its even columns are in the padded image, and its odd ones),
// of strides 1 and 2. With stride 1 a row is whole, where the even columns are.
template <class Body>
HWY_INLINE void ForEachPaddedRow(const LayerShape& shape, const Body& body) {
  const PaddedImage padded(shape);
  int64_t row = 0;
  for (int64_t channel = 0; channel < shape.in_channels; ++channel) {
    int64_t even = padded.Offset(channel, shape.padding, shape.padding);
    int64_t odd = padded.Offset(channel, shape.padding, shape.padding + 1);
    for (int64_t y = 0; y < shape.in_height; ++y) {
      body(row++ * shape.in_width, even, odd);
      even += padded.stride * padded.group;
      odd += padded.stride * padded.group;
    }
  }
}

void PadRowsOnTarget(const LayerShape& shape, const float* image, float* HWY_RESTRICT padded) {
  if (shape.stride == 1 && shape.padding == 0) {
    return CopyRow(FloatTag(), image, shape.in_elements(), padded);
  }
  ForEachPaddedRow(shape, [&](int64_t row, int64_t even, int64_t odd) HWY_ATTR {
    if (shape.stride == 1) {
      CopyRow(FloatTag(), image + row, shape.in_width, padded + even);
    } else {
      SplitByParity(FloatTag(), image + row, shape.in_width, padded + even, padded + odd);
    }
  });
}

void UnpadRowsOnTarget(const LayerShape& shape, const float* padded, float* HWY_RESTRICT image) {
  ForEachPaddedRow(shape, [&](int64_t row, int64_t even, int64_t odd) HWY_ATTR {
    if (shape.stride == 1) {
      CopyRow(FloatTag(), padded + even, shape.in_width, image + row);
    } else {
      MergeParities(FloatTag(), padded + even, padded + odd, shape.in_width, image + row);
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace tern
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tern {

HWY_EXPORT(PaddedImageToColumnsOnTarget);
HWY_EXPORT(AddColumnsToPaddedImageOnTarget);
HWY_EXPORT(PadRowsOnTarget);
HWY_EXPORT(UnpadRowsOnTarget);

LayerShape GroupShape(const LayerShape& layer) {
  LayerShape group = layer;
  group.in_channels /= layer.groups;
  group.out_channels /= layer.groups;
  group.groups = 1;
  return group;
}

PaddedImage::PaddedImage(const LayerShape& layer)
    : channels(layer.in_channels),
      height(layer.in_height + 2 * layer.padding),
      stride(layer.stride),
      group((layer.in_width + 2 * layer.padding + layer.stride - 1) / layer.stride) {}

namespace {

// Calls body(offset of an element in `image`, its offset in the padded image) for every element.
template <class Body>
void ForEachElement(const LayerShape& shape, const Body& body) {
  const PaddedImage padded(shape);
  int64_t row = 0;
  for (int64_t channel = 0; channel < shape.in_channels; ++channel) {
    for (int64_t y = shape.padding; y < shape.padding + shape.in_height; ++y) {
      for (int64_t group = 0; group < shape.stride; ++group) {
        // The first element whose padded column is `group` modulo the stride.
        int64_t x = (group + shape.stride - shape.padding % shape.stride) % shape.stride;
        int64_t to = padded.Offset(channel, y, x + shape.padding);
        for (; x < shape.in_width; x += shape.stride) body(row + x, to++);
      }
      row += shape.in_width;
    }
  }
}

}  // namespace

void PadImage(const LayerShape& shape, const float* image, float* padded) {
  if (shape.stride > 1 || shape.padding > 0) Fill(0.0f, PaddedImage(shape).Floats(), padded);
  ReplacePaddedImage(shape, image, padded);
}

void ReplacePaddedImage(const LayerShape& shape, const float* image, float* padded) {
  if (shape.stride <= 2) return HWY_DYNAMIC_DISPATCH(PadRowsOnTarget)(shape, image, padded);
  ForEachElement(shape, [&](int64_t from, int64_t to) { padded[to] = image[from]; });
}

void UnpadImage(const LayerShape& shape, const float* padded, float* image) {
  if (shape.stride <= 2) return HWY_DYNAMIC_DISPATCH(UnpadRowsOnTarget)(shape, padded, image);
  ForEachElement(shape, [&](int64_t to, int64_t from) { image[to] = padded[from]; });
}

void PaddedImageToColumns(const LayerShape& shape, const float* padded, int64_t first_row,
                          int64_t rows, float* columns) {
  HWY_DYNAMIC_DISPATCH(PaddedImageToColumnsOnTarget)(shape, padded, first_row, rows, columns);
}

void AddColumnsToPaddedImage(const LayerShape& shape, const float* columns, int64_t first_row,
                             int64_t rows, float* padded) {
  HWY_DYNAMIC_DISPATCH(AddColumnsToPaddedImageOnTarget)(shape, columns, first_row, rows, padded);
}

}  // namespace tern
#endif  // HWY_ONCE
