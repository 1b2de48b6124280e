// What the models of availability have in common: time is cut into segments in which a device does
// not change.
#ifndef TERN_SIMULATION_AVAILABILITY_SEGMENTS_H_
#define TERN_SIMULATION_AVAILABILITY_SEGMENTS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "simulation/availability.h"

namespace tern::simulation {

class SegmentAvailability : public Availability {
 public:
  bool IsOn(int64_t device, absl::Duration now) const final { return SegmentAt(device, now).on; }
  // No change within a hundred thousand segments counts as never.
  absl::Duration NextChange(int64_t device, absl::Duration now) const final;

 protected:
  struct Segment {
    bool on = true;
    absl::Duration end;  // after `now`; the next segment may be in the same state
  };

 private:
  // The segment that `now` lies in. `now` >= 0, finite.
  virtual Segment SegmentAt(int64_t device, absl::Duration now) const = 0;
};

// Availability by the trace in the file `path` (see MakeAvailability). NOT_FOUND: no such file.
// INVALID_ARGUMENT: malformed ("FILE:LINE: ...").
absl::StatusOr<std::unique_ptr<Availability>> LoadAvailabilityTrace(const std::string& path);

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_AVAILABILITY_SEGMENTS_H_
