#include "server/pace.h"

#include "gtest/gtest.h"

namespace tern::server {
namespace {

TEST(Pace, FollowsTheRoundBefore) {
  Pace pace(1, absl::ZeroDuration());
  pace.RoundOpened(absl::Seconds(0));
  pace.RoundClosed(absl::Seconds(20));
  pace.RoundOpened(absl::Seconds(20));
  const absl::Duration wait = pace.RetryAfter(absl::Seconds(25));
  EXPECT_GE(wait, absl::Seconds(15));
  EXPECT_LE(wait, absl::Seconds(16.5));
}

TEST(Pace, OfALateRound_GrowsWithIt) {
  Pace pace(1, absl::ZeroDuration());
  EXPECT_GE(pace.RetryAfter(absl::Seconds(100)), absl::Seconds(25));
  EXPECT_LE(pace.RetryAfter(absl::Hours(10)), absl::Seconds(66));
  EXPECT_GE(pace.RetryAfter(absl::ZeroDuration()), absl::Milliseconds(50));
}

TEST(Pace, SpreadsDevicesByJitter) {
  Pace pace(1, absl::ZeroDuration());
  EXPECT_NE(pace.RetryAfter(absl::Seconds(10)), pace.RetryAfter(absl::Seconds(10)));
}

}  // namespace
}  // namespace tern::server
