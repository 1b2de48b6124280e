// Which coordinates of the flat vector of parameters an UpdateScope leaves to be trained.
#ifndef TERN_CORE_ENGINE_TRAINED_PARAMETERS_H_
#define TERN_CORE_ENGINE_TRAINED_PARAMETERS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "core/engine/program_options.h"
#include "core/model/model_spec.h"
#include "core/model/parameter_layout.h"

namespace tern {

// Coordinates [begin, begin + size) of the flat vector; the vectors of SGD, which have the trained
// coordinates only, hold theirs at [offset, offset + size).
struct TrainedRange {
  int64_t begin = 0;
  int64_t size = 0;
  int64_t offset = 0;
};

struct TrainedParameters {
  // For each parameter of the layout its trained coordinates, the first so many; size 0: frozen.
  std::vector<TrainedRange> of_parameter;
  // The same without gaps: ranges that follow each other in both vectors are one.
  std::vector<TrainedRange> ranges;
  int64_t size = 0;  // trained coordinates in all
};

// INVALID_ARGUMENT: no layer has the name, the layer has no parameters, a value is out of range, or
// nothing is left to train.
absl::StatusOr<TrainedParameters> FindTrainedParameters(const ModelSpec& spec,
                                                        const ParameterLayout& layout,
                                                        const UpdateScope& scope);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_TRAINED_PARAMETERS_H_
