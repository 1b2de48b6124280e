// The kernels of Gemm for one target. Included once for each target by gemm.cc, nowhere else.
//
// Sums are formed with hn::MulAdd: fused where the target has it, else a product and a sum.

#if defined(TERN_CORE_ENGINE_GEMM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERN_CORE_ENGINE_GEMM_INL_H_
#undef TERN_CORE_ENGINE_GEMM_INL_H_
#else
#define TERN_CORE_ENGINE_GEMM_INL_H_
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
#if HWY_TARGET <= HWY_AVX3 || (HWY_TARGET == HWY_NEON && HWY_ARCH_ARM_A64)  // 32 registers
constexpr int kTileRows = 12;
constexpr int kTileVectors = 2;
constexpr int kDotRows = 6;
#else  // 16 registers
constexpr int kTileRows = 4;
constexpr int kTileVectors = HWY_TARGET == HWY_SCALAR ? 4 : 3;
constexpr int kDotRows = 3;
#endif
constexpr int kDotColumns = 4;
constexpr int64_t kLanes = hn::MaxLanes(FloatTag());
constexpr int64_t kTileColumns = kTileVectors * kLanes;
static_assert(kMaxPanelRows % kTileRows == 0 && kTileColumns <= kMaxPanelColumns);

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

// dst[p * dst_stride + i] = src[p * src_stride + i] for i < columns, p < k.
HWY_INLINE void PackRows(const float* src, int64_t src_stride, int64_t columns, int64_t k,
                         float* HWY_RESTRICT dst, int64_t dst_stride) {
  for (int64_t p = 0; p < k; ++p) CopyFloats(src + p * src_stride, columns, dst + p * dst_stride);
}

struct Tile {
  int64_t k;
  const float* a;  // packed panel: element (i, p) at a[p * kTileRows + i]
  const float* b;  // element (p, j) at b[p * b_stride + j]
  int64_t b_stride;
  float alpha;
  bool accumulate;
  float* c;
  int64_t c_stride;
};

// C[0..kRows, 0..kVectors * kLanes) of whole vectors.
template <int kRows, int kVectors>
void WholeTile(const Tile& tile) {
  const FloatTag d;
  hn::Vec<FloatTag> sum[kRows][kVectors];
  HWY_UNROLL(12)
  for (int i = 0; i < kRows; ++i) {
    HWY_UNROLL(3)
    for (int v = 0; v < kVectors; ++v) sum[i][v] = hn::Zero(d);
  }
  const float* HWY_RESTRICT a = tile.a;
  const float* HWY_RESTRICT b = tile.b;
  for (int64_t p = 0; p < tile.k; ++p) {
    hn::Vec<FloatTag> row[kVectors];
    HWY_UNROLL(3)
    for (int v = 0; v < kVectors; ++v) row[v] = hn::LoadU(d, b + v * kLanes);
    HWY_UNROLL(12)
    for (int i = 0; i < kRows; ++i) {
      const auto element = hn::Set(d, a[i]);
      HWY_UNROLL(3)
      for (int v = 0; v < kVectors; ++v) sum[i][v] = hn::MulAdd(element, row[v], sum[i][v]);
    }
    a += kTileRows;
    b += tile.b_stride;
  }
  const auto alpha = hn::Set(d, tile.alpha);
  HWY_UNROLL(12)
  for (int i = 0; i < kRows; ++i) {
    float* HWY_RESTRICT c = tile.c + i * tile.c_stride;
    HWY_UNROLL(3)
    for (int v = 0; v < kVectors; ++v) {
      const auto result = tile.accumulate
                              ? hn::MulAdd(alpha, sum[i][v], hn::LoadU(d, c + v * kLanes))
                              : hn::Mul(alpha, sum[i][v]);
      hn::StoreU(result, d, c + v * kLanes);
    }
  }
}

// C[0..kRows, 0..lanes), lanes <= kLanes.
template <int kRows>
void PartialTile(const Tile& tile, int64_t lanes) {
  const FloatTag d;
  hn::Vec<FloatTag> sum[kRows];
  HWY_UNROLL(12)
  for (int i = 0; i < kRows; ++i) sum[i] = hn::Zero(d);
  const float* HWY_RESTRICT a = tile.a;
  const float* HWY_RESTRICT b = tile.b;
  for (int64_t p = 0; p < tile.k; ++p) {
    const auto row = LoadLanes(d, b, lanes);
    HWY_UNROLL(12)
    for (int i = 0; i < kRows; ++i) sum[i] = hn::MulAdd(hn::Set(d, a[i]), row, sum[i]);
    a += kTileRows;
    b += tile.b_stride;
  }
  const auto alpha = hn::Set(d, tile.alpha);
  HWY_UNROLL(12)
  for (int i = 0; i < kRows; ++i) {
    float* HWY_RESTRICT c = tile.c + i * tile.c_stride;
    const auto result = tile.accumulate ? hn::MulAdd(alpha, sum[i], LoadLanes(d, c, lanes))
                                        : hn::Mul(alpha, sum[i]);
    StoreLanes(result, d, c, lanes);
  }
}

struct TileFunctions {
  void (*whole)(const Tile&);
  void (*partial)(const Tile&, int64_t lanes);
};

template <size_t... kIndex>
constexpr TileFunctions TileFunctionsFor(size_t rows, std::index_sequence<kIndex...>) {
  constexpr TileFunctions kTable[] = {
      {WholeTile<kIndex + 1, kTileVectors>, PartialTile<kIndex + 1>}...};
  return kTable[rows - 1];
}

// One panel of op(A) times `columns` columns of op(B), at most a tile's.
HWY_INLINE void MultiplyPanel(const Tile& tile, const TileFunctions& functions, int64_t columns) {
  if (columns == kTileColumns) return functions.whole(tile);
  for (int64_t j = 0; j < columns; j += kLanes) {
    Tile part = tile;
    part.b += j;
    part.c += j;
    functions.partial(part, std::min(kLanes, columns - j));
  }
}

// A block of op(A) cut into panels. Heights differ by at most one, so that none is much lower than
// the registers allow.
struct Panels {
  int64_t rows;
  int64_t count;

  explicit Panels(int64_t block_rows)
      : rows(block_rows), count(DivideRoundingUp(block_rows, kTileRows)) {}
  int64_t Start(int64_t panel) const { return rows * panel / count; }
  int64_t Height(int64_t panel) const { return Start(panel + 1) - Start(panel); }
};

void PackA(const MatrixView& a, int64_t i0, int64_t p0, const Panels& panels, int64_t k,
           float* packed) {
  for (int64_t panel = 0; panel < panels.count; ++panel) {
    const int64_t i = i0 + panels.Start(panel);
    float* to = packed + panel * kTileRows * k;
    if (a.transposed) {
      PackRows(a.data + p0 * a.stride + i, a.stride, panels.Height(panel), k, to, kTileRows);
    } else {
      PackTransposed(a.data + i * a.stride + p0, a.stride, panels.Height(panel), k, to, kTileRows);
    }
  }
}

// Rows [i0, i0 + panels.rows) of C, the part of the sums from p0 to p0 + k.
void MultiplyBlock(const GemmArguments& g, bool direct, int64_t i0, int64_t p0,
                   const Panels& panels, int64_t k) {
  float* packed_a = g.workspace;
  float* packed_b = g.workspace + panels.count * kTileRows * k;
  PackA(g.a, i0, p0, panels, k, packed_a);
  const auto multiply = [&](int64_t panel, const float* b, int64_t b_stride, int64_t j) HWY_ATTR {
    const int64_t start = panels.Start(panel);
    const Tile tile = {.k = k,
                       .a = packed_a + panel * kTileRows * k,
                       .b = b,
                       .b_stride = b_stride,
                       .alpha = g.alpha,
                       .accumulate = g.accumulate || p0 > 0,
                       .c = g.c + (i0 + start) * g.c_stride + j,
                       .c_stride = g.c_stride};
    const TileFunctions functions =
        TileFunctionsFor(static_cast<size_t>(panels.Start(panel + 1) - start),
                         std::make_index_sequence<kTileRows>());
    MultiplyPanel(tile, functions, std::min(kTileColumns, g.n - j));
  };
  if (direct) {
    for (int64_t panel = 0; panel < panels.count; ++panel) {
      for (int64_t j = 0; j < g.n; j += kTileColumns) {
        multiply(panel, g.b.data + p0 * g.b.stride + j, g.b.stride, j);
      }
    }
    return;
  }
  const int64_t b_stride = std::min(kTileColumns, RoundUp(g.n, 4));
  for (int64_t j = 0; j < g.n; j += kTileColumns) {
    const int64_t columns = std::min(kTileColumns, g.n - j);
    if (g.b.transposed) {
      PackTransposed(g.b.data + j * g.b.stride + p0, g.b.stride, columns, k, packed_b, b_stride);
    } else {
      PackRows(g.b.data + p0 * g.b.stride + j, g.b.stride, columns, k, packed_b, b_stride);
    }
    for (int64_t panel = 0; panel < panels.count; ++panel) multiply(panel, packed_b, b_stride, j);
  }
}

// Adds to sum[i][j] the product of one vector of A's row i and one of B's row j.
template <int kRows, int kColumns, class Lanes>
HWY_INLINE void DotStep(const Lanes& lanes, const float* a, int64_t a_stride, const float* b,
                        int64_t b_stride, hn::Vec<FloatTag> (&sum)[kRows][kColumns]) {
  hn::Vec<FloatTag> rows[kRows];
  HWY_UNROLL(6)
  for (int i = 0; i < kRows; ++i) rows[i] = lanes.Load(a + i * a_stride);
  HWY_UNROLL(4)
  for (int j = 0; j < kColumns; ++j) {
    const auto column = lanes.Load(b + j * b_stride);
    HWY_UNROLL(6)
    for (int i = 0; i < kRows; ++i) sum[i][j] = hn::MulAdd(rows[i], column, sum[i][j]);
  }
}

// C[i0 .. i0 + kRows, j0 .. j0 + kColumns): rows of A times rows of B, both contiguous along k.
template <int kRows, int kColumns>
void DotTile(const GemmArguments& g, int64_t i0, int64_t j0) {
  hn::Vec<FloatTag> sum[kRows][kColumns];
  HWY_UNROLL(6)
  for (int i = 0; i < kRows; ++i) {
    HWY_UNROLL(4)
    for (int j = 0; j < kColumns; ++j) sum[i][j] = hn::Zero(FloatTag());
  }
  const float* HWY_RESTRICT a = g.a.data + i0 * g.a.stride;
  const float* HWY_RESTRICT b = g.b.data + j0 * g.b.stride;
  int64_t p = 0;
  for (; p + kLanes <= g.k; p += kLanes) {
    DotStep(WholeVector(), a + p, g.a.stride, b + p, g.b.stride, sum);
  }
  if (p < g.k) DotStep(PartialVector{g.k - p}, a + p, g.a.stride, b + p, g.b.stride, sum);
  for (int i = 0; i < kRows; ++i) {
    float* c = g.c + (i0 + i) * g.c_stride + j0;
    float sums[kColumns];
    SumEach<kColumns>(sum[i], sums);
    for (int j = 0; j < kColumns; ++j) {
      const float before = g.accumulate ? c[j] : 0.0f;
      c[j] = before + g.alpha * sums[j];
    }
  }
}

template <int kColumns, size_t... kIndex>
HWY_INLINE void DotTileOfRows(const GemmArguments& g, int64_t rows, int64_t i, int64_t j,
                              std::index_sequence<kIndex...>) {
  constexpr void (*kTable[])(const GemmArguments&, int64_t,
                             int64_t) = {DotTile<kIndex + 1, kColumns>...};
  kTable[rows - 1](g, i, j);
}

void GemmDot(const GemmArguments& g) {
  const auto rows = std::make_index_sequence<kDotRows>();
  const int64_t tiles = DivideRoundingUp(g.m, kDotRows);
  const int64_t whole = g.n - g.n % kDotColumns;
  for (int64_t j = 0; j < g.n; j += j < whole ? kDotColumns : 1) {
    for (int64_t tile = 0; tile < tiles; ++tile) {
      const int64_t i = g.m * tile / tiles;
      const int64_t height = g.m * (tile + 1) / tiles - i;
      if (j < whole) {
        DotTileOfRows<kDotColumns>(g, height, i, j, rows);
      } else {
        DotTileOfRows<1>(g, height, i, j, rows);
      }
    }
  }
}

void GemmOnTarget(const GemmArguments& g) {
  const GemmPath path = ChooseGemmPath(g);
  if (path == GemmPath::kDot) return GemmDot(g);
  for (int64_t p = 0; p < g.k; p += kBlockK) {
    for (int64_t i = 0; i < g.m; i += kBlockM) {
      MultiplyBlock(g, path == GemmPath::kDirect, i, p, Panels(std::min(kBlockM, g.m - i)),
                    std::min(kBlockK, g.k - p));
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tern
HWY_AFTER_NAMESPACE();

#endif  // TERN_CORE_ENGINE_GEMM_INL_H_
