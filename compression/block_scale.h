// The scale of a block in 16 bits: bits 30 to 15 of a 32-bit float that is 0 or positive and
// normal, 8 bits of exponent and 8 of the mantissa. Steps are 2^-9 to 2^-8 of it.
#ifndef TERN_COMPRESSION_BLOCK_SCALE_H_
#define TERN_COMPRESSION_BLOCK_SCALE_H_

#include <bit>
#include <cstdint>
#include <cstring>

namespace tern::compression {

using ScaleBits = uint16_t;
inline constexpr int kScaleShift = 15;
inline constexpr ScaleBits kSmallestNormalScale = 0x0100;
inline constexpr ScaleBits kInfiniteScale = 0xFF00;

inline float ScaleOf(ScaleBits bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << kScaleShift);
}

inline ScaleBits ReadScale(const char* parameters) {
  ScaleBits scale;
  std::memcpy(&scale, parameters, sizeof(scale));
  return scale;
}

inline bool IsNormalOrZero(ScaleBits scale) {
  return scale == 0 || (scale >= kSmallestNormalScale && scale < kInfiniteScale);
}

// To nearest, ties to even. Of the largest floats: infinite.
inline ScaleBits RoundScaleToEven(float scale) {
  const auto bits = std::bit_cast<uint32_t>(scale);
  const uint32_t odd = (bits >> kScaleShift) & 1;
  return static_cast<ScaleBits>((bits + (1u << (kScaleShift - 1)) - 1 + odd) >> kScaleShift);
}

// At random, so that the expectation is the scale: the lowest 15 of the bits `random` are
// added, what is then below bit 15 is cut off.
inline ScaleBits RoundScaleAtRandom(float scale, uint64_t random) {
  const auto below = static_cast<uint32_t>(random) & ((1u << kScaleShift) - 1);
  return static_cast<ScaleBits>((std::bit_cast<uint32_t>(scale) + below) >> kScaleShift);
}

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_BLOCK_SCALE_H_
