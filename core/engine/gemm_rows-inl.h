// Products that build a row of C at a time, for one target: of one row of op(A), and updates with
// the transpose of a small batch's gradients. Each vector of op(B) is used once per load, so that
// rows of op(B) whose factor is 0, as behind a ReLU, can be left out.

#if defined(TERN_CORE_ENGINE_GEMM_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERN_CORE_ENGINE_GEMM_ROWS_INL_H_
#undef TERN_CORE_ENGINE_GEMM_ROWS_INL_H_
#else
#define TERN_CORE_ENGINE_GEMM_ROWS_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/types/span.h"
#include "core/engine/gemm_blocking.h"
#include "core/engine/gemm_small.h"
#include "core/engine/gemm_tile-inl.h"
#include "core/engine/simd-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tern {
namespace HWY_NAMESPACE {

// Accumulators of a row of C. More on the targets with more registers gain nothing.
constexpr int kRowVectors = kTileRows > 4 ? 13 : 12;
// Rows of C whose factors are looked at together.
constexpr int64_t kRowBlock = 64;
// Factors of a row of C at a time, one bit each.
constexpr int64_t kFactors = 32;

// Bit p of factors[i]: element (i0 + i, p0 + p) of op(A) is not 0.
HWY_INLINE void FindFactors(const GemmCall& g, int64_t i0, int64_t rows, int64_t p0,
                            uint32_t* HWY_RESTRICT factors) {
  const int64_t row_step = g.a.transposed ? 1 : g.a.stride;
  const int64_t step = g.a.transposed ? g.a.stride : 1;
  for (int64_t i = 0; i < rows; ++i) factors[i] = 0;
  for (int64_t p = p0; p < std::min(g.k, p0 + kFactors); ++p) {
    const uint32_t bit = uint32_t{1} << (p - p0);
    const float* a = g.a.data + i0 * row_step + p * step;
    for (int64_t i = 0; i < rows; ++i) factors[i] |= a[i * row_step] != 0.0f ? bit : 0;
  }
}

// C[i, j .. j + columns), which are kVectors, the last one partial or overlapping. first_factors:
// those of FindFactors for p0 = 0.
template <int kVectors, class Lanes>
HWY_INLINE void MultiplyRow(const GemmCall& g, uint32_t first_factors, int64_t i, int64_t j,
                            int64_t columns, const Lanes& lanes) {
  const FloatTag d;
  const int64_t last = std::max(columns - kLanes, int64_t{0});
  const auto column = [last](int v) { return v + 1 < kVectors ? v * kLanes : last; };
  const int64_t step = g.a.transposed ? g.a.stride : 1;
  const float* a = g.a.data + i * (g.a.transposed ? 1 : g.a.stride);
  hn::Vec<FloatTag> sum[kVectors];
  HWY_UNROLL(16)
  for (int v = 0; v < kVectors; ++v) sum[v] = hn::Zero(d);
  for (int64_t p0 = 0; p0 < g.k; p0 += kFactors) {
    uint32_t factors = first_factors;
    if (p0 > 0) FindFactors(g, i, 1, p0, &factors);
    for (; factors != 0; factors &= factors - 1) {
      const int64_t p = p0 + static_cast<int64_t>(hwy::Num0BitsBelowLS1Bit_Nonzero32(factors));
      const auto factor = hn::Set(d, a[p * step]);
      const float* row = g.b.data + p * g.b.stride + j;
      HWY_UNROLL(16)
      for (int v = 0; v < kVectors; ++v) {
        sum[v] = hn::MulAdd(factor, lanes.Load(row + column(v)), sum[v]);
      }
    }
  }
  StoreRow<kVectors>(lanes, sum, columns, g.alpha, g.accumulate, g.c + i * g.c_stride + j);
}

// Rows of C from i0 on, of these columns only, so that those of op(B) stay in the first-level
// cache. factors: of each row.
template <int kVectors, class Lanes>
HWY_INLINE void MultiplyRows(const GemmCall& g, int64_t i0, absl::Span<const uint32_t> factors,
                             int64_t j, int64_t columns, const Lanes& lanes) {
  const Output output(g, i0, j, 0, g.k);
  const bool skip = g.k <= kFactors && g.accumulate && output.IsFinal();
  for (size_t i = 0; i < factors.size(); ++i) {
    if (skip && factors[i] == 0) continue;
    MultiplyRow<kVectors>(g, factors[i], i0 + static_cast<int64_t>(i), j, columns, lanes);
  }
  if (!output.IsFinal()) FinishRows(output, static_cast<int64_t>(factors.size()), columns);
}

using RowsFunction = void (*)(const GemmCall&, int64_t, absl::Span<const uint32_t>, int64_t,
                              int64_t);

template <int kVectors>
void WholeRows(const GemmCall& g, int64_t i0, absl::Span<const uint32_t> factors, int64_t j,
               int64_t columns) {
  MultiplyRows<kVectors>(g, i0, factors, j, columns, WholeVector());
}

inline void PartialRows(const GemmCall& g, int64_t i0, absl::Span<const uint32_t> factors,
                        int64_t j, int64_t columns) {
  MultiplyRows<1>(g, i0, factors, j, columns, PartialVector{columns});
}

template <size_t... kIndex>
HWY_INLINE RowsFunction RowsFunctionFor(int64_t vectors, std::index_sequence<kIndex...>) {
  constexpr RowsFunction kTable[] = {PartialRows, WholeRows<kIndex + 1>...};
  return kTable[vectors];
}

// Rows [i0, i0 + factors.size()) of C.
HWY_INLINE void MultiplyRowBlock(const GemmCall& g, int64_t i0,
                                 absl::Span<const uint32_t> factors) {
  const ColumnParts parts(g.n, kRowVectors);
  for (int64_t part = 0; part < parts.count(); ++part) {
    const int64_t vectors = g.n < kLanes ? 0 : parts.vectors.Size(part);
    RowsFunctionFor(vectors, std::make_index_sequence<kRowVectors>())(
        g, i0, factors, parts.Start(part), parts.Columns(part));
  }
}

// Of few rows, or of few factors in each. Where most of these are not 0, tiles are faster; both
// give the same bits if op(B) is finite.
void GemmRowsOnTarget(const GemmCall& g, float* workspace) {
  for (int64_t i0 = 0; i0 < g.m; i0 += kRowBlock) {
    const int64_t rows = std::min(kRowBlock, g.m - i0);
    uint32_t factors[kRowBlock];
    FindFactors(g, i0, rows, 0, factors);
    size_t used = 0;
    for (int64_t i = 0; i < rows; ++i) used += hwy::PopCount(factors[i]);
    if (g.m > 1 && g.k > kMaxRowsK && 4 * static_cast<int64_t>(used) > 3 * rows * g.k) {
      GemmDirect(g, i0, rows, workspace);
    } else {
      MultiplyRowBlock(g, i0, absl::MakeConstSpan(factors, static_cast<size_t>(rows)));
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tern
HWY_AFTER_NAMESPACE();

#endif  // TERN_CORE_ENGINE_GEMM_ROWS_INL_H_
