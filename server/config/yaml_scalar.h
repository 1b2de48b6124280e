// One value of a YAML tree into one field of a message.
#ifndef TERN_SERVER_CONFIG_YAML_SCALAR_H_
#define TERN_SERVER_CONFIG_YAML_SCALAR_H_

#include <yaml-cpp/yaml.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace tern::server {

// Where a value is: its field, and the file and line, or the assignment, that gives it.
struct YamlPlace {
  std::string path;    // "task.model.spec.layers[2].units"; empty for the whole file
  std::string origin;  // "configs/study.yaml:7"

  // INVALID_ARGUMENT "configs/study.yaml:7: task.num_rounds: WHAT".
  absl::Status Error(absl::string_view what) const;
  // The same with "expected EXPECTED, got 'many'".
  absl::Status IllTyped(absl::string_view expected, const YAML::Node& node) const;
};

// Sets `field`, which holds no messages, to what `node` says, or appends to it if it is repeated.
// INVALID_ARGUMENT: not of the field's type, out of its range, not finite, or not UTF-8.
absl::Status StoreScalar(const YamlPlace& place, const YAML::Node& node,
                         const google::protobuf::FieldDescriptor& field,
                         google::protobuf::Message* message);

}  // namespace tern::server

#endif  // TERN_SERVER_CONFIG_YAML_SCALAR_H_
