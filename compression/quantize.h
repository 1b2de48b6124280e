// Stage `quantize(8)`: block-wise uniform quantisation to 8 bits.
//
// The coordinates are cut into blocks of 256, the last one shorter. A block is sent as one scale (a
// 32-bit float) and one signed byte q for each coordinate, whose value is q * scale:
//
//   m      the largest magnitude of the block
//   scale  m / 127, rounded down where that is needed for 127 * scale <= m to hold in 32-bit
//          arithmetic; 0, with all q 0, where it would be below the smallest normal float
//   q      x * (127 / m) in 32-bit arithmetic, rounded to the nearest integer, ties to even
//
// |q| <= 127, because x * (127 / m) is at most 127 * (1 + 2^-22) before it is rounded. Decoding
// never gives a magnitude above the block's largest, so an update that keeps a limit keeps it
// encoded. The error of a coordinate is at most scale / 2 * (1 + 2^-13): half a step, plus what
// rounding of the scale, of 127 / m and of the two products adds at q = 127. In a block of scale 0
// it is below 127 * 2^-126.
#ifndef TERN_COMPRESSION_QUANTIZE_H_
#define TERN_COMPRESSION_QUANTIZE_H_

#include <cstdint>
#include <memory>

#include "compression/codec.h"
#include "compression/magnitude.h"

namespace tern::compression {

inline constexpr int64_t kQuantizeBits = 8;
inline constexpr int64_t kQuantizeScaleBytes = 4;
inline constexpr float kQuantizeLargestCode = 127.0f;
static_assert(kBlock == 256, "the block is part of the wire format of quantize");

// Bytes that `count` quantised coordinates take.
inline int64_t QuantizedBytes(int64_t count) {
  return count + (count + kBlock - 1) / kBlock * kQuantizeScaleBytes;
}

// Where the block that starts with coordinate `start` begins.
inline int64_t QuantizedOffset(int64_t start) {
  return start / kBlock * (kBlock + kQuantizeScaleBytes);
}

std::unique_ptr<Encoder> MakeQuantizeEncoder(const StageSpec& stage);
std::unique_ptr<Decoder> MakeQuantizeDecoder(const StageSpec& stage);

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_QUANTIZE_H_
