// Time, injected: whoever waits or measures asks a Clock, so that tests and the simulator own time.
#ifndef TERN_CORE_BASE_CLOCK_H_
#define TERN_CORE_BASE_CLOCK_H_

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"

namespace tern {

// A monotonic clock. Thread-safe. Readings are durations since an arbitrary origin: leases and
// deadlines must not jump when somebody sets the wall clock.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Duration Now() const = 0;
};

// The machine's monotonic clock.
class MonotonicClock final : public Clock {
 public:
  absl::Duration Now() const override;
};

// A clock that stands still until told to advance.
class SimulatedClock final : public Clock {
 public:
  absl::Duration Now() const override { return absl::Nanoseconds(now_ns_.load()); }
  void Advance(absl::Duration duration) { now_ns_ += absl::ToInt64Nanoseconds(duration); }

 private:
  std::atomic<int64_t> now_ns_{0};
};

}  // namespace tern

#endif  // TERN_CORE_BASE_CLOCK_H_
