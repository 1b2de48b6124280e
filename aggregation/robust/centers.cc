#include "aggregation/robust/centers.h"

#include <algorithm>

#include "core/base/check.h"
#include "core/base/simd_clones.h"

namespace tern::aggregation {
namespace {

constexpr int64_t kLanes = 32;
constexpr int64_t kFloatTerms = 16;  // of a lane

// sums[i] += factor * values[i]; arrays of `size`.
TERN_SIMD_CLONES void AddScaled(const float* __restrict values, int64_t size, double factor,
                                double* __restrict sums) {
  for (int64_t i = 0; i < size; ++i) sums[i] += factor * static_cast<double>(values[i]);
}

// center[i] = keep * center[i] + sums[i]; arrays of `size`.
TERN_SIMD_CLONES void Move(const double* __restrict sums, int64_t size, double keep,
                           float* __restrict center) {
  for (int64_t i = 0; i < size; ++i) {
    center[i] = static_cast<float>(keep * static_cast<double>(center[i]) + sums[i]);
  }
}

// Calls `use` with each strip and its part of the new center.
template <typename Use>
void MoveByStrips(UpdateBlocks& blocks, double keep, absl::Span<const double> factors,
                  absl::Span<float> center, const Use& use) {
  TERN_CHECK(factors.size() == blocks.num_updates() &&
             static_cast<int64_t>(center.size()) == blocks.count());
  std::vector<double> sums(static_cast<size_t>(blocks.width()));
  while (blocks.Next()) {
    const UpdateStrip& strip = blocks.strip();
    std::fill(sums.begin(), sums.end(), 0.0);
    for (size_t i = 0; i < factors.size(); ++i) {
      AddScaled(strip.row(i), strip.size, factors[i], sums.data());
    }
    float* const moved = center.data() + strip.begin;
    Move(sums.data(), strip.size, keep, moved);
    use(strip, moved);
  }
}

}  // namespace

// The lanes of a run are added up in 32 bits, runs in 64, in an order that the compiler cannot
// change, so that the result does not depend on the instruction set.
TERN_SIMD_CLONES double SquaredDistance(const float* a, const float* b, int64_t size) {
  double totals[kLanes] = {};
  for (int64_t begin = 0; begin < size; begin += kLanes * kFloatTerms) {
    const int64_t end = std::min(size, begin + kLanes * kFloatTerms);
    float sums[kLanes] = {};
    for (int64_t i = begin; i < end; i += kLanes) {
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        const float difference = a[i + lane] - b[i + lane];
        sums[lane] += difference * difference;
      }
    }
    for (int64_t lane = 0; lane < kLanes; ++lane) totals[lane] += static_cast<double>(sums[lane]);
  }
  for (int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (int64_t lane = 0; lane < half; ++lane) totals[lane] += totals[lane + half];
  }
  return totals[0];
}

std::vector<double> MoveCenter(UpdateBlocks& blocks, double keep, absl::Span<const double> factors,
                               absl::Span<float> center) {
  std::vector<double> squared(factors.size());
  std::vector<float> padded(static_cast<size_t>(blocks.width()));
  MoveByStrips(blocks, keep, factors, center, [&](const UpdateStrip& strip, const float* moved) {
    std::fill(std::copy_n(moved, strip.size, padded.begin()), padded.end(), 0.0f);
    for (size_t i = 0; i < squared.size(); ++i) {
      squared[i] += SquaredDistance(strip.row(i), padded.data(), strip.stride);
    }
  });
  return squared;
}

std::vector<float> WeightedSum(UpdateBlocks& blocks, absl::Span<const double> factors) {
  std::vector<float> sum(static_cast<size_t>(blocks.count()));
  MoveByStrips(blocks, 0.0, factors, absl::MakeSpan(sum), [](const UpdateStrip&, const float*) {});
  return sum;
}

}  // namespace tern::aggregation
