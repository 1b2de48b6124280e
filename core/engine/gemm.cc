#include "core/engine/gemm.h"

#include <algorithm>

#include "core/base/check.h"
#include "core/engine/gemm_blocking.h"
#include "core/engine/gemm_small.h"
#include "core/engine/kernel_target.h"
#include "core/engine/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/engine/gemm.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes first.
#include "core/engine/gemm-inl.h"
#include "hwy/highway.h"

#if HWY_ONCE
namespace tern {
namespace {

HWY_EXPORT(GemmDirectOnTarget);
HWY_EXPORT(GemmPackedOnTarget);

// Of a product that packs its operands, at most.
int64_t PackedFloats(int64_t m, int64_t n, int64_t k) {
  const int64_t a_rows = RoundUp(std::min(m, kBlockM), kMaxPanelRows);
  // Packing writes whole groups of four columns.
  const int64_t b_columns = std::min(RoundUp(n, 4), kMaxPanelColumns);
  return (a_rows + b_columns) * std::min(k, kBlockK);
}

// What a call of these sizes uses.
int64_t UsedFloats(int64_t m, int64_t n, int64_t k, bool a_transposed, bool b_transposed) {
  switch (ChooseGemmPath(m, k, a_transposed, b_transposed)) {
    case GemmPath::kRows:
      return m > 1 && k > kMaxRowsK ? kMaxPanelRows * k : 0;
    case GemmPath::kDot:
      return 0;
    case GemmPath::kDirect:
      return kMaxPanelRows * std::min(k, kDirectBlockK);
    case GemmPath::kPacked:
      return PackedFloats(m, n, k);
  }
  return 0;
}

}  // namespace

int64_t GemmWorkspaceFloats(int64_t m, int64_t n, int64_t k, bool a_transposed, bool b_transposed) {
  const int64_t used = UsedFloats(m, n, k, a_transposed, b_transposed);
  if (b_transposed || ChooseGemmPath(m, k, a_transposed, false) != GemmPath::kPacked) return used;
  // With fewer rows or a smaller k, op(B) is read where it lies and a panel of op(A) packed.
  return std::max(used, kMaxPanelRows * std::min(k, kDirectBlockK));
}

void Gemm(const GemmCall& call, absl::Span<float> workspace) {
  TERN_CHECK(!call.accumulate || (call.row_bias == nullptr && call.column_bias == nullptr));
  TERN_CHECK(static_cast<int64_t>(workspace.size()) >=
             UsedFloats(call.m, call.n, call.k, call.a.transposed, call.b.transposed));
  (void)ApplyKernelTargetFromEnvironment();
  switch (ChooseGemmPath(call.m, call.k, call.a.transposed, call.b.transposed)) {
    case GemmPath::kRows:
      return GemmRows(call, workspace.data());
    case GemmPath::kDot:
      return GemmDot(call);
    case GemmPath::kDirect:
      return GemmDirect(call, 0, call.m, workspace.data());
    case GemmPath::kPacked:
      HWY_DYNAMIC_DISPATCH(GemmPackedOnTarget)(call, workspace.data());
  }
}

void GemmDirect(const GemmCall& call, int64_t i0, int64_t rows, float* workspace) {
  HWY_DYNAMIC_DISPATCH(GemmDirectOnTarget)(call, i0, rows, workspace);
}

}  // namespace tern
#endif  // HWY_ONCE
