#include "aggregation/robust/centered_clip.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "aggregation/robust/centers.h"
#include "aggregation/robust/update_blocks.h"
#include "core/base/check.h"

namespace tern::aggregation {

absl::StatusOr<std::vector<float>> CenteredClip(const RuleInputs& inputs) {
  const int64_t iterations = std::max<int64_t>(1, inputs.options.iterations);
  const auto radius = static_cast<double>(inputs.options.clip_norm);
  const absl::Span<const float> previous = inputs.given.previous;
  TERN_CHECK(previous.empty() || static_cast<int64_t>(previous.size()) == inputs.count);
  std::vector<float> center(previous.begin(), previous.end());
  center.resize(static_cast<size_t>(inputs.count));
  UpdateBlocks blocks(inputs.updates, inputs.count);
  std::vector<double> factors(inputs.updates.size());
  // Moves nothing yet.
  std::vector<double> squared = MoveCenter(blocks, 1.0, factors, absl::MakeSpan(center));
  for (int64_t i = 0; i < iterations; ++i) {
    for (size_t j = 0; j < factors.size(); ++j) {
      const double distance = std::sqrt(squared[j]);
      factors[j] =
          (distance > radius ? radius / distance : 1.0) / static_cast<double>(factors.size());
    }
    const double moved = std::accumulate(factors.begin(), factors.end(), 0.0);
    squared = MoveCenter(blocks, 1.0 - moved, factors, absl::MakeSpan(center));
  }
  return center;
}

}  // namespace tern::aggregation
