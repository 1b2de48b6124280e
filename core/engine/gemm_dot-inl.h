// Products of rows with rows, for one target: a small batch times W^T.

#if defined(TERN_CORE_ENGINE_GEMM_DOT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERN_CORE_ENGINE_GEMM_DOT_INL_H_
#undef TERN_CORE_ENGINE_GEMM_DOT_INL_H_
#else
#define TERN_CORE_ENGINE_GEMM_DOT_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "core/engine/gemm_blocking.h"
#include "core/engine/gemm_tile-inl.h"
#include "core/engine/simd-inl.h"
#include "hwy/cache_control.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tern {
namespace HWY_NAMESPACE {

constexpr int kMaxDotRows = kTileRows > 4 ? 6 : 3;

// Stores some sums of a row of C.
template <int kColumns>
HWY_INLINE void StoreSums(const Output& output, int64_t i, const float* sums) {
  const hn::CappedTag<float, std::min(kColumns, 4)> d;
  const VectorOf<decltype(d)> lanes;
  const auto alpha = hn::Set(d, output.alpha);
  for (int j = 0; j < kColumns; j += static_cast<int>(hn::MaxLanes(d))) {
    auto x = hn::Mul(alpha, lanes.Load(sums + j));
    if (output.accumulate) x = hn::Add(x, lanes.Load(output.At(i, j)));
    lanes.Store(Finish(d, lanes, output, x, i, j), output.At(i, j));
  }
}

// Adds to sum[i][j] the product of one vector of A's row i and one of B's row j.
template <int kRows, int kColumns, class Lanes>
HWY_INLINE void DotStep(const Lanes& lanes, const float* a, int64_t a_stride, const float* b,
                        int64_t b_stride, hn::Vec<FloatTag> (&sum)[kRows][kColumns]) {
  hn::Vec<FloatTag> rows[kRows];
  HWY_UNROLL(6)
  for (int i = 0; i < kRows; ++i) rows[i] = lanes.Load(a + i * a_stride);
  HWY_UNROLL(8)
  for (int j = 0; j < kColumns; ++j) {
    const auto column = lanes.Load(b + j * b_stride);
    HWY_UNROLL(6)
    for (int i = 0; i < kRows; ++i) sum[i][j] = hn::MulAdd(rows[i], column, sum[i][j]);
  }
}

// C[i0 .. i0 + kRows, j0 .. j0 + kColumns).
template <int kRows, int kColumns>
void DotTile(const GemmCall& g, int64_t i0, int64_t j0) {
  hn::Vec<FloatTag> sum[kRows][kColumns];
  HWY_UNROLL(6)
  for (int i = 0; i < kRows; ++i) {
    HWY_UNROLL(8)
    for (int j = 0; j < kColumns; ++j) sum[i][j] = hn::Zero(FloatTag());
  }
  const float* HWY_RESTRICT a = g.a.data + i0 * g.a.stride;
  const float* HWY_RESTRICT b = g.b.data + j0 * g.b.stride;
  int64_t p = 0;
  for (; p + kLanes <= g.k; p += kLanes) {
    DotStep(WholeVector(), a + p, g.a.stride, b + p, g.b.stride, sum);
  }
  if (p < g.k) DotStep(PartialVector{g.k - p}, a + p, g.a.stride, b + p, g.b.stride, sum);
  const Output output(g, i0, j0, 0, g.k);
  for (int i = 0; i < kRows; ++i) {
    float sums[kColumns];
    SumEach<kColumns>(sum[i], sums);
    StoreSums<kColumns>(output, i, sums);
  }
}

// Starts to read the rows of B behind these: their beginnings are no one stream.
HWY_INLINE void PrefetchRows(const GemmCall& g, int64_t j, int64_t count) {
  for (int64_t c = j; c < std::min(g.n, j + count); ++c) {
    for (int64_t p = 0; p < std::min(g.k, int64_t{64}); p += 16) {
      hwy::Prefetch(g.b.data + c * g.b.stride + p);
    }
  }
}

// C[.., j .. j + kColumns): tiles of all rows, so that these of B are read from afar once.
template <int kColumns, size_t... kIndex>
HWY_INLINE void DotColumns(const GemmCall& g, int64_t j, std::index_sequence<kIndex...>) {
  constexpr void (*kTable[])(const GemmCall&, int64_t,
                             int64_t) = {DotTile<kIndex + 1, kColumns>...};
  const EvenParts rows(g.m, kMaxDotRows);
  if (g.m > 1) PrefetchRows(g, j + kColumns, kColumns);
  for (int64_t tile = 0; tile < rows.count; ++tile) {
    kTable[rows.Size(tile) - 1](g, rows.Start(tile), j);
  }
}

void GemmDotOnTarget(const GemmCall& g) {
  constexpr int kFewRows = kMaxDotRows / 2;
  int64_t j = 0;
  if (g.m <= kFewRows) {
    const auto rows = std::make_index_sequence<kFewRows>();
    for (; j + 8 <= g.n; j += 8) DotColumns<8>(g, j, rows);
  }
  const auto rows = std::make_index_sequence<kMaxDotRows>();
  for (; j + 4 <= g.n; j += 4) DotColumns<4>(g, j, rows);
  for (; j < g.n; ++j) DotColumns<1>(g, j, rows);
}

}  // namespace HWY_NAMESPACE
}  // namespace tern
HWY_AFTER_NAMESPACE();

#endif  // TERN_CORE_ENGINE_GEMM_DOT_INL_H_
