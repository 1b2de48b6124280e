#include "core/engine/trained_parameters.h"

#include <algorithm>
#include <cmath>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"

namespace tern {
namespace {

// Whether a weight, and with it its bias, is frozen; by its place in the layout. A weight that
// layers share is, where one of them is.
using Frozen = std::vector<bool>;

absl::Status FreezeNamed(const ModelSpec& spec, const ParameterLayout& layout,
                         const std::string& name, Frozen& frozen) {
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    if (spec.layers[i].name != name) continue;
    if (layout.weight_of_layer[i] < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("frozen_layers has '", name, "', which has no parameters"));
    }
    frozen[static_cast<size_t>(layout.weight_of_layer[i])] = true;
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("frozen_layers has '", name, "', expected a layer of model '", spec.name, "'"));
}

void FreezeAllButLast(const ParameterLayout& layout, int64_t last_layers, Frozen& frozen) {
  int64_t left = last_layers;
  for (size_t i = layout.weight_of_layer.size(); i-- > 0;) {
    if (layout.weight_of_layer[i] < 0) continue;
    if (left > 0) {
      --left;
    } else {
      frozen[static_cast<size_t>(layout.weight_of_layer[i])] = true;
    }
  }
}

// The first so many coordinates that a parameter trains.
int64_t TrainedSize(const Parameter& parameter, const UpdateScope& scope) {
  if (parameter.role == ParameterRole::kBias) return parameter.size;
  if (scope.biases_only) return 0;
  // In floats, in which a tenth of ten is one.
  const float channels = scope.channels * static_cast<float>(parameter.shape[0]);
  const auto trained = std::min(static_cast<int64_t>(std::ceil(channels)), parameter.shape[0]);
  return trained * (parameter.size / parameter.shape[0]);
}

}  // namespace

absl::Status ValidateUpdateScope(const UpdateScope& scope) {
  if (static_cast<int64_t>(scope.frozen_layers.size()) > kMaxLayers) {
    return absl::InvalidArgumentError(absl::StrCat("frozen_layers has ", scope.frozen_layers.size(),
                                                   " names, expected at most ", kMaxLayers));
  }
  if (scope.last_layers < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("last_layers is ", scope.last_layers, ", expected 0 (all) or more"));
  }
  if (!(scope.channels > 0.0f && scope.channels <= 1.0f)) {
    return absl::InvalidArgumentError(
        absl::StrCat("channels is ", scope.channels, ", expected above 0, at most 1"));
  }
  return absl::OkStatus();
}

absl::StatusOr<TrainedParameters> FindTrainedParameters(const ModelSpec& spec,
                                                        const ParameterLayout& layout,
                                                        const UpdateScope& scope) {
  TERN_RETURN_IF_ERROR(ValidateUpdateScope(scope));
  Frozen frozen(layout.parameters.size());
  for (const std::string& name : scope.frozen_layers) {
    TERN_RETURN_IF_ERROR(FreezeNamed(spec, layout, name, frozen));
  }
  if (scope.last_layers > 0) FreezeAllButLast(layout, scope.last_layers, frozen);
  TrainedParameters trained;
  for (size_t i = 0; i < layout.parameters.size(); ++i) {
    const Parameter& parameter = layout.parameters[i];
    // A bias follows its weight.
    const bool is_frozen = frozen[parameter.role == ParameterRole::kBias ? i - 1 : i];
    const TrainedRange range = {.begin = parameter.offset,
                                .size = is_frozen ? 0 : TrainedSize(parameter, scope),
                                .offset = trained.size};
    trained.of_parameter.push_back(range);
    if (range.size == 0) continue;
    trained.size += range.size;
    std::vector<TrainedRange>& ranges = trained.ranges;
    if (!ranges.empty() && ranges.back().begin + ranges.back().size == range.begin) {
      ranges.back().size += range.size;
    } else {
      ranges.push_back(range);
    }
  }
  if (trained.size == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("model '", spec.name, "' has no layer left to train; freeze fewer"));
  }
  return trained;
}

}  // namespace tern
