// Products of small batches, which need no tiles: the paths of Gemm beside that of gemm.cc.
#ifndef TERN_CORE_ENGINE_GEMM_SMALL_H_
#define TERN_CORE_ENGINE_GEMM_SMALL_H_

#include <cstdint>

#include "core/engine/gemm.h"

namespace tern {

// GemmPath::kRows and GemmPath::kDot (gemm_blocking.h). `workspace` here and below as Gemm's.
void GemmRows(const GemmCall& call, float* workspace);
void GemmDot(const GemmCall& call);

// Rows [i0, i0 + rows) of C by GemmPath::kDirect; in gemm.cc. The same bits as GemmRows where k is
// at most kDirectBlockK and op(B) is finite.
void GemmDirect(const GemmCall& call, int64_t i0, int64_t rows, float* workspace);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_GEMM_SMALL_H_
