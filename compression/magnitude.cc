#include "compression/magnitude.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/simd_clones.h"

namespace tern::compression {
namespace {

constexpr int64_t kLanes = 16;

// Add kBlock values, number i to lane i mod 16.
TERN_SIMD_CLONES void AddMagnitudes(const float* __restrict block, double* __restrict lanes) {
  for (int64_t i = 0; i < kBlock; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += double{std::abs(block[i + lane])};
  }
}

TERN_SIMD_CLONES void AddSquares(const float* __restrict block, double* __restrict lanes) {
  for (int64_t i = 0; i < kBlock; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      lanes[lane] += double{block[i + lane]} * double{block[i + lane]};
    }
  }
}

template <typename Add>
double Sum(absl::Span<const float> values, Add add) {
  std::array<double, kLanes> lanes{};
  while (values.size() >= kBlock) {
    add(values.data(), lanes.data());
    values.remove_prefix(kBlock);
  }
  // Zeros change no sum.
  std::array<float, kBlock> last{};
  std::copy(values.begin(), values.end(), last.begin());
  if (!values.empty()) add(last.data(), lanes.data());
  return std::accumulate(lanes.begin(), lanes.end(), 0.0);
}

}  // namespace

TERN_SIMD_CLONES int32_t LargestMagnitudeBits(const float* block) {
  int32_t largest = 0;
  for (int64_t i = 0; i < kBlock; ++i) largest = std::max(largest, MagnitudeBits(block[i]));
  return largest;
}

absl::Status CheckMagnitudes(absl::Span<const float> values, float limit, int64_t first_index) {
  const int32_t limit_bits = MagnitudeBits(std::min(limit, kLargestFinite));
  const auto count = static_cast<int64_t>(values.size());
  int64_t start = 0;
  while (count - start >= kBlock && LargestMagnitudeBits(values.data() + start) <= limit_bits) {
    start += kBlock;
  }
  for (int64_t i = start; i < count; ++i) {
    const float value = values[static_cast<size_t>(i)];
    if (MagnitudeBits(value) <= limit_bits) continue;
    const std::string expected = limit < kLargestFinite
                                     ? absl::StrFormat("a magnitude of at most %.9g", limit)
                                     : std::string("a finite number");
    return absl::InvalidArgumentError(
        absl::StrFormat("coordinate %d is %.9g, expected %s", first_index + i, value, expected));
  }
  return absl::OkStatus();
}

double SumOfMagnitudes(absl::Span<const float> values) { return Sum(values, AddMagnitudes); }

double SumOfSquares(absl::Span<const float> values) { return Sum(values, AddSquares); }

}  // namespace tern::compression
