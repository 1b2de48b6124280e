// Coders `bitpack` and `rans` of positions: one bit for each coordinate, set where it is kept,
// eight in a byte, the first in the lowest bit; those left in the last byte are 0. `bitpack` sends
// the bytes as they are. `rans` codes them (rans.h) under the distribution that kept / count gives,
// so that no table is sent: H(kept / count) bits a coordinate, less than `rice` where more than
// about a twentieth is kept.
#ifndef TERN_COMPRESSION_BITMAP_H_
#define TERN_COMPRESSION_BITMAP_H_

#include <cstdint>
#include <memory>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "compression/positions.h"

namespace tern::compression {

inline int64_t BitmapBytes(int64_t count) { return (count + 7) / 8; }

// Writes BitmapBytes.
void WriteBitmap(absl::Span<const int32_t> indices, int64_t count, char* out);
std::unique_ptr<PositionReader> MakeBitmapReader(absl::string_view bytes,
                                                 const PositionCounts& counts);

// The probability of each of the 256 bytes of a bitmap, the same bits on every machine.
void BitmapProbabilities(const PositionCounts& counts, absl::Span<double> probabilities);
// `scratch`: BitmapBytes. `out`: room for MaxRansBytes(BitmapBytes). Returns how many bytes.
int64_t WriteRansBitmap(absl::Span<const int32_t> indices, const PositionCounts& counts,
                        char* scratch, char* out);
std::unique_ptr<PositionReader> MakeRansBitmapReader(absl::string_view bytes,
                                                     const PositionCounts& counts);

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_BITMAP_H_
