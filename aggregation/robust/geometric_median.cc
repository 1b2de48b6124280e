#include "aggregation/robust/geometric_median.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "aggregation/robust/centers.h"
#include "aggregation/robust/update_blocks.h"

namespace tern::aggregation {
namespace {

constexpr int64_t kDefaultIterations = 4;
constexpr double kLeastChange = 1e-6;  // of the objective, relative

// Moves `center` to the mean under `weights`. Returns the distances to it.
std::vector<double> Average(UpdateBlocks& blocks, std::vector<double> weights,
                            absl::Span<float> center) {
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (double& weight : weights) weight /= total;
  std::vector<double> distances = MoveCenter(blocks, 0.0, weights, center);
  for (double& distance : distances) distance = std::sqrt(distance);
  return distances;
}

}  // namespace

absl::StatusOr<std::vector<float>> GeometricMedian(const RuleInputs& inputs) {
  const int64_t asked = inputs.options.iterations;
  const int64_t iterations = asked > 0 ? asked : kDefaultIterations;
  const auto smoothing = static_cast<double>(inputs.options.smoothing);
  std::vector<double> weights;
  for (const KeptUpdate& update : inputs.updates) {
    weights.push_back(static_cast<double>(update.weight));
  }
  const auto objective = [&weights](const std::vector<double>& distances) {
    return std::inner_product(weights.begin(), weights.end(), distances.begin(), 0.0);
  };
  UpdateBlocks blocks(inputs.updates, inputs.count);
  std::vector<float> center(static_cast<size_t>(inputs.count));
  std::vector<double> distances = Average(blocks, weights, absl::MakeSpan(center));
  double before = objective(distances);
  for (int64_t i = 0; i < iterations; ++i) {
    std::vector<double> betas = weights;
    for (size_t j = 0; j < betas.size(); ++j) betas[j] /= std::max(smoothing, distances[j]);
    distances = Average(blocks, std::move(betas), absl::MakeSpan(center));
    const double now = objective(distances);
    if (std::abs(before - now) < kLeastChange * now) break;
    before = now;
  }
  return center;
}

}  // namespace tern::aggregation
