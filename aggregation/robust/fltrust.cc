#include "aggregation/robust/fltrust.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "aggregation/robust/centers.h"
#include "aggregation/robust/update_blocks.h"
#include "core/base/check.h"
#include "core/base/simd_clones.h"

namespace tern::aggregation {
namespace {

constexpr int64_t kLanes = 16;

// a . b of `size` coordinates, in double precision, in an order of its own.
TERN_SIMD_CLONES double Dot(const float* a, const float* b, int64_t size) {
  double sums[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      sums[lane] += static_cast<double>(a[i + lane]) * static_cast<double>(b[i + lane]);
    }
  }
  for (; i < size; ++i) sums[0] += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  for (int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (int64_t lane = 0; lane < half; ++lane) sums[lane] += sums[lane + half];
  }
  return sums[0];
}

absl::StatusOr<double> ReferenceNorm(const RuleInputs& inputs) {
  const absl::Span<const float> reference = inputs.given.reference;
  if (reference.empty()) {
    return absl::FailedPreconditionError(
        "fltrust: the coordinator's own update is not given; it trains one on examples that it "
        "trusts");
  }
  TERN_CHECK(static_cast<int64_t>(reference.size()) == inputs.count);
  const double norm = std::sqrt(Dot(reference.data(), reference.data(), inputs.count));
  // What is not a number is not in the range either.
  if (norm > 0.0 && norm <= static_cast<double>(std::numeric_limits<float>::max())) return norm;
  return absl::FailedPreconditionError(absl::StrCat(
      "fltrust: the coordinator's own update has norm ", norm, ", expected finite and > 0"));
}

}  // namespace

absl::StatusOr<std::vector<float>> FlTrust(const RuleInputs& inputs) {
  const absl::StatusOr<double> reference_norm = ReferenceNorm(inputs);
  if (!reference_norm.ok()) return reference_norm.status();
  const absl::Span<const float> reference = inputs.given.reference;
  const size_t n = inputs.updates.size();
  std::vector<double> squared(n);
  std::vector<double> dots(n);
  UpdateBlocks blocks(inputs.updates, inputs.count);
  while (blocks.Next()) {
    const UpdateStrip& strip = blocks.strip();
    for (size_t i = 0; i < n; ++i) {
      squared[i] += Dot(strip.row(i), strip.row(i), strip.size);
      dots[i] += Dot(strip.row(i), reference.data() + strip.begin, strip.size);
    }
  }
  std::vector<double> trust(n);
  for (size_t i = 0; i < n; ++i) {
    if (dots[i] > 0.0) trust[i] = dots[i] / (std::sqrt(squared[i]) * *reference_norm);
  }
  const double total = std::accumulate(trust.begin(), trust.end(), 0.0);
  if (!(total > 0.0)) {
    return absl::FailedPreconditionError(
        absl::StrCat("fltrust: no update of ", n, " points the way of the coordinator's own"));
  }
  for (size_t i = 0; i < n; ++i) {
    if (trust[i] > 0.0) trust[i] *= *reference_norm / std::sqrt(squared[i]) / total;
  }
  return WeightedSum(blocks, trust);
}

}  // namespace tern::aggregation
