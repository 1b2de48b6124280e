// What the memory of training a plan is made of: every buffer that is held throughout, and every
// tensor of the arena with its place and the steps of its life.
#ifndef TERN_CORE_TRAIN_MEMORY_REPORT_H_
#define TERN_CORE_TRAIN_MEMORY_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/engine/program.h"
#include "core/train/plan.h"

namespace tern {

struct MemoryItem {
  std::string name;
  int64_t bytes = 0;

  bool operator==(const MemoryItem&) const = default;
};

// Lives in `bytes` of the arena from `offset_bytes` on, from step `first_step` to `last_step`, both
// included; several tensors may lie there one after the other.
struct ArenaTensor {
  std::string name;  // "conv1 output"; of what is computed again "conv1 output again"
  TensorRole role = TensorRole::kActivation;
  int64_t bytes = 0;
  int64_t offset_bytes = 0;
  int64_t first_step = 0;  // in MemoryReport::steps
  int64_t last_step = 0;

  // Where the next tensor may begin.
  int64_t end_bytes() const;
};

struct MemoryReport {
  std::vector<MemoryItem> held;   // throughout; none is empty
  int64_t arena_bytes = 0;        // besides
  int64_t lower_bound_bytes = 0;  // of the arena: what is alive at fullest_step
  int64_t fullest_step = 0;
  std::vector<std::string> steps;    // "conv1 forward", "loss", "conv1 forward again", ...
  std::vector<ArenaTensor> tensors;  // in the order in which they come to life

  // Of all that is held, and the arena.
  int64_t peak_bytes() const;
  // Of what is held, and the tensors that are alive at fullest_step.
  std::vector<MemoryItem> Items() const;
};

// What training `plan` on `num_examples` examples holds besides the arena; none is empty. `program`
// is the plan's.
std::vector<MemoryItem> HeldItems(const Plan& plan, const Program& program, int64_t num_examples);

// Of training on `num_examples` examples: peak_bytes() is PlanCost's train_bytes. Errors as
// PlanCost.
absl::StatusOr<MemoryReport> DescribeMemory(const Plan& plan, int64_t num_examples);

// The first `count`, largest first.
std::vector<MemoryItem> LargestItems(std::vector<MemoryItem> items, size_t count);

// "parameters 246,824 B, gradient of conv1 output 138,240 B".
std::string MemoryItemsText(absl::Span<const MemoryItem> items);

// "246,824 B"; of 0 or more.
std::string BytesText(int64_t bytes);

}  // namespace tern

#endif  // TERN_CORE_TRAIN_MEMORY_REPORT_H_
