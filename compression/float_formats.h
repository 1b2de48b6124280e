// Stages `none`, `float16`, `bfloat16`: each value by itself, as a number in a floating-point
// format, little-endian.
//
//   none      32-bit floats as they are
//   float16   IEEE 754 binary16: 5 bits of exponent, 10 of the mantissa; subnormal below 2^-14.
//             Rounded to nearest, ties to even. Magnitudes from 65520 on, which would round above
//             the largest, 65504, are refused
//   bfloat16  the upper half of a 32-bit float: 8 bits of exponent, 7 of the mantissa. Rounded to
//             nearest, ties to even. Magnitudes that would round to infinity are refused
//
// The error of a value x is at most 2^-11 |x| (2^-25 below 2^-14) for float16, 2^-8 |x| (2^-134
// below 2^-126) for bfloat16; a magnitude may be rounded up by as much. Signs of zeros are kept.
#ifndef TERN_COMPRESSION_FLOAT_FORMATS_H_
#define TERN_COMPRESSION_FLOAT_FORMATS_H_

#include <memory>

#include "compression/codec.h"
#include "compression/quantizer.h"

namespace tern::compression {

inline constexpr int64_t kFloatBlock = 1024;

// By the name of the stage.
std::unique_ptr<Quantizer> MakeFloatQuantizer(const StageSpec& stage);
std::unique_ptr<Dequantizer> MakeFloatDequantizer(const StageSpec& stage);

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_FLOAT_FORMATS_H_
