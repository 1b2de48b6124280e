// How a model is compiled to a program: for how many examples, with which loss, what of it is
// trained, and whether time or memory counts.
#ifndef TERN_CORE_ENGINE_PROGRAM_OPTIONS_H_
#define TERN_CORE_ENGINE_PROGRAM_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/engine/loss.h"

namespace tern {

inline constexpr int64_t kMaxBatchSize = 4096;

// Persisted and sent by these numbers: never renumber, only append.
enum class MemoryMode : int32_t {
  kFast = 1,
  // The least arena: convolutions run row by row where their tensors lie, together with the pooling
  // behind them, and activations are computed again (Chen et al. 2016) where that saves memory.
  // Slower; results differ from those of kFast by rounding.
  kSmall = 2,
};

// What of a model is trained: the rest stays as it is, costs no gradient and, as far as nothing
// else needs it, no activation (sparse update: Lin et al. 2022, "On-device training under 256KB
// memory", section 3.2). All conditions hold together.
struct UpdateScope {
  std::vector<std::string> frozen_layers;  // names of layers that have parameters
  int64_t last_layers = 0;                 // only the last so many that have; 0: all
  bool biases_only = false;                // no weight (TinyTL: Cai et al. 2020)
  // Of each weight the first output channels, this part of them rounded up; in (0, 1].
  float channels = 1.0f;

  bool operator==(const UpdateScope&) const = default;
};

// INVALID_ARGUMENT names the field, its value and the range; the layers are a matter of the model.
absl::Status ValidateUpdateScope(const UpdateScope& scope);

struct ProgramOptions {
  int64_t batch_size = 1;  // most examples of a call, in [1, kMaxBatchSize]
  MemoryMode memory = MemoryMode::kFast;
  UpdateScope scope = {};
  LossOptions loss = {};

  bool operator==(const ProgramOptions&) const = default;
};

}  // namespace tern

#endif  // TERN_CORE_ENGINE_PROGRAM_OPTIONS_H_
