// When to come back: devices that have nothing to do are told a time at which there should be
// something.
//
// A round is expected to end when its last member has come, which is when it was told to, and has
// worked as long as the slowest member of the round before. How long that round lasted is no good
// measure: it contains the waits that were told, and every round would be told to last longer than
// the one before.
#ifndef TERN_SERVER_PACE_H_
#define TERN_SERVER_PACE_H_

#include <cstdint>

#include "absl/time/time.h"

namespace tern::server {

// Not thread-safe.
class Pace {
 public:
  // `seed` keys the jitter; `now` starts the first wait for a round; no wait is longer than
  // `longest`, or a minute: a device that is selected while it waits must come long before the
  // round's deadline.
  Pace(uint64_t seed, absl::Duration now, absl::Duration longest)
      : seed_(seed), longest_(longest), since_(now) {}

  // `last_arrival`: when the last of its members was told to come.
  void RoundOpened(absl::Duration now, absl::Duration last_arrival);
  // A member has come for its lease.
  void LeaseGranted(absl::Duration now);
  // A member's update was accepted, so long after it came for its lease.
  void UpdateAccepted(absl::Duration work);
  void RoundClosed(absl::Duration now);

  // The rest of what the round is expected to last. Where that is over, or nothing is known, a
  // quarter of what the round, or the wait for one, has lasted already, so that a late round is not
  // asked after ever more often. 50 ms to one minute, plus up to a tenth of jitter.
  absl::Duration RetryAfter(absl::Duration now);

 private:
  uint64_t seed_;
  absl::Duration longest_;
  absl::Duration since_;         // the round, or the wait for one, has lasted
  absl::Duration expected_end_;  // of the open round
  absl::Duration work_;          // of the slowest member of the round before
  absl::Duration slowest_;       // of this round
  uint64_t answers_ = 0;
};

}  // namespace tern::server

#endif  // TERN_SERVER_PACE_H_
