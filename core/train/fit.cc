#include "core/train/fit.h"

#include "absl/strings/str_cat.h"

namespace tern {

absl::Status CheckFit(const ModelSpec& model, const Program& program, const Dataset& dataset,
                      absl::Span<const float> parameters) {
  if (dataset.size() < 1) {
    return absl::InvalidArgumentError("the dataset has no examples, expected at least 1");
  }
  if (dataset.example_shape() != model.input) {
    return absl::InvalidArgumentError(
        absl::StrCat("model '", model.name, "' takes input ", BatchShapeString(model.input),
                     ", the dataset's examples are ", BatchShapeString(dataset.example_shape())));
  }
  if (dataset.num_classes() > program.num_classes()) {
    return absl::InvalidArgumentError(
        absl::StrCat("model '", model.name, "' tells ", program.num_classes(),
                     " classes apart, the dataset has ", dataset.num_classes(),
                     "; give its last layer as many units"));
  }
  if (static_cast<int64_t>(parameters.size()) != program.layout().size) {
    return absl::InvalidArgumentError(absl::StrCat("model '", model.name, "' has ",
                                                   program.layout().size, " parameters, got ",
                                                   parameters.size()));
  }
  return absl::OkStatus();
}

}  // namespace tern
