// Which coordinates of the flat vector a plan trains: all others keep the values that they were
// given, so that an update need not send them.
#ifndef TERN_CORE_TRAIN_TRAINED_COORDINATES_H_
#define TERN_CORE_TRAIN_TRAINED_COORDINATES_H_

#include "absl/status/statusor.h"
#include "core/model/parameter_layout.h"
#include "core/model/submodel.h"
#include "core/train/plan.h"

namespace tern {

// `layout` is that of plan.model. INVALID_ARGUMENT: the plan's scope does not fit the model.
absl::StatusOr<CoordinateSet> TrainedCoordinates(const Plan& plan, const ParameterLayout& layout);

}  // namespace tern

#endif  // TERN_CORE_TRAIN_TRAINED_COORDINATES_H_
