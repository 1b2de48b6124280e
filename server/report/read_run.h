// What a run's directory holds, as the report shows it.
#ifndef TERN_SERVER_REPORT_READ_RUN_H_
#define TERN_SERVER_REPORT_READ_RUN_H_

#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"

namespace tern::server {

// {"name": the directory's own, "config": the text of config.yaml, "rounds": the objects of
// metrics.jsonl, "summary", "population": those files' objects, null where there is none}. A last
// line of metrics.jsonl that ends in the middle is left out: a run may be going on, or was killed.
// NOT_FOUND: no such directory, or not a run's. INVALID_ARGUMENT: a file is malformed; the message
// begins with its path and line. Otherwise as ReadTextFile.
absl::StatusOr<nlohmann::ordered_json> ReadRun(const std::string& directory);

}  // namespace tern::server

#endif  // TERN_SERVER_REPORT_READ_RUN_H_
