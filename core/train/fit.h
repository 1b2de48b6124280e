// Whether a model, its parameters and a dataset go together.
#ifndef TERN_CORE_TRAIN_FIT_H_
#define TERN_CORE_TRAIN_FIT_H_

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "core/data/dataset.h"
#include "core/engine/program.h"
#include "core/model/model_spec.h"

namespace tern {

// `program` is compiled from `model`. INVALID_ARGUMENT: the dataset is empty, its examples have
// another shape than the model's input (both are named), it has more classes than the model, or
// `parameters` has another length than the model's layout.
absl::Status CheckFit(const ModelSpec& model, const Program& program, const Dataset& dataset,
                      absl::Span<const float> parameters);

}  // namespace tern

#endif  // TERN_CORE_TRAIN_FIT_H_
