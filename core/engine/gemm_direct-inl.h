// Register tiles of op(B) where it lies, for one target.

#if defined(TERN_CORE_ENGINE_GEMM_DIRECT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERN_CORE_ENGINE_GEMM_DIRECT_INL_H_
#undef TERN_CORE_ENGINE_GEMM_DIRECT_INL_H_
#else
#define TERN_CORE_ENGINE_GEMM_DIRECT_INL_H_
#endif

#include <algorithm>
#include <cstdint>

#include "core/engine/gemm_blocking.h"
#include "core/engine/gemm_tile-inl.h"
#include "core/engine/simd-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tern {
namespace HWY_NAMESPACE {

// dst[p * dst_stride + i] = src[i * src_stride + p] for i < rows, p < k. Rows of dst are written up
// to the next multiple of four; what lies there beyond `rows` is of no use to anyone.
HWY_INLINE void PackTransposed(const float* src, int64_t src_stride, int64_t rows, int64_t k,
                               float* HWY_RESTRICT dst, int64_t dst_stride) {
  for (int64_t i = 0; i < rows; i += 4) {
    const float* row[4];
    for (int64_t r = 0; r < 4; ++r) row[r] = src + std::min(i + r, rows - 1) * src_stride;
    int64_t p = 0;
#if HWY_TARGET != HWY_SCALAR
    const hn::FixedTag<float, 4> d4;
    for (; p + 4 <= k; p += 4) {
      const auto r0 = hn::LoadU(d4, row[0] + p);
      const auto r1 = hn::LoadU(d4, row[1] + p);
      const auto r2 = hn::LoadU(d4, row[2] + p);
      const auto r3 = hn::LoadU(d4, row[3] + p);
      const auto low01 = hn::InterleaveLower(d4, r0, r1);
      const auto low23 = hn::InterleaveLower(d4, r2, r3);
      const auto high01 = hn::InterleaveUpper(d4, r0, r1);
      const auto high23 = hn::InterleaveUpper(d4, r2, r3);
      float* to = dst + p * dst_stride + i;
      hn::StoreU(hn::ConcatLowerLower(d4, low23, low01), d4, to);
      hn::StoreU(hn::ConcatUpperUpper(d4, low23, low01), d4, to + dst_stride);
      hn::StoreU(hn::ConcatLowerLower(d4, high23, high01), d4, to + 2 * dst_stride);
      hn::StoreU(hn::ConcatUpperUpper(d4, high23, high01), d4, to + 3 * dst_stride);
    }
#endif
    for (; p < k; ++p) {
      for (int64_t r = 0; r < 4; ++r) dst[p * dst_stride + i + r] = row[r][p];
    }
  }
}

// Ends with ever shorter vectors: panels of one to three of these are common.
template <class D>
HWY_INLINE void CopyShortening(D d, const float* from, int64_t count, float* HWY_RESTRICT to) {
  constexpr int64_t kStep = hn::MaxLanes(D());
  int64_t i = 0;
  for (; i + kStep <= count; i += kStep) hn::StoreU(hn::LoadU(d, from + i), d, to + i);
  if constexpr (kStep > 1) {
    if (i < count) CopyShortening(hn::Half<D>(), from + i, count - i, to + i);
  }
}

// dst[p * dst_stride + i] = src[p * src_stride + i] for i < columns, p < k.
HWY_INLINE void PackRows(const float* src, int64_t src_stride, int64_t columns, int64_t k,
                         float* HWY_RESTRICT dst, int64_t dst_stride) {
  for (int64_t p = 0; p < k; ++p) {
    CopyShortening(FloatTag(), src + p * src_stride, columns, dst + p * dst_stride);
  }
}

// Rows [i0, i0 + rows) and columns [p0, p0 + k) of op(A): element (i, p) at packed[p * kTileRows +
// i].
HWY_INLINE void PackPanel(const MatrixView& a, int64_t i0, int64_t rows, int64_t p0, int64_t k,
                          float* packed) {
  if (a.transposed) {
    PackRows(a.data + p0 * a.stride + i0, a.stride, rows, k, packed, kTileRows);
  } else {
    PackTransposed(a.data + i0 * a.stride + p0, a.stride, rows, k, packed, kTileRows);
  }
}

// Rows [i0, i0 + rows) of C, panel by panel: where C is most of the traffic it is walked by rows.
void GemmDirectOnTarget(const GemmCall& g, int64_t i0, int64_t rows, float* packed) {
  const EvenParts panels(rows, kTileRows);
  const EvenParts sums(g.k, kDirectBlockK);
  for (int64_t panel = 0; panel < panels.count; ++panel) {
    const int64_t i = i0 + panels.Start(panel);
    const int64_t height = panels.Size(panel);
    const ColumnParts parts(g.n, TileVectors(height));
    for (int64_t block = 0; block < sums.count; ++block) {
      const int64_t p = sums.Start(block);
      const int64_t k = sums.Size(block);
      PackPanel(g.a, i, height, p, k, packed);
      for (int64_t part = 0; part < parts.count(); ++part) {
        const int64_t j = parts.Start(part);
        RunTile({.k = k,
                 .a = packed,
                 .b = g.b.data + p * g.b.stride + j,
                 .b_stride = g.b.stride,
                 .columns = parts.Columns(part),
                 .output = Output(g, i, j, p, k)},
                height);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tern
HWY_AFTER_NAMESPACE();

#endif  // TERN_CORE_ENGINE_GEMM_DIRECT_INL_H_
