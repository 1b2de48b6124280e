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

MemoryPlan PlaceInOrder(absl::Span<const TensorLife> tensors, absl::Span<const size_t> order) {
  MemoryPlan plan;
  plan.offsets.resize(tensors.size());
  std::vector<size_t> placed;  // by offset
  for (const size_t index : order) {
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

int64_t Life(const TensorLife& tensor) { return tensor.last_use - tensor.first_use + 1; }

// What is larger comes first.
constexpr int64_t (*kPriorities[])(const TensorLife&) = {
    [](const TensorLife& tensor) { return tensor.floats; },
    [](const TensorLife& tensor) { return tensor.floats * Life(tensor); },
    [](const TensorLife& tensor) { return -tensor.first_use; },
};

}  // namespace

int64_t LowerBoundFloats(absl::Span<const TensorLife> tensors) {
  int64_t last_step = 0;
  for (const TensorLife& tensor : tensors) last_step = std::max(last_step, tensor.last_use);
  std::vector<int64_t> change(static_cast<size_t>(last_step) +
                              2);  // at each step, of what is alive
  for (const TensorLife& tensor : tensors) {
    change[static_cast<size_t>(tensor.first_use)] += AlignedSize(tensor);
    change[static_cast<size_t>(tensor.last_use) + 1] -= AlignedSize(tensor);
  }
  int64_t alive = 0;
  int64_t most = 0;
  for (const int64_t step : change) most = std::max(most, alive += step);
  return most;
}

MemoryPlan PlanMemory(absl::Span<const TensorLife> tensors) {
  MemoryPlan best;
  std::vector<size_t> order(tensors.size());
  for (const auto priority : kPriorities) {
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return priority(tensors[a]) > priority(tensors[b]);
    });
    MemoryPlan plan = PlaceInOrder(tensors, order);
    if (best.offsets.empty() || plan.total_floats < best.total_floats) best = std::move(plan);
  }
  return best;
}

}  // namespace tern
