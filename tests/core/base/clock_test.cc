#include "core/base/clock.h"

#include <gtest/gtest.h>

namespace tern {
namespace {

TEST(SimulatedClock, Now_MovesOnlyWhenAdvanced) {
  SimulatedClock clock;
  const absl::Duration start = clock.Now();
  EXPECT_EQ(clock.Now(), start);
  clock.Advance(absl::Milliseconds(1500));
  clock.Advance(absl::Nanoseconds(1));
  EXPECT_EQ(clock.Now() - start, absl::Nanoseconds(1'500'000'001));
}

TEST(MonotonicClock, Now_NeverGoesBack) {
  const MonotonicClock clock;
  absl::Duration last = clock.Now();
  for (int i = 0; i < 1000; ++i) {
    const absl::Duration now = clock.Now();
    ASSERT_GE(now, last);
    last = now;
  }
}

}  // namespace
}  // namespace tern
