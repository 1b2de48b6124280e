// model.tern: a model's structure and parameters in one file. The bytes are described in
// docs/wire-format.md.
#ifndef TERN_CORE_WIRE_MODEL_FILE_H_
#define TERN_CORE_WIRE_MODEL_FILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/model/model_spec.h"

namespace tern {

struct ModelFile {
  ModelSpec spec;
  uint64_t version = 0;
  std::vector<float> parameters;  // as MakeParameterLayout(spec) lays them out
};

// Writes to `path`.tmp, makes it durable and renames it, so that `path` is at any instant the old
// file or the whole new one. One writer of a path at a time. INVALID_ARGUMENT: the parameters are
// not those of a model of this structure. Else as the system's error (PERMISSION_DENIED, NOT_FOUND:
// no such directory, RESOURCE_EXHAUSTED: no space); the message begins with the path.
absl::Status WriteModelFile(const std::string& path, const ModelFile& model);

// NOT_FOUND: no such file. DATA_LOSS, INVALID_ARGUMENT: damaged, or no model. The message begins
// with the path.
absl::StatusOr<ModelFile> ReadModelFile(const std::string& path);

}  // namespace tern

#endif  // TERN_CORE_WIRE_MODEL_FILE_H_
