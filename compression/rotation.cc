#include "compression/rotation.h"

#include <bit>
#include <cmath>

#include "compression/philox_words.h"
#include "core/base/check.h"
#include "core/base/simd_clones.h"

namespace tern::compression {
namespace {

constexpr int64_t kTile = 256;
static_assert(kRotationBlock / 32 == kPhiloxWords);

// Two stages of the transform, of strides 1 and 2, on each four neighbours of a tile; the four
// results go to the four quarters of `to`. The coordinate with index 4 i + k goes to i + 64 k: its
// index, in base 4, is turned by one digit. So four such passes are all stages of a tile, and every
// coordinate is where it was (Pease 1968, "An adaptation of the fast Fourier transform for parallel
// processing").
inline void TilePass(const float* __restrict from, float* __restrict to) {
  constexpr int64_t kQuarter = kTile / 4;
  for (int64_t i = 0; i < kQuarter; ++i) {
    const float sum01 = from[4 * i] + from[4 * i + 1];
    const float difference01 = from[4 * i] - from[4 * i + 1];
    const float sum23 = from[4 * i + 2] + from[4 * i + 3];
    const float difference23 = from[4 * i + 2] - from[4 * i + 3];
    to[i] = sum01 + sum23;
    to[i + kQuarter] = difference01 + difference23;
    to[i + 2 * kQuarter] = sum01 - sum23;
    to[i + 3 * kQuarter] = difference01 - difference23;
  }
}

// The stages of strides 1 to 128 of `tiles` tiles.
TERN_SIMD_CLONES void TransformTiles(float* values, int64_t tiles) {
  alignas(64) float turned[kTile];
  for (int64_t tile = 0; tile < tiles; ++tile) {
    float* const here = values + tile * kTile;
    TilePass(here, turned);
    TilePass(turned, here);
    TilePass(here, turned);
    TilePass(turned, here);
  }
}

// The stages of strides `stride` and 2 * `stride`.
TERN_SIMD_CLONES void TwoStages(float* values, int64_t count, int64_t stride) {
  for (int64_t start = 0; start < count; start += 4 * stride) {
    float* __restrict const a = values + start;
    float* __restrict const b = a + stride;
    float* __restrict const c = b + stride;
    float* __restrict const d = c + stride;
    for (int64_t i = 0; i < stride; ++i) {
      const float sum01 = a[i] + b[i];
      const float difference01 = a[i] - b[i];
      const float sum23 = c[i] + d[i];
      const float difference23 = c[i] - d[i];
      a[i] = sum01 + sum23;
      b[i] = difference01 + difference23;
      c[i] = sum01 - sum23;
      d[i] = difference01 - difference23;
    }
  }
}

// The stage of the largest stride.
TERN_SIMD_CLONES void LastStage(float* values, int64_t half) {
  float* __restrict const a = values;
  float* __restrict const b = values + half;
  for (int64_t i = 0; i < half; ++i) {
    const float sum = a[i] + b[i];
    b[i] = a[i] - b[i];
    a[i] = sum;
  }
}

// `count` is a power of two.
void Transform(float* values, int64_t count) {
  int64_t stride = 1;
  if (count >= kTile) {
    TransformTiles(values, count / kTile);
    stride = kTile;
  }
  for (; 4 * stride <= count; stride *= 4) TwoStages(values, count, stride);
  if (stride < count) LastStage(values, stride);
}

TERN_SIMD_CLONES void Scale(float* values, int64_t count, float factor) {
  for (int64_t i = 0; i < count; ++i) values[i] *= factor;
}

TERN_SIMD_CLONES void FlipSigns(float* values, int64_t count, const uint32_t* words) {
  const int64_t whole = count / 32;
  for (int64_t word = 0; word < whole; ++word) {
    float* const here = values + 32 * word;
    const uint32_t bits = words[word];
    for (uint32_t i = 0; i < 32; ++i) {
      here[i] = std::bit_cast<float>(std::bit_cast<uint32_t>(here[i]) ^ (bits >> i << 31));
    }
  }
  for (int64_t i = 32 * whole; i < count; ++i) {
    values[i] =
        std::bit_cast<float>(std::bit_cast<uint32_t>(values[i]) ^ (words[whole] >> (i % 32) << 31));
  }
}

// 2^(-m/2) for `count` = 2^m, rounded once.
float TransformScale(int64_t count) {
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(count)));
}

// The block's steps: how many, where each begins, and of how many coordinates it is.
struct Steps {
  explicit Steps(int64_t count)
      : size(static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(count)))),
        last(count - size),
        number(last == 0 ? 2 : 4) {}

  int64_t Start(uint32_t step) const { return step % 2 == 0 ? 0 : last; }

  int64_t size;
  int64_t last;
  uint32_t number;
};

}  // namespace

Rotation::Rotation(const RandomKey& key)
    : seed_(PhiloxKey({.seed = key.seed,
                       .round = key.round,
                       .client = 0,
                       .purpose = RandomPurpose::kRotation})) {}

void Rotation::Forward(int64_t block, absl::Span<float> values) const {
  TERN_CHECK(static_cast<int64_t>(values.size()) <= kRotationBlock);
  if (values.empty()) return;
  const Steps steps(static_cast<int64_t>(values.size()));
  uint32_t words[kPhiloxWords];
  for (uint32_t step = 0; step < steps.number; ++step) {
    float* const here = values.data() + steps.Start(step);
    PhiloxWords(seed_, static_cast<uint32_t>(block), step, 0, words);
    FlipSigns(here, steps.size, words);
    Transform(here, steps.size);
    Scale(here, steps.size, TransformScale(steps.size));
  }
}

void Rotation::Inverse(int64_t block, absl::Span<float> values) const {
  TERN_CHECK(static_cast<int64_t>(values.size()) <= kRotationBlock);
  if (values.empty()) return;
  const Steps steps(static_cast<int64_t>(values.size()));
  uint32_t words[kPhiloxWords];
  for (uint32_t step = steps.number; step-- > 0;) {
    float* const here = values.data() + steps.Start(step);
    PhiloxWords(seed_, static_cast<uint32_t>(block), step, 0, words);
    Transform(here, steps.size);
    Scale(here, steps.size, TransformScale(steps.size));
    FlipSigns(here, steps.size, words);
  }
}

}  // namespace tern::compression
