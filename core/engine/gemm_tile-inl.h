// The register tiles of Gemm for one target: blocks of C whose sums stay in registers while k runs.
//
// Sums are formed with hn::MulAdd: fused where the target has it, else a product and a sum.

#if defined(TERN_CORE_ENGINE_GEMM_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERN_CORE_ENGINE_GEMM_TILE_INL_H_
#undef TERN_CORE_ENGINE_GEMM_TILE_INL_H_
#else
#define TERN_CORE_ENGINE_GEMM_TILE_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "core/engine/gemm_blocking.h"
#include "core/engine/simd-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tern {
namespace HWY_NAMESPACE {

// Tiles fill the register file: accumulators, one row of op(B), one element of op(A).
constexpr int kTileRows = kRegisters == 32 ? 12 : 4;
constexpr int kTileVectors = kRegisters == 32 ? 2 : HWY_TARGET == HWY_SCALAR ? 4 : 3;
constexpr int64_t kLanes = hn::MaxLanes(FloatTag());
static_assert(kMaxPanelRows % kTileRows == 0 && kTileVectors * kLanes <= kMaxPanelColumns);

// Lower tiles can be wider.
constexpr int TileVectors(int64_t rows) {
  return std::min(6, kTileRows * kTileVectors / static_cast<int>(rows));
}

// As WholeVector, of any vector.
template <class D>
struct VectorOf {
  HWY_INLINE hn::Vec<D> Load(const float* from) const { return hn::LoadU(D(), from); }
  HWY_INLINE void Store(hn::Vec<D> value, float* to) const { hn::StoreU(value, D(), to); }
};

template <class D>
HWY_INLINE hn::Vec<D> Activate(D d, Activation activation, hn::Vec<D> x) {
  if (activation == Activation::kNone) return x;
  const auto above = hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x);
  if (activation == Activation::kRelu) return above;
  const auto six = hn::Set(d, 6.0f);
  return hn::IfThenElse(hn::Gt(above, six), six, above);
}

// The part of C that starts at (i0, j0), and what becomes of sums on their way there: C =
// activation(alpha * (sum + bias)), plus C within the activation where `accumulate`.
struct Output {
  float* c;
  int64_t c_stride;
  float alpha;
  bool accumulate;
  const float* row_bias = nullptr;
  const float* column_bias = nullptr;
  Activation activation = Activation::kNone;

  // Of the sums from p0 to p0 + k.
  Output(const GemmCall& g, int64_t i0, int64_t j0, int64_t p0, int64_t k)
      : c(g.c + i0 * g.c_stride + j0),
        c_stride(g.c_stride),
        alpha(g.alpha),
        accumulate(g.accumulate || p0 > 0) {
    if (p0 + k < g.k) return;
    if (g.row_bias != nullptr) row_bias = g.row_bias + i0;
    if (g.column_bias != nullptr) column_bias = g.column_bias + j0;
    activation = g.activation;
  }

  bool IsFinal() const {
    return row_bias == nullptr && column_bias == nullptr && activation == Activation::kNone;
  }

  float* At(int64_t i, int64_t j) const { return c + i * c_stride + j; }
};

// What is left to do to alpha * sum, plus C where `accumulate`, at (i, j) and the lanes behind it.
template <class D, class Lanes>
HWY_INLINE hn::Vec<D> Finish(D d, const Lanes& lanes, const Output& output, hn::Vec<D> x, int64_t i,
                             int64_t j) {
  const auto alpha = hn::Set(d, output.alpha);
  if (output.column_bias != nullptr) {
    x = hn::MulAdd(alpha, lanes.Load(output.column_bias + j), x);
  }
  if (output.row_bias != nullptr) x = hn::MulAdd(alpha, hn::Set(d, output.row_bias[i]), x);
  return Activate(d, output.activation, x);
}

// Finishes `rows` where they have just been stored: every tile may need this, few do.
HWY_NOINLINE inline void FinishRows(const Output& output, int64_t rows, int64_t columns) {
  for (int64_t i = 0; i < rows; ++i) {
    ForEachVector(columns, [&](int64_t j, auto lanes) HWY_ATTR {
      float* c = output.At(i, j);
      lanes.Store(Finish(FloatTag(), lanes, output, lanes.Load(c), i, j), c);
    });
  }
}

// c[0 .. columns) = alpha * sum, plus c where `accumulate`, of kVectors, the last one partial or
// overlapping the one before.
template <int kVectors, class Lanes>
HWY_INLINE void StoreRow(const Lanes& lanes, const hn::Vec<FloatTag> (&sum)[kVectors],
                         int64_t columns, float alpha, bool accumulate, float* c) {
  const int64_t last = std::max(columns - kLanes, int64_t{0});
  const auto at = [&](int v) { return c + (v + 1 < kVectors ? v * kLanes : last); };
  const auto factor = hn::Set(FloatTag(), alpha);
  hn::Vec<FloatTag> result[kVectors];
  // All of the row before any of it is stored.
  if (accumulate) {
    HWY_UNROLL(16)
    for (int v = 0; v < kVectors; ++v) result[v] = hn::MulAdd(factor, sum[v], lanes.Load(at(v)));
  } else {
    HWY_UNROLL(16)
    for (int v = 0; v < kVectors; ++v) result[v] = hn::Mul(factor, sum[v]);
  }
  HWY_UNROLL(16)
  for (int v = 0; v < kVectors; ++v) lanes.Store(result[v], at(v));
}

// How the n columns of C are cut for tiles of at most max_vectors. The last vector of a row of C is
// whole: it overlaps the one before, within a tile, which gives some columns the same sums twice.
// Only a row of less than one vector has a partial one.
struct ColumnParts {
  int64_t n;
  EvenParts vectors;

  ColumnParts(int64_t columns, int max_vectors)
      : n(columns), vectors(DivideRoundingUp(columns, kLanes), max_vectors) {}
  int64_t count() const { return vectors.count; }
  int64_t Start(int64_t part) const { return vectors.Start(part) * kLanes; }
  int64_t Columns(int64_t part) const {
    return std::min(n - Start(part), vectors.Size(part) * kLanes);
  }
};

struct Tile {
  int64_t k;
  const float* a;  // packed panel: element (i, p) at a[p * kTileRows + i]
  const float* b;  // element (p, j) at b[p * b_stride + j]
  int64_t b_stride;
  int64_t columns;
  Output output;
};

// C[0 .. kRows, 0 .. tile.columns), which are kVectors, the last one partial or overlapping.
template <int kRows, int kVectors, class Lanes>
HWY_INLINE void MultiplyTile(const Tile& tile, const Lanes& lanes) {
  const FloatTag d;
  hn::Vec<FloatTag> sum[kRows][kVectors];
  HWY_UNROLL(16)
  for (int i = 0; i < kRows; ++i) {
    HWY_UNROLL(8)
    for (int v = 0; v < kVectors; ++v) sum[i][v] = hn::Zero(d);
  }
  const int64_t last = std::max(tile.columns - kLanes, int64_t{0});
  const auto column = [last](int v) { return v + 1 < kVectors ? v * kLanes : last; };
  const float* HWY_RESTRICT a = tile.a;
  const float* HWY_RESTRICT b = tile.b;
  for (int64_t p = 0; p < tile.k; ++p) {
    hn::Vec<FloatTag> row[kVectors];
    HWY_UNROLL(8)
    for (int v = 0; v < kVectors; ++v) row[v] = lanes.Load(b + column(v));
    HWY_UNROLL(16)
    for (int i = 0; i < kRows; ++i) {
      const auto element = hn::Set(d, a[i]);
      HWY_UNROLL(8)
      for (int v = 0; v < kVectors; ++v) sum[i][v] = hn::MulAdd(element, row[v], sum[i][v]);
    }
    a += kTileRows;
    b += tile.b_stride;
  }
  const Output& output = tile.output;
  HWY_UNROLL(16)
  for (int i = 0; i < kRows; ++i) {
    StoreRow<kVectors>(lanes, sum[i], tile.columns, output.alpha, output.accumulate,
                       output.At(i, 0));
  }
  if (!output.IsFinal()) FinishRows(output, kRows, tile.columns);
}

template <int kRows, int kVectors>
void WholeTile(const Tile& tile) {
  MultiplyTile<kRows, kVectors>(tile, WholeVector());
}

template <int kRows>
void PartialTile(const Tile& tile) {
  MultiplyTile<kRows, 1>(tile, PartialVector{tile.columns});
}

// Tiles of one height: partial, then of one vector and more.
template <int kRows, size_t... kIndex>
HWY_INLINE void RunTileOfHeight(const Tile& tile, std::index_sequence<kIndex...>) {
  constexpr void (*kTable[])(const Tile&) = {PartialTile<kRows>, WholeTile<kRows, kIndex + 1>...};
  kTable[tile.columns < kLanes ? 0 : DivideRoundingUp(tile.columns, kLanes)](tile);
}

template <int kRows>
void RunTileOfHeight(const Tile& tile) {
  RunTileOfHeight<kRows>(tile, std::make_index_sequence<TileVectors(kRows)>());
}

template <size_t... kIndex>
HWY_INLINE void RunTile(const Tile& tile, int64_t rows, std::index_sequence<kIndex...>) {
  constexpr void (*kTable[])(const Tile&) = {RunTileOfHeight<kIndex + 1>...};
  kTable[rows - 1](tile);
}

// One tile of `rows` of C, at most kTileRows, and at most TileVectors(rows).
HWY_INLINE void RunTile(const Tile& tile, int64_t rows) {
  RunTile(tile, rows, std::make_index_sequence<kTileRows>());
}

}  // namespace HWY_NAMESPACE
}  // namespace tern
HWY_AFTER_NAMESPACE();

#endif  // TERN_CORE_ENGINE_GEMM_TILE_INL_H_
