// Stage `quantize(bits)`, `quantize(bits, stochastic)`: uniform quantisation to 1 to 8 bits.
//
// Blocks of 256 values, the last one shorter; each has a scale of 16 bits (block_scale.h). With m
// the largest magnitude of the block, all arithmetic in 32-bit floats:
//
// bits >= 2: L = 2^(bits-1) - 1, symbol q + L with -L <= q <= L, value q * scale, which is exact:
// q has 7 significant bits, a scale 9.
//
//   nearest     scale  m / L, rounded towards 0 to those bits; 0, with all q 0, where it would be
//                      below the smallest normal float
//               q      x * (1 / scale), rounded to the nearest integer, ties to even, at least -L
//                      and at most L
//   stochastic  scale  m / L rounded up to those bits, to a normal float; rounded towards 0 only
//                      where L * scale would not be finite
//               q      as RoundStochastically, at position L + x * (1 / scale)
//
// bits = 1: symbol 1 is the value scale, symbol 0 -scale.
//
//   nearest     scale  the mean magnitude of the block (SumOfMagnitudes / 256 or what the last one
//                      has, as a 32-bit float), rounded to the nearest of those bits, ties to even,
//                      towards 0 where that would be above m; 0 below the smallest normal float
//               symbol 1 for x >= 0 (and -0), else 0
//   stochastic  scale  as above with L = 1
//               symbol as RoundStochastically, at position 1/2 + (x * (1 / scale)) / 2
//
// Nearest never decodes to a magnitude above m. For bits = 1 by definition; else because
// L * scale <= m: if m were below L * scale, which is a float, it would be below it by 2^-24 of it
// at least, which is more than half a step of floats just below the scale, so that m / L would have
// been rounded to less than the scale. The error of a value is, for bits >= 2, at most
// (1/2 + 2^-16) * scale: half a step, and less than 2^-16 for the rounding of 1 / scale and of the
// product; where q was limited to L it is smaller, because m / L < scale * (1 + 2^-8). In a block
// of scale 0 it is below L * 2^-126.
//
// Stochastic is unbiased up to 2^-14 * scale; its largest magnitude may be above m by 2^-8 of it.
#ifndef TERN_COMPRESSION_QUANTIZE_H_
#define TERN_COMPRESSION_QUANTIZE_H_

#include <memory>
#include <string>

#include "compression/block_scale.h"
#include "compression/codec.h"
#include "compression/magnitude.h"
#include "compression/quantizer.h"

namespace tern::compression {

static_assert(kBlock == 256, "the block is part of the wire format of quantize");

// Empty, or the problem.
std::string CheckQuantizeArguments(const StageSpec& stage);

// Magnitudes of a block are up to this times its scale.
inline int QuantizeLevels(int bits) { return bits == 1 ? 1 : (1 << (bits - 1)) - 1; }

QuantizerShape QuantizeShape(int bits);

std::unique_ptr<Quantizer> MakeQuantizeQuantizer(const StageSpec& stage);
std::unique_ptr<Dequantizer> MakeQuantizeDequantizer(const StageSpec& stage);

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_QUANTIZE_H_
