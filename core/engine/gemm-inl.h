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

#include "core/engine/gemm_blocking.h"
#include "core/engine/gemm_direct-inl.h"
#include "core/engine/gemm_tile-inl.h"
#include "core/engine/simd-inl.h"
#include "hwy/cache_control.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tern {
namespace HWY_NAMESPACE {

void PackB(const MatrixView& b, int64_t p0, int64_t j, int64_t columns, int64_t k, float* packed,
           int64_t stride) {
  if (b.transposed) {
    PackTransposed(b.data + j * b.stride + p0, b.stride, columns, k, packed, stride);
  } else {
    PackRows(b.data + p0 * b.stride + j, b.stride, columns, k, packed, stride);
  }
}

// Rows [i0, i0 + rows) of C, the part of the sums from p0 to p0 + k.
void MultiplyBlock(const GemmCall& g, int64_t i0, int64_t rows, int64_t p0, int64_t k,
                   float* workspace) {
  const EvenParts panels(rows, kTileRows);
  float* packed_a = workspace;
  float* packed_b = workspace + panels.count * kTileRows * k;
  for (int64_t panel = 0; panel < panels.count; ++panel) {
    PackPanel(g.a, i0 + panels.Start(panel), panels.Size(panel), p0, k,
              packed_a + panel * kTileRows * k);
  }
  const ColumnParts parts(g.n, kTileVectors);
  for (int64_t part = 0; part < parts.count(); ++part) {
    const int64_t j = parts.Start(part);
    const int64_t columns = parts.Columns(part);
    const int64_t b_stride = RoundUp(columns, 4);
    PackB(g.b, p0, j, columns, k, packed_b, b_stride);
    for (int64_t panel = 0; panel < panels.count; ++panel) {
      const Tile tile = {.k = k,
                         .a = packed_a + panel * kTileRows * k,
                         .b = packed_b,
                         .b_stride = b_stride,
                         .columns = columns,
                         .output = Output(g, i0 + panels.Start(panel), j, p0, k)};
      for (int64_t i = 0; i < panels.Size(panel); ++i) {
        hwy::Prefetch(tile.output.At(i, 0));
        hwy::Prefetch(tile.output.At(i, columns - 1));
      }
      RunTile(tile, panels.Size(panel));
    }
  }
}

void GemmPackedOnTarget(const GemmCall& g, float* workspace) {
  const EvenParts sums(g.k, kBlockK);
  const EvenParts rows(g.m, kBlockM);
  for (int64_t p = 0; p < sums.count; ++p) {
    for (int64_t i = 0; i < rows.count; ++i) {
      MultiplyBlock(g, rows.Start(i), rows.Size(i), sums.Start(p), sums.Size(p), workspace);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tern
HWY_AFTER_NAMESPACE();

#endif  // TERN_CORE_ENGINE_GEMM_INL_H_
