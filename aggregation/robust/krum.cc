#include "aggregation/robust/krum.h"

#include <algorithm>
#include <numeric>

#include "aggregation/robust/centers.h"
#include "aggregation/robust/update_blocks.h"

namespace tern::aggregation {
namespace {

// Coordinates of all updates that are compared before the next: they stay in the nearest caches.
constexpr int64_t kPairedCoordinates = 512;

// The updates of the `number` lowest scores, those of equal scores by ascending id.
std::vector<KeptUpdate> Nearest(const RuleInputs& inputs, int64_t number) {
  const int64_t n = inputs.num_updates();
  std::vector<int64_t> order(inputs.updates.size());
  std::iota(order.begin(), order.end(), 0);
  const std::vector<double> scores = KrumScores(SquaredDistances(inputs.updates, inputs.count), n,
                                                inputs.options.attackers, order);
  std::stable_sort(order.begin(), order.end(), [&scores](int64_t a, int64_t b) {
    return scores[static_cast<size_t>(a)] < scores[static_cast<size_t>(b)];
  });
  order.resize(static_cast<size_t>(number));
  std::sort(order.begin(), order.end());
  std::vector<KeptUpdate> nearest;
  for (const int64_t i : order) nearest.push_back(inputs.updates[static_cast<size_t>(i)]);
  return nearest;
}

std::vector<float> Mean(absl::Span<const KeptUpdate> updates, int64_t count) {
  UpdateBlocks blocks(updates, count);
  const std::vector<double> factors(updates.size(), 1.0 / static_cast<double>(updates.size()));
  return WeightedSum(blocks, factors);
}

}  // namespace

std::vector<double> SquaredDistances(absl::Span<const KeptUpdate> updates, int64_t count) {
  const size_t n = updates.size();
  std::vector<double> squared(n * n);
  UpdateBlocks blocks(updates, count);
  while (blocks.Next()) {
    const UpdateStrip& strip = blocks.strip();
    for (int64_t first = 0; first < strip.size; first += kPairedCoordinates) {
      const int64_t size = std::min(kPairedCoordinates, strip.stride - first);
      for (size_t i = 0; i < n; ++i) {
        for (size_t j = i + 1; j < n; ++j) {
          squared[i * n + j] += SquaredDistance(strip.row(i) + first, strip.row(j) + first, size);
        }
      }
    }
  }
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < i; ++j) squared[i * n + j] = squared[j * n + i];
  }
  return squared;
}

std::vector<double> KrumScores(absl::Span<const double> squared_distances, int64_t n, int64_t f,
                               absl::Span<const int64_t> among) {
  const auto others = static_cast<int64_t>(among.size()) - 1;
  const int64_t neighbours = std::min(others, std::max<int64_t>(1, others - f - 1));
  std::vector<double> scores;
  std::vector<double> distances;
  for (const int64_t i : among) {
    distances.clear();
    for (const int64_t j : among) {
      if (j != i) distances.push_back(squared_distances[static_cast<size_t>(i * n + j)]);
    }
    // Sorted, so that the sum does not depend on where the updates stand.
    const auto end = distances.begin() + neighbours;
    std::partial_sort(distances.begin(), end, distances.end());
    scores.push_back(std::accumulate(distances.begin(), end, 0.0));
  }
  return scores;
}

absl::StatusOr<std::vector<float>> Krum(const RuleInputs& inputs) {
  return Mean(Nearest(inputs, 1), inputs.count);
}

absl::StatusOr<std::vector<float>> MultiKrum(const RuleInputs& inputs) {
  const int64_t keep = inputs.options.keep;
  const int64_t kept = keep > 0 ? keep : inputs.num_updates() - inputs.options.attackers;
  return Mean(Nearest(inputs, kept), inputs.count);
}

}  // namespace tern::aggregation
