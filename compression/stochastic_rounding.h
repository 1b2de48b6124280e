// Rounding to one of the two nearest symbols at random, so that the expectation is the value.
#ifndef TERN_COMPRESSION_STOCHASTIC_ROUNDING_H_
#define TERN_COMPRESSION_STOCHASTIC_ROUNDING_H_

#include <cstdint>

#include "compression/magnitude.h"
#include "core/base/random.h"

namespace tern::compression {

// Value x is at zero + steps * (x * inverse) on the axis of symbols.
struct SymbolAxis {
  float inverse;  // magnitudes times this are at most 1 + 2^-8
  float steps;    // so that steps * (1 + 2^-8) < 128
  float zero;     // a multiple of 1/2
  int largest;    // symbol
};

// Writes kBlock symbols for as many values:
//
//   t       position on the axis times 2^15, rounded to the nearest integer, at least 0 and at most
//           that of the largest symbol
//   symbol  floor((t + r) / 2^15), r uniform among 0 to 2^15 - 1
//
// so never beyond the largest, and its expectation is the position up to 2^-16, what the product is
// rounded by, and what x * inverse and its product with steps, 32-bit floats, lost before: in all
// less than 2^-14. r of value i is the low half of word i / 2 for even i, else its high half, less
// the highest bit, where the words are PhiloxWords(random.Next64(), 0, 0, 0).
void RoundStochastically(const float* values, const SymbolAxis& axis, RandomStream& random,
                         uint8_t* symbols);

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_STOCHASTIC_ROUNDING_H_
