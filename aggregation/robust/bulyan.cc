#include "aggregation/robust/bulyan.h"

#include <algorithm>
#include <numeric>

#include "aggregation/robust/coordinate_rules.h"
#include "aggregation/robust/krum.h"
#include "aggregation/robust/sorting_network.h"
#include "aggregation/robust/update_blocks.h"
#include "core/base/simd_clones.h"

namespace tern::aggregation {
namespace {

// `columns`: (theta, kSortLanes), sorted. out[lane] = the mean of the `beta` values nearest to the
// median: a window of the column. It moves up from the smallest values as long as the value that
// enters is nearer than the one that leaves: s[k + beta] - median < median - s[k], which holds for
// all k up to some, since both sides are sorted.
TERN_SIMD_CLONES void AverageNearest(const float* __restrict columns, int64_t theta, int64_t beta,
                                     float* __restrict out) {
  double twice_median[kSortLanes];
  float begin[kSortLanes] = {};  // where the window begins; a small integer
  const float* const low = columns + (theta - 1) / 2 * kSortLanes;
  const float* const high = columns + theta / 2 * kSortLanes;
  for (int64_t lane = 0; lane < kSortLanes; ++lane) {
    twice_median[lane] = static_cast<double>(low[lane]) + static_cast<double>(high[lane]);
  }
  for (int64_t k = 0; k < theta - beta; ++k) {
    const float* const leaves = columns + k * kSortLanes;
    const float* const enters = columns + (k + beta) * kSortLanes;
    for (int64_t lane = 0; lane < kSortLanes; ++lane) {
      const double both = static_cast<double>(enters[lane]) + static_cast<double>(leaves[lane]);
      begin[lane] += both < twice_median[lane] ? 1.0f : 0.0f;
    }
  }
  double sums[kSortLanes] = {};
  for (int64_t row = 0; row < theta; ++row) {
    const float* const from = columns + row * kSortLanes;
    const auto last_begin = static_cast<float>(row);
    const auto before_first_begin = static_cast<float>(row - beta);
    for (int64_t lane = 0; lane < kSortLanes; ++lane) {
      const bool taken = (begin[lane] <= last_begin) & (begin[lane] > before_first_begin);
      sums[lane] += static_cast<double>(taken ? from[lane] : 0.0f);
    }
  }
  for (int64_t lane = 0; lane < kSortLanes; ++lane) {
    out[lane] = static_cast<float>(sums[lane] / static_cast<double>(beta));
  }
}

}  // namespace

std::vector<int64_t> SelectByKrum(absl::Span<const double> squared_distances, int64_t n,
                                  int64_t f) {
  std::vector<int64_t> remaining(static_cast<size_t>(n));
  std::iota(remaining.begin(), remaining.end(), 0);
  std::vector<int64_t> selected;
  while (static_cast<int64_t>(selected.size()) < n - 2 * f) {
    const std::vector<double> scores = KrumScores(squared_distances, n, f, remaining);
    const auto lowest = std::min_element(scores.begin(), scores.end()) - scores.begin();
    selected.push_back(remaining[static_cast<size_t>(lowest)]);
    remaining.erase(remaining.begin() + lowest);
  }
  std::sort(selected.begin(), selected.end());
  return selected;
}

absl::StatusOr<std::vector<float>> Bulyan(const RuleInputs& inputs) {
  const int64_t f = inputs.options.attackers;
  std::vector<KeptUpdate> selected;
  for (const int64_t i :
       SelectByKrum(SquaredDistances(inputs.updates, inputs.count), inputs.num_updates(), f)) {
    selected.push_back(inputs.updates[static_cast<size_t>(i)]);
  }
  const auto theta = static_cast<int64_t>(selected.size());
  UpdateBlocks blocks(selected, inputs.count);
  std::vector<float> values(static_cast<size_t>(inputs.count));
  std::vector<float> columns(selected.size() * kSortLanes);
  float averages[kSortLanes];
  while (blocks.Next()) {
    const UpdateStrip& strip = blocks.strip();
    for (int64_t first = 0; first < strip.size; first += kSortLanes) {
      SortStripColumns(strip, selected.size(), first, columns.data());
      AverageNearest(columns.data(), theta, theta - 2 * f, averages);
      std::copy_n(averages, std::min(kSortLanes, strip.size - first),
                  values.data() + strip.begin + first);
    }
  }
  return values;
}

}  // namespace tern::aggregation
