#include "core/train/trained_coordinates.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/engine/trained_parameters.h"

namespace tern {
namespace {

// Marks the weight of the named layer and the bias behind it.
absl::Status MarkLayer(const ModelSpec& model, const ParameterLayout& layout,
                       const std::string& name, std::vector<bool>& marked) {
  for (size_t i = 0; i < model.layers.size(); ++i) {
    if (model.layers[i].name != name) continue;
    if (layout.weight_of_layer[i] < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("personal.layers has '", name, "', which has no parameters"));
    }
    const auto weight = static_cast<size_t>(layout.weight_of_layer[i]);
    marked[weight] = marked[weight + 1] = true;
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "personal.layers has '", name, "', expected a layer of model '", model.name, "'"));
}

// Whether a parameter is personal, by its place in the layout.
absl::StatusOr<std::vector<bool>> PersonalParameters(const Plan& plan,
                                                     const ParameterLayout& layout) {
  std::vector<bool> personal(layout.parameters.size());
  for (const std::string& name : plan.train.personal.layers) {
    TERN_RETURN_IF_ERROR(MarkLayer(plan.model, layout, name, personal));
  }
  if (!plan.train.personal.biases) return personal;
  for (size_t i = 0; i < personal.size(); ++i) {
    if (layout.parameters[i].role == ParameterRole::kBias) personal[i] = true;
  }
  return personal;
}

// Adds coordinates behind all that the set has.
void Append(const TrainedRange& range, CoordinateSet& set) {
  if (range.size == 0) return;
  set.size += range.size;
  std::vector<CoordinateRun>& runs = set.runs;
  if (!runs.empty() && runs.back().begin + runs.back().size == range.begin) {
    runs.back().size += range.size;
  } else {
    runs.push_back({range.begin, range.size});
  }
}

}  // namespace

absl::StatusOr<TrainedCoordinates> FindTrainedCoordinates(const Plan& plan,
                                                          const ParameterLayout& layout) {
  TERN_ASSIGN_OR_RETURN(const TrainedParameters trained,
                        FindTrainedParameters(plan.model, layout, plan.train.scope));
  TERN_ASSIGN_OR_RETURN(const std::vector<bool> is_personal, PersonalParameters(plan, layout));
  TrainedCoordinates coordinates;
  coordinates.sent.full_size = coordinates.personal.full_size = layout.size;
  for (size_t i = 0; i < is_personal.size(); ++i) {
    Append(trained.of_parameter[i], is_personal[i] ? coordinates.personal : coordinates.sent);
  }
  if (coordinates.sent.size == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("model '", plan.model.name,
                     "' has no trained parameter left to send; make fewer personal"));
  }
  return coordinates;
}

}  // namespace tern
