// The magnitudes of floats, compared as integers: with the sign bit removed, the bit patterns of
// floats order as their magnitudes do, and infinity and every NaN lie above the finite ones. So one
// integer maximum, which compilers turn into vector code, finds the largest and whether all are
// finite.
#ifndef TERN_COMPRESSION_MAGNITUDE_H_
#define TERN_COMPRESSION_MAGNITUDE_H_

#include <bit>
#include <cstdint>
#include <limits>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace tern::compression {

// Coordinates that are worked on at a time. A constant, so that loops over a block become vector
// code without a scalar remainder.
inline constexpr int64_t kBlock = 256;

inline constexpr float kLargestFinite = std::numeric_limits<float>::max();

inline int32_t MagnitudeBits(float value) { return std::bit_cast<int32_t>(value) & 0x7FFFFFFF; }

// The bit pattern of the largest magnitude among `block`, kBlock floats.
int32_t LargestMagnitudeBits(const float* block);

// INVALID_ARGUMENT unless every value is finite and of magnitude at most `limit` >= 0; names the
// first that is not by its index plus `first_index`.
absl::Status CheckMagnitudes(absl::Span<const float> values, float limit, int64_t first_index);

// Sums of magnitudes and of squares in 64-bit floating point, in an order that does not depend on
// the machine: element i is added to lane i mod 16, then the lanes are added up from the first.
double SumOfMagnitudes(absl::Span<const float> values);
double SumOfSquares(absl::Span<const float> values);

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_MAGNITUDE_H_
