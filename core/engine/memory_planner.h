// Where tensors lie in one arena when it is known for how long each is needed.
#ifndef TERN_CORE_ENGINE_MEMORY_PLANNER_H_
#define TERN_CORE_ENGINE_MEMORY_PLANNER_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace tern {

// A tensor of `floats` floats that holds something from step `first_use` to step `last_use`, both
// included.
struct TensorLife {
  int64_t floats = 0;
  int64_t first_use = 0;
  int64_t last_use = 0;
};

struct MemoryPlan {
  std::vector<int64_t> offsets;  // of each tensor, in floats; multiples of kArenaAlignmentFloats
  int64_t total_floats = 0;
};

inline constexpr int64_t kArenaAlignmentFloats = 16;  // 64 bytes: a cache line, the widest vector

// The most floats that are alive at one step: no plan takes less.
int64_t LowerBoundFloats(absl::Span<const TensorLife> tensors);

// No two tensors that live at the same step overlap. Greedy (Pisarchyk and Lee 2020, "Efficient
// memory management for deep neural net inference", section 5.2): tensors in turn, each into the
// lowest gap that is free while it lives. In turn by size, by size times life and by first use; the
// best of these plans. Depends on the lives alone.
MemoryPlan PlanMemory(absl::Span<const TensorLife> tensors);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_MEMORY_PLANNER_H_
