// Which coordinates of the flat vector a plan trains, and which of them an update sends: all others
// keep the values that they were given, or are the client's own.
#ifndef TERN_CORE_TRAIN_TRAINED_COORDINATES_H_
#define TERN_CORE_TRAIN_TRAINED_COORDINATES_H_

#include "absl/status/statusor.h"
#include "core/model/parameter_layout.h"
#include "core/model/submodel.h"
#include "core/train/plan.h"

namespace tern {

struct TrainedCoordinates {
  CoordinateSet sent;
  CoordinateSet personal;  // trained, not sent (PersonalScope); may be empty
};

// `layout` is that of plan.model. A bias is its layer's; a parameter that layers share is personal
// where one of them is. INVALID_ARGUMENT: the plan's scopes do not fit the model, or nothing is
// left to train or to send.
absl::StatusOr<TrainedCoordinates> FindTrainedCoordinates(const Plan& plan,
                                                          const ParameterLayout& layout);

}  // namespace tern

#endif  // TERN_CORE_TRAIN_TRAINED_COORDINATES_H_
