// Configuration files: YAML whose schema is a protobuf message. The tree is walked against the
// message's descriptor, so that every error names file, line and field:
// "configs/study.yaml:7: task.num_rounds: expected an integer, got 'many'".
#ifndef TERN_SERVER_CONFIG_YAML_TO_PROTO_H_
#define TERN_SERVER_CONFIG_YAML_TO_PROTO_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace tern::server {

// Where each field that was given stands: "task.num_rounds" -> "configs/study.yaml:7", or
// "--set task.num_rounds=5".
using FieldOrigins = std::map<std::string, std::string>;

// Sets the fields that the file gives; a list replaces the one that was there, everything else
// stays. Some messages have a shorthand: "model: lenet5" is "model: {zoo: lenet5}". After an error
// `message` holds what came before it. `origins` may be null. INVALID_ARGUMENT: malformed YAML, or
// not of the schema. Otherwise as ReadTextFile.
absl::Status MergeYamlFile(const std::string& path, google::protobuf::Message* message,
                           FieldOrigins* origins = nullptr);

// The same from text; messages call it `name`.
absl::Status MergeYamlText(absl::string_view text, const std::string& name,
                           google::protobuf::Message* message, FieldOrigins* origins = nullptr);

// Sets one field: "task.num_rounds=5", the value in YAML. INVALID_ARGUMENT as above.
absl::Status MergeOverride(const std::string& assignment, google::protobuf::Message* message,
                           FieldOrigins* origins = nullptr);

}  // namespace tern::server

#endif  // TERN_SERVER_CONFIG_YAML_TO_PROTO_H_
