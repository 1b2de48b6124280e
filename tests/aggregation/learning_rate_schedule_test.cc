#include "aggregation/learning_rate_schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/testing/status_matchers.h"

namespace tern::aggregation {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(ScheduleFactor, Constant_IsOne) {
  for (const int64_t round : {1, 2, 100}) EXPECT_EQ(ScheduleFactor({}, round, 100), 1.0f);
}

TEST(ScheduleFactor, WarmUp_RisesToTheBeginningOfTheSchedule) {
  const LearningRateSchedule schedule = {
      .kind = "exponential", .warmup_rounds = 3, .decay = 0.5f, .floor = 0.3f};
  EXPECT_EQ(ScheduleFactor(schedule, 1, 10), 0.25f);  // below the floor
  EXPECT_EQ(ScheduleFactor(schedule, 2, 10), 0.5f);
  EXPECT_EQ(ScheduleFactor(schedule, 3, 10), 0.75f);
  EXPECT_EQ(ScheduleFactor(schedule, 4, 10), 1.0f);
  EXPECT_EQ(ScheduleFactor(schedule, 5, 10), 0.5f);
  EXPECT_EQ(ScheduleFactor(schedule, 6, 10), 0.3f);
}

TEST(ScheduleFactor, Step_FallsEveryFewRounds) {
  const LearningRateSchedule schedule = {.kind = "step", .decay = 0.5f, .every = 2};
  const float expected[] = {1.0f, 1.0f, 0.5f, 0.5f, 0.25f};
  for (int64_t round = 1; round <= 5; ++round) {
    EXPECT_EQ(ScheduleFactor(schedule, round, 5), expected[round - 1]);
  }
}

TEST(ScheduleFactor, Cosine_ComesToTheFloorAfterTheLastRound) {
  const LearningRateSchedule schedule = {.kind = "cosine", .floor = 0.125f};
  EXPECT_EQ(ScheduleFactor(schedule, 1, 100), 1.0f);
  EXPECT_FLOAT_EQ(ScheduleFactor(schedule, 51, 100), 0.5625f);
  EXPECT_GT(ScheduleFactor(schedule, 100, 100), 0.125f);
  EXPECT_EQ(ScheduleFactor(schedule, 101, 100), 0.125f);
  EXPECT_EQ(ScheduleFactor(schedule, 102, 100), 0.125f);
}

// Fewer rounds than there are to fall in: one round, a warm-up that lasts to the end.
TEST(ScheduleFactor, TooFewRounds_AreAtTheFullRate) {
  const LearningRateSchedule schedule = {.kind = "cosine", .warmup_rounds = 4};
  EXPECT_EQ(ScheduleFactor({.kind = "cosine"}, 1, 1), 1.0f);
  EXPECT_EQ(ScheduleFactor(schedule, 5, 5), 1.0f);
  EXPECT_EQ(ScheduleFactor(schedule, 4, 4), 0.8f);
}

TEST(ScheduleFactor, AnyRound_IsBetweenFloorAndOne) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  for (const char* const kind : {"constant", "exponential", "step", "inverse_sqrt", "cosine"}) {
    for (const int64_t round : {int64_t{1}, int64_t{2}, int64_t{1000}, kMost}) {
      const float factor = ScheduleFactor({.kind = kind, .every = 3, .floor = 0.01f}, round, 1000);
      EXPECT_GE(factor, 0.01f) << kind << round;
      EXPECT_LE(factor, 1.0f) << kind << round;
    }
  }
}

TEST(ValidateSchedule, KnownKinds_AreOk) {
  for (const char* const kind : {"constant", "exponential", "step", "inverse_sqrt", "cosine"}) {
    EXPECT_THAT(ValidateSchedule({.kind = kind}), IsOk());
  }
  EXPECT_THAT(ValidateSchedule({.kind = "step", .decay = 1.0f}), IsOk());
}

TEST(ValidateSchedule, FieldOutOfRange_IsNamedWithWhatWasExpected) {
  EXPECT_THAT(ValidateSchedule({.kind = "linear"}),
              StatusIs(kInvalid,
                       "kind is 'linear', expected constant, exponential, step, inverse_sqrt, "
                       "cosine"));
  EXPECT_THAT(ValidateSchedule({.warmup_rounds = -1}),
              StatusIs(kInvalid, "warmup_rounds is -1, expected 0 or more"));
  for (const float bad : {0.0f, -0.5f, 1.01f, std::nanf("")}) {
    EXPECT_THAT(ValidateSchedule({.decay = bad}), StatusIs(kInvalid, "decay is "));
  }
  EXPECT_THAT(ValidateSchedule({.every = 0}), StatusIs(kInvalid, "every is 0, expected at least"));
  for (const float bad : {-0.1f, 1.0f, std::nanf("")}) {
    EXPECT_THAT(ValidateSchedule({.floor = bad}), StatusIs(kInvalid, "floor is "));
  }
}

}  // namespace
}  // namespace tern::aggregation
