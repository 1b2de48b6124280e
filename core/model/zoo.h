// Models by name: the ones that the field measures with.
#ifndef TERN_CORE_MODEL_ZOO_H_
#define TERN_CORE_MODEL_ZOO_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/model/model_spec.h"

namespace tern {

// NOT_FOUND lists the names that exist.
absl::StatusOr<ModelSpec> ZooModel(absl::string_view name);

std::vector<std::string> ZooModelNames();

}  // namespace tern

#endif  // TERN_CORE_MODEL_ZOO_H_
