#include "core/base/clock.h"

#include <chrono>

namespace tern {

absl::Duration MonotonicClock::Now() const {
  return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace tern
