#include "core/train/trained_coordinates.h"

#include "core/base/status_macros.h"
#include "core/engine/trained_parameters.h"

namespace tern {

absl::StatusOr<CoordinateSet> TrainedCoordinates(const Plan& plan, const ParameterLayout& layout) {
  TERN_ASSIGN_OR_RETURN(const TrainedParameters trained,
                        FindTrainedParameters(plan.model, layout, plan.train.scope));
  CoordinateSet set{.size = trained.size, .full_size = layout.size};
  for (const TrainedRange& range : trained.ranges) set.runs.push_back({range.begin, range.size});
  return set;
}

}  // namespace tern
