#include "core/engine/gemm_small.h"

#include "core/engine/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/engine/gemm_small.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes first.
#include "core/engine/gemm_dot-inl.h"
#include "core/engine/gemm_rows-inl.h"
#include "hwy/highway.h"

#if HWY_ONCE
namespace tern {

HWY_EXPORT(GemmRowsOnTarget);
HWY_EXPORT(GemmDotOnTarget);

void GemmRows(const GemmCall& call, float* workspace) {
  HWY_DYNAMIC_DISPATCH(GemmRowsOnTarget)(call, workspace);
}
void GemmDot(const GemmCall& call) { HWY_DYNAMIC_DISPATCH(GemmDotOnTarget)(call); }

}  // namespace tern
#endif  // HWY_ONCE
