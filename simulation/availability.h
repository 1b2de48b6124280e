// When simulated devices are on and can be reached. Every model is a pure function of (seed,
// device, time), so that nothing is kept for a device that nobody asks about.
#ifndef TERN_SIMULATION_AVAILABILITY_H_
#define TERN_SIMULATION_AVAILABILITY_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/config/load_config.h"

namespace tern::simulation {

// Immutable; any number of threads may use it. `device` is the index of the device, from 0; `now`
// is virtual time since the start, which is midnight.
class Availability {
 public:
  virtual ~Availability() = default;

  // Whether the device is on at `now`.
  virtual bool IsOn(int64_t device, absl::Duration now) const = 0;
  // The first time after `now` at which IsOn is another than at `now`; InfiniteDuration if never.
  virtual absl::Duration NextChange(int64_t device, absl::Duration now) const = 0;
};

// The table of models:
//   always   on for ever
//   diurnal  in each hour a device is on with a probability that follows a cosine of the hour, with
//            `peak` at peak_hour and `trough` twelve hours from it
//   markov   on and off for exponential times with the given means, starting in the steady state
//   trace    a CSV file with the header client,start_s,end_s: half-open intervals in which client
//            number `client` (from 0) is on; device i follows client i modulo the number of
//            clients; the trace repeats after its last end
// INVALID_ARGUMENT: an unknown kind (lists those that exist), a number out of range (its field), or
// a malformed trace ("FILE:LINE: ..."). NOT_FOUND: no such file.
absl::StatusOr<std::unique_ptr<Availability>> MakeAvailability(
    const server::AvailabilityOptions& options, uint64_t seed);

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_AVAILABILITY_H_
