#include "core/engine/memory_planner.h"

#include <algorithm>
#include <numeric>

namespace tern {
namespace {

int64_t AlignedSize(const TensorLife& tensor) {
  return (tensor.floats + kArenaAlignmentFloats - 1) / kArenaAlignmentFloats *
         kArenaAlignmentFloats;
}

bool LiveTogether(const TensorLife& a, const TensorLife& b) {
  return a.first_use <= b.last_use && b.first_use <= a.last_use;
}

}  // namespace

MemoryPlan PlanMemory(absl::Span<const TensorLife> tensors) {
  std::vector<size_t> by_size(tensors.size());
  std::iota(by_size.begin(), by_size.end(), size_t{0});
  std::stable_sort(by_size.begin(), by_size.end(),
                   [&](size_t a, size_t b) { return tensors[a].floats > tensors[b].floats; });
  MemoryPlan plan;
  plan.offsets.resize(tensors.size());
  std::vector<size_t> placed;  // by offset
  for (const size_t index : by_size) {
    const int64_t size = AlignedSize(tensors[index]);
    int64_t offset = 0;
    for (const size_t other : placed) {
      if (!LiveTogether(tensors[index], tensors[other])) continue;
      if (offset + size <= plan.offsets[other]) break;
      offset = std::max(offset, plan.offsets[other] + AlignedSize(tensors[other]));
    }
    plan.offsets[index] = offset;
    plan.total_floats = std::max(plan.total_floats, offset + size);
    const auto position =
        std::upper_bound(placed.begin(), placed.end(), offset,
                         [&](int64_t value, size_t other) { return value < plan.offsets[other]; });
    placed.insert(position, index);
  }
  return plan;
}

}  // namespace tern
