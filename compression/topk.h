// Stage `topk(fraction)`: the coordinates of largest magnitude exactly, and nothing of the others.
//
// Of `count` coordinates, k = max(1, ceil(fraction * count)) are kept (the product in 64-bit
// floating point); of equal magnitudes the one with the lower index. With the kept coordinates in
// ascending order, the payload is
//
//   u32       k
//   varint*k  gaps: how many coordinates are left out between a kept one and the one kept before
//             it; first, before the first. LEB128, the shortest form
//   f32*k     the kept coordinates
//
// A vector without coordinates keeps none. Sparsification without error feedback loses what it
// leaves out for good (Stich et al. 2018, "Sparsified SGD with memory").
#ifndef TERN_COMPRESSION_TOPK_H_
#define TERN_COMPRESSION_TOPK_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>

#include "compression/codec.h"

namespace tern::compression {

inline constexpr int64_t kTopKHeaderBytes = 4;
// Indices are 32-bit signed integers.
inline constexpr int64_t kTopKMaxCount = std::numeric_limits<int32_t>::max();

// Coordinates kept of `count`; `fraction` in (0, 1].
inline int64_t TopKKept(double fraction, int64_t count) {
  const auto kept = static_cast<int64_t>(std::ceil(fraction * static_cast<double>(count)));
  return std::min(std::max(kept, int64_t{1}), count);
}

// What `kept` coordinates take at least: every gap is one byte.
inline int64_t TopKMinBytes(int64_t kept) {
  return kTopKHeaderBytes + kept * (1 + static_cast<int64_t>(sizeof(float)));
}

std::unique_ptr<Encoder> MakeTopKEncoder(const StageSpec& stage);
std::unique_ptr<Decoder> MakeTopKDecoder(const StageSpec& stage);

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_TOPK_H_
