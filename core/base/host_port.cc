#include "core/base/host_port.h"

#include "absl/strings/numbers.h"

namespace tern {

bool IsHostPort(absl::string_view text, int min_port) {
  const size_t colon = text.rfind(':');
  int port = 0;
  return colon != absl::string_view::npos && colon > 0 &&
         absl::SimpleAtoi(text.substr(colon + 1), &port) && port >= min_port && port <= 65535;
}

}  // namespace tern
