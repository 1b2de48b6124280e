// Files that are read and written whole.
#ifndef TERN_CORE_BASE_FILES_H_
#define TERN_CORE_BASE_FILES_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tern {

// NOT_FOUND: no such file. FAILED_PRECONDITION: a directory. RESOURCE_EXHAUSTED: more than
// `max_bytes`. PERMISSION_DENIED or UNAVAILABLE: cannot be read. The message begins with the path.
absl::StatusOr<std::string> ReadTextFile(const std::string& path, int64_t max_bytes);

// Writes to a temporary file beside `path`, makes it durable, renames it, and makes that durable: a
// reader sees all of it or nothing, also after a power failure. Errors as the system's; the message
// begins with the path.
absl::Status WriteFileAtomically(const std::string& path, absl::string_view contents);

}  // namespace tern

#endif  // TERN_CORE_BASE_FILES_H_
