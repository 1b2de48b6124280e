#include "core/engine/image_columns.h"

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

// even[i] = from[2 i], odd[i] = from[2 i + 1].
template <class D>
HWY_INLINE void SplitByParity(D d, const float* from, int64_t count, float* HWY_RESTRICT even,
                              float* HWY_RESTRICT odd) {
  int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  constexpr int64_t kLanes = hn::MaxLanes(D());
  for (; i + 2 * kLanes <= count; i += 2 * kLanes) {
    const auto low = hn::LoadU(d, from + i);
    const auto high = hn::LoadU(d, from + i + kLanes);
    hn::StoreU(hn::ConcatEven(d, high, low), d, even + i / 2);
    hn::StoreU(hn::ConcatOdd(d, high, low), d, odd + i / 2);
  }
  if constexpr (kLanes > 4) {
    return SplitByParity(hn::Half<D>(), from + i, count - i, even + i / 2, odd + i / 2);
  }
#else
  (void)d;
#endif
  for (; i < count; ++i) (i % 2 == 0 ? even : odd)[i / 2] = from[i];
}

// Of strides 1 and 2: whole rows, or their even and odd columns.
void PadRowsOnTarget(const LayerShape& shape, const float* image, float* HWY_RESTRICT padded) {
  if (shape.stride == 1 && shape.padding == 0) {
    return CopyFloats(image, shape.in_elements(), padded);
  }
  const PaddedImage layout(shape);
  for (int64_t channel = 0; channel < shape.in_channels; ++channel) {
    float* even = padded + layout.Offset(channel, shape.padding, shape.padding);
    float* odd = padded + layout.Offset(channel, shape.padding, shape.padding + 1);
    for (int64_t y = 0; y < shape.in_height; ++y, image += shape.in_width) {
      if (shape.stride == 1) {
        CopyFloats(image, shape.in_width, even);
      } else {
        SplitByParity(FloatTag(), image, shape.in_width, even, odd);
      }
      even += layout.stride * layout.group;
      odd += layout.stride * layout.group;
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tern
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tern {

HWY_EXPORT(PaddedImageToColumnsOnTarget);
HWY_EXPORT(AddColumnsToPaddedImageOnTarget);
HWY_EXPORT(PadRowsOnTarget);

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
