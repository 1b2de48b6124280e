#include "aggregation/robust/coordinate_rules.h"

#include <algorithm>
#include <cstring>

#include "aggregation/robust/sorting_network.h"
#include "core/base/simd_clones.h"

namespace tern::aggregation {
namespace {

// Of sorted columns.
struct RowRange {
  int64_t begin;
  int64_t end;
};
struct LaneRange {
  int64_t begin;
  int64_t end;
};

// out[lane - lanes.begin] = the mean of the rows in the lane.
TERN_SIMD_CLONES void AverageRows(const float* __restrict columns, RowRange rows, LaneRange lanes,
                                  float* __restrict out) {
  double sums[kSortLanes] = {};
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const float* const from = columns + row * kSortLanes;
    for (int64_t lane = lanes.begin; lane < lanes.end; ++lane) {
      sums[lane] += static_cast<double>(from[lane]);
    }
  }
  const auto number = static_cast<double>(rows.end - rows.begin);
  for (int64_t lane = lanes.begin; lane < lanes.end; ++lane) {
    out[lane - lanes.begin] = static_cast<float>(sums[lane] / number);
  }
}

// The mean of each coordinate over those that are left when cut(m) of its m values are cut off at
// each end.
template <typename Cut>
std::vector<float> TrimmedMeans(const RuleInputs& inputs, const Cut& cut) {
  UpdateBlocks blocks(inputs.updates, inputs.count);
  std::vector<float> means(static_cast<size_t>(inputs.count));
  std::vector<float> columns(inputs.updates.size() * kSortLanes);
  while (blocks.Next()) {
    const UpdateStrip& strip = blocks.strip();
    for (int64_t first = 0; first < strip.size; first += kSortLanes) {
      SortStripColumns(strip, inputs.updates.size(), first, columns.data());
      const auto held = strip.holders.subspan(static_cast<size_t>(first), kSortLanes);
      const auto size = static_cast<int64_t>(held.size());
      for (int64_t begin = 0, end = 0; begin < size; begin = end) {
        const int64_t m = held[static_cast<size_t>(begin)];
        while (end < size && held[static_cast<size_t>(end)] == m) ++end;
        // Stays 0, also where those that lie could be the majority of those that hold it.
        if (m < 2 * inputs.options.attackers + 1) continue;
        const int64_t cut_off = std::min<int64_t>(cut(m), (m - 1) / 2);  // of trim near a half
        AverageRows(columns.data(), {cut_off, m - cut_off}, {begin, end},
                    means.data() + strip.begin + first + begin);
      }
    }
  }
  return means;
}

}  // namespace

void SortStripColumns(const UpdateStrip& strip, size_t num_updates, int64_t first, float* columns) {
  for (size_t i = 0; i < num_updates; ++i) {
    std::memcpy(columns + i * kSortLanes, strip.row(i) + first, kSortLanes * sizeof(float));
  }
  SortColumns(columns, static_cast<int64_t>(num_updates));
}

absl::StatusOr<std::vector<float>> CoordinateMedian(const RuleInputs& inputs) {
  return TrimmedMeans(inputs, [](int64_t m) { return (m - 1) / 2; });
}

absl::StatusOr<std::vector<float>> TrimmedMean(const RuleInputs& inputs) {
  const int64_t attackers = inputs.options.attackers;
  // A decimal share such as 0.45 may be less as a float: 0.45 of 20 is to be 9.
  const double share = static_cast<double>(inputs.options.trim) * (1 + 0x1p-23);
  return TrimmedMeans(inputs, [attackers, share](int64_t m) {
    return share > 0.0 ? static_cast<int64_t>(share * static_cast<double>(m)) : attackers;
  });
}

}  // namespace tern::aggregation
