// The fixed shape of a matrix product's blocks. What the order of floating-point sums, or the
// caller's workspace, depends on stands here; the size of register tiles is the kernel target's.
#ifndef TERN_CORE_ENGINE_GEMM_BLOCKING_H_
#define TERN_CORE_ENGINE_GEMM_BLOCKING_H_

#include <algorithm>
#include <cstdint>

#include "core/engine/gemm.h"

namespace tern {

struct GemmArguments {
  int64_t m = 0;
  int64_t n = 0;
  int64_t k = 0;
  float alpha = 1.0f;
  MatrixView a;
  MatrixView b;
  bool accumulate = false;  // beta is 1
  float* c = nullptr;
  int64_t c_stride = 0;
  float* workspace = nullptr;
};

// A block of op(A) [kBlockM, kBlockK] is packed once and stays in the second-level cache; the
// panels of op(B) that it meets, [kBlockK, at most kMaxPanelColumns] each, are packed just before
// their use and stay in the first.
inline constexpr int64_t kBlockM = 96;
inline constexpr int64_t kBlockK = 256;
inline constexpr int64_t kMaxPanelColumns = 32;
// Rows of the highest panel of op(A) that any target uses; the others divide it.
inline constexpr int64_t kMaxPanelRows = 12;

enum class GemmPath {
  kDot,     // both operands lie contiguous along k: products of whole vectors, nothing is packed
  kDirect,  // op(A) is packed, op(B) read where it lies: each element of it is used only a few
            // times, or k is so small that C is most of the traffic and is best walked by rows
  kPacked,
};

inline GemmPath ChooseGemmPath(const GemmArguments& g) {
  if (!g.b.transposed) {
    return g.m <= kMaxPanelRows || g.k <= 32 ? GemmPath::kDirect : GemmPath::kPacked;
  }
  return !g.a.transposed && g.k >= 8 * g.m ? GemmPath::kDot : GemmPath::kPacked;
}

inline int64_t DivideRoundingUp(int64_t value, int64_t divisor) {
  return (value + divisor - 1) / divisor;
}
inline int64_t RoundUp(int64_t value, int64_t multiple) {
  return DivideRoundingUp(value, multiple) * multiple;
}

}  // namespace tern

#endif  // TERN_CORE_ENGINE_GEMM_BLOCKING_H_
