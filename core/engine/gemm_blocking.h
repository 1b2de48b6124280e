// The fixed shape of a matrix product's blocks. What the order of floating-point sums, or the
// caller's workspace, depends on stands here; the size of register tiles is the kernel target's.
#ifndef TERN_CORE_ENGINE_GEMM_BLOCKING_H_
#define TERN_CORE_ENGINE_GEMM_BLOCKING_H_

#include <algorithm>
#include <cstdint>

#include "core/engine/gemm.h"

namespace tern {

inline int64_t DivideRoundingUp(int64_t value, int64_t divisor) {
  return (value + divisor - 1) / divisor;
}
inline int64_t RoundUp(int64_t value, int64_t multiple) {
  return DivideRoundingUp(value, multiple) * multiple;
}

// `size` cut into as few parts of at most `max_part` as possible. Their sizes differ by at most
// one, and the last is among the longest.
struct EvenParts {
  int64_t size;
  int64_t count;

  EvenParts(int64_t whole, int64_t max_part)
      : size(whole), count(DivideRoundingUp(whole, max_part)) {}
  int64_t Start(int64_t part) const { return size * part / count; }
  int64_t Size(int64_t part) const { return Start(part + 1) - Start(part); }
};

// A block of op(A) [kBlockM, kBlockK] is packed once and stays in the second-level cache; the
// panels of op(B) that it meets, [kBlockK, at most kMaxPanelColumns] each, are packed just before
// their use and stay in the first.
inline constexpr int64_t kBlockM = 132;
inline constexpr int64_t kBlockK = 192;
inline constexpr int64_t kMaxPanelColumns = 32;
// Rows of the highest panel of op(A) that any target uses; the others divide it.
inline constexpr int64_t kMaxPanelRows = 12;

// The largest sizes for which packing op(B) would cost as much as using it where it lies.
inline constexpr int64_t kMaxDirectM = 16;
inline constexpr int64_t kMaxDirectK = 32;

// Times m, the smallest k for which sums across lanes cost less than packing op(B).
inline constexpr int64_t kMinDotK = 8;

// Columns of op(A) that are packed, panel by panel, where op(B) is used in place.
inline constexpr int64_t kDirectBlockK = 512;

enum class GemmPath {
  kRows,    // a row of C at a time, of the rows of op(B) whose factor is not 0
  kDot,     // both operands lie contiguous along k: products of whole vectors
  kDirect,  // register tiles, op(B) where it lies
  kPacked,  // register tiles of packed operands
};

inline GemmPath ChooseGemmPath(int64_t m, int64_t k, bool a_transposed, bool b_transposed) {
  if (b_transposed) return !a_transposed && k >= kMinDotK * m ? GemmPath::kDot : GemmPath::kPacked;
  if (m == 1 || (a_transposed && k <= kMaxDirectK)) return GemmPath::kRows;
  return m <= kMaxDirectM || k <= kMaxDirectK ? GemmPath::kDirect : GemmPath::kPacked;
}

// Updates of so few examples are rows of C even if no factor is 0.
inline constexpr int64_t kMaxRowsK = 4;

}  // namespace tern

#endif  // TERN_CORE_ENGINE_GEMM_BLOCKING_H_
