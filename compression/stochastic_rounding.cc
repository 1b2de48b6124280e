#include "compression/stochastic_rounding.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "compression/philox_words.h"
#include "core/base/simd_clones.h"

namespace tern::compression {
namespace {

constexpr int kFractionBits = 15;
constexpr float kOne = 0x1p15f;
static_assert(kPhiloxWords * 2 == kBlock, "a half of a word for each value");

// Adding 1.5 * 2^23 to a number of magnitude below 2^22 rounds it to the nearest integer, by which
// the sum's bit pattern is above this one.
constexpr float kRoundToInteger = 12582912.0f;
constexpr int32_t kRoundToIntegerBits = 0x4B400000;

struct FixedPointAxis {
  float inverse;
  float steps;
  int32_t zero;
  int32_t largest;
};

TERN_SIMD_CLONES void Round(const float* __restrict values, const uint16_t* __restrict random,
                            FixedPointAxis axis, uint8_t* __restrict symbols) {
  for (int64_t i = 0; i < kBlock; ++i) {
    const float rounded = values[i] * axis.inverse * axis.steps + kRoundToInteger;
    const int32_t t = std::bit_cast<int32_t>(rounded) - kRoundToIntegerBits + axis.zero;
    const int32_t clamped = std::min(std::max(t, 0), axis.largest);
    symbols[i] = static_cast<uint8_t>((clamped + (random[i] & 0x7FFF)) >> kFractionBits);
  }
}

}  // namespace

void RoundStochastically(const float* values, const SymbolAxis& axis, RandomStream& random,
                         uint8_t* symbols) {
  std::array<uint32_t, kPhiloxWords> words;
  PhiloxWords(random.Next64(), 0, 0, 0, words.data());
  std::array<uint16_t, kBlock> halves;
  std::memcpy(halves.data(), words.data(), sizeof(halves));
  const FixedPointAxis fixed_point = {.inverse = axis.inverse,
                                      .steps = axis.steps * kOne,
                                      .zero = static_cast<int32_t>(axis.zero * kOne),
                                      .largest = axis.largest << kFractionBits};
  Round(values, halves.data(), fixed_point, symbols);
}

}  // namespace tern::compression
