// When to come back: devices that have nothing to do are told a time at which there should be
// something.
#ifndef TERN_SERVER_PACE_H_
#define TERN_SERVER_PACE_H_

#include <cstdint>

#include "absl/time/time.h"

namespace tern::server {

// A new round is expected to last as long as the one before. Not thread-safe.
class Pace {
 public:
  // `seed` keys the jitter; `now` starts the first wait for a round.
  Pace(uint64_t seed, absl::Duration now) : seed_(seed), since_(now) {}

  void RoundOpened(absl::Duration now) { since_ = now; }
  void RoundClosed(absl::Duration now) {
    expected_ = now - since_;
    since_ = now;
  }

  // The rest of what the current round, or the wait for one, is expected to last, at least a
  // quarter of what it has lasted already (so that a late round is not asked after ever more
  // often), 50 ms to one minute, plus up to a tenth of jitter.
  absl::Duration RetryAfter(absl::Duration now);

 private:
  uint64_t seed_;
  absl::Duration since_;
  absl::Duration expected_ = absl::ZeroDuration();
  uint64_t answers_ = 0;
};

}  // namespace tern::server

#endif  // TERN_SERVER_PACE_H_
