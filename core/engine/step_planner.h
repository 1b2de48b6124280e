// From compiled layers to the steps of training and inference, with a place in the arena for every
// tensor.
#ifndef TERN_CORE_ENGINE_STEP_PLANNER_H_
#define TERN_CORE_ENGINE_STEP_PLANNER_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "core/engine/schedule.h"

namespace tern {

StepPlan PlanInference(absl::Span<const CompiledLayer> layers, int64_t batch_size);

// Every layer runs forward once, and what the backward pass needs is kept.
StepPlan PlanTraining(absl::Span<const CompiledLayer> layers, int64_t batch_size);

// The plan of the smallest arena in which activations are kept at the borders of segments only, and
// a segment's own are computed again when the backward pass comes to it (Chen et al. 2016,
// "Training deep nets with sublinear memory cost", section 4); or PlanTraining's if none is
// smaller.
StepPlan PlanTrainingInSegments(absl::Span<const CompiledLayer> layers, int64_t batch_size);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_STEP_PLANNER_H_
