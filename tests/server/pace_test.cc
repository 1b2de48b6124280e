#include "server/pace.h"

#include <algorithm>
#include <vector>

#include "gtest/gtest.h"

namespace tern::server {
namespace {

// A pace that has seen one round, from 0 s to 20 s, whose slowest member worked 6 s.
Pace PaceAfterOneRound() {
  Pace pace(1, absl::ZeroDuration(), absl::Hours(1));
  pace.RoundOpened(absl::Seconds(0), absl::Seconds(0));
  pace.UpdateAccepted(absl::Seconds(4));
  pace.UpdateAccepted(absl::Seconds(6));
  pace.RoundClosed(absl::Seconds(20));
  return pace;
}

void ExpectAbout(absl::Duration wait, absl::Duration expected) {
  EXPECT_GE(wait, expected);
  EXPECT_LE(wait, 1.1 * expected);
}

TEST(Pace, ExpectsTheLastMemberWhenItWasTold_AndItsWorkAfterThat) {
  Pace pace = PaceAfterOneRound();
  pace.RoundOpened(absl::Seconds(20), absl::Seconds(23));
  ExpectAbout(pace.RetryAfter(absl::Seconds(25)), absl::Seconds(4));
}

TEST(Pace, OfAMemberThatComesLate_Follows) {
  Pace pace = PaceAfterOneRound();
  pace.RoundOpened(absl::Seconds(20), absl::Seconds(20));
  pace.LeaseGranted(absl::Seconds(30));
  ExpectAbout(pace.RetryAfter(absl::Seconds(31)), absl::Seconds(5));
}

TEST(Pace, OfALateRound_GrowsWithItsAge) {
  Pace pace = PaceAfterOneRound();
  pace.RoundOpened(absl::Seconds(20), absl::Seconds(20));
  ExpectAbout(pace.RetryAfter(absl::Seconds(60)), absl::Seconds(10));
  ExpectAbout(pace.RetryAfter(absl::Hours(10)), absl::Minutes(1));
}

TEST(Pace, WithoutARound_GrowsWithTheWait) {
  Pace pace(1, absl::ZeroDuration(), absl::Hours(1));
  ExpectAbout(pace.RetryAfter(absl::ZeroDuration()), absl::Milliseconds(50));
  ExpectAbout(pace.RetryAfter(absl::Seconds(100)), absl::Seconds(25));
}

TEST(Pace, SpreadsDevicesByJitter) {
  Pace pace(1, absl::ZeroDuration(), absl::Hours(1));
  EXPECT_NE(pace.RetryAfter(absl::Seconds(10)), pace.RetryAfter(absl::Seconds(10)));
}

// Devices that come when they are told and work 2 s each must not make each round longer than the
// one before.
TEST(Pace, OfManyRounds_DoesNotStretchThem) {
  constexpr absl::Duration kWork = absl::Seconds(2);
  Pace pace(1, absl::ZeroDuration(), absl::Hours(1));
  std::vector<absl::Duration> arrivals(10, absl::ZeroDuration());
  absl::Duration opened;
  absl::Duration length;
  for (int round = 0; round < 50; ++round) {
    std::sort(arrivals.begin(), arrivals.end());
    pace.RoundOpened(opened, arrivals.back());
    const absl::Duration closed = std::max(arrivals.back(), opened) + kWork;
    for (absl::Duration& arrival : arrivals) {
      arrival = std::max(arrival, opened);
      pace.LeaseGranted(arrival);
    }
    for (absl::Duration& arrival : arrivals) {
      arrival += kWork;
      pace.UpdateAccepted(kWork);
      // Who asks too early asks again; the last one closes the round and has its next lease at
      // once.
      while (arrival < closed) arrival += pace.RetryAfter(arrival);
    }
    pace.RoundClosed(closed);
    length = closed - opened;
    opened = closed;
  }
  EXPECT_LT(length, 1.2 * kWork);
}

}  // namespace
}  // namespace tern::server
