#include "server/pace.h"

#include <algorithm>

#include "core/base/random.h"

namespace tern::server {

void Pace::RoundOpened(absl::Duration now, absl::Duration last_arrival) {
  since_ = now;
  expected_end_ = std::max(now, last_arrival) + work_;
}

void Pace::LeaseGranted(absl::Duration now) {
  expected_end_ = std::max(expected_end_, now + work_);
}

void Pace::UpdateAccepted(absl::Duration work) { slowest_ = std::max(slowest_, work); }

void Pace::RoundClosed(absl::Duration now) {
  since_ = now;
  expected_end_ = now;
  if (slowest_ > absl::ZeroDuration()) work_ = slowest_;
  slowest_ = absl::ZeroDuration();
}

absl::Duration Pace::RetryAfter(absl::Duration now) {
  constexpr absl::Duration kShortest = absl::Milliseconds(50);
  const absl::Duration longest = std::clamp(longest_, kShortest, absl::Duration(absl::Minutes(1)));
  const absl::Duration rest = expected_end_ - now;
  const absl::Duration wait =
      std::clamp(rest > absl::ZeroDuration() ? rest : (now - since_) / 4, kShortest, longest);
  RandomStream random({.seed = seed_, .client = ++answers_, .purpose = RandomPurpose::kPace});
  return wait * (1.0 + 0.1 * static_cast<double>(random.NextFloat()));
}

}  // namespace tern::server
