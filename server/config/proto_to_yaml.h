// A message as YAML that yaml_to_proto.h reads.
#ifndef TERN_SERVER_CONFIG_PROTO_TO_YAML_H_
#define TERN_SERVER_CONFIG_PROTO_TO_YAML_H_

#include <string>

#include "google/protobuf/message.h"

namespace tern::server {

// Every field with its value or its default, in the order of the schema; of a oneof the member that
// is set. Loads again to a message that prints the same. No message of the schema may hold its own
// type.
std::string ToYaml(const google::protobuf::Message& message);

}  // namespace tern::server

#endif  // TERN_SERVER_CONFIG_PROTO_TO_YAML_H_
