// Coder `rice` of positions: the gaps between kept coordinates as Golomb-Rice numbers (Golomb 1966;
// Rice & Plaunt 1971).
//
//   u8    r, 0 to 30: the parameter
//   bits  for each position its gap g, how many coordinates are left out since the last one that
//         is kept: g >> r ones, a zero, then the r low bits of g, lowest first
//
// Bits fill bytes from the lowest; those left in the last byte are 0. Without positions there is
// the parameter 0 alone. The encoder takes the r of the fewest bits among those from RiceParameter
// less 2 to RiceParameter plus 2; of equally many the smallest.
#ifndef TERN_COMPRESSION_RICE_H_
#define TERN_COMPRESSION_RICE_H_

#include <cstdint>
#include <memory>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "compression/positions.h"

namespace tern::compression {

inline constexpr int kMaxRiceParameter = 30;
inline constexpr int64_t kRiceHeaderBytes = 1;

// Bits: the best parameter for gaps of a geometric distribution with this mean, in integer
// arithmetic.
int RiceParameter(const PositionCounts& counts);

// Bounds on what WriteRicePositions writes.
int64_t MaxRiceBytes(const PositionCounts& counts);
int64_t MinRiceBytes(const PositionCounts& counts);

// Writes `indices`, counts.kept of them, ascending, to `out`, room for MaxRiceBytes; returns how
// many bytes.
int64_t WriteRicePositions(absl::Span<const int32_t> indices, const PositionCounts& counts,
                           char* out);

std::unique_ptr<PositionReader> MakeRiceReader(absl::string_view bytes,
                                               const PositionCounts& counts);

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_RICE_H_
