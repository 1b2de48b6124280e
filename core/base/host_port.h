// Network addresses as people write them.
#ifndef TERN_CORE_BASE_HOST_PORT_H_
#define TERN_CORE_BASE_HOST_PORT_H_

#include "absl/strings/string_view.h"

namespace tern {

// Whether `text` is HOST:PORT: a host that is not empty, and a port from `min_port` to 65535. 0
// asks a listener for any port that is free.
bool IsHostPort(absl::string_view text, int min_port);

}  // namespace tern

#endif  // TERN_CORE_BASE_HOST_PORT_H_
