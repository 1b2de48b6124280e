#include "server/pace.h"

#include <algorithm>

#include "core/base/random.h"

namespace tern::server {

absl::Duration Pace::RetryAfter(absl::Duration now) {
  constexpr absl::Duration kShortest = absl::Milliseconds(50);
  constexpr absl::Duration kLongest = absl::Minutes(1);
  const absl::Duration elapsed = now - since_;
  const absl::Duration wait =
      std::clamp(std::max(expected_ - elapsed, elapsed / 4), kShortest, kLongest);
  RandomStream random({.seed = seed_, .client = ++answers_, .purpose = RandomPurpose::kPace});
  return wait * (1.0 + 0.1 * static_cast<double>(random.NextFloat()));
}

}  // namespace tern::server
