#include "core/train/plan.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/testing/status_matchers.h"

namespace tern {
namespace {

using testing::IsOk;
using testing::StatusIs;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(ValidateTrainOptions, DefaultsAndBounds_AreOk) {
  EXPECT_THAT(ValidateTrainOptions({}), IsOk());
  EXPECT_THAT(
      ValidateTrainOptions({.local_epochs = 1000, .batch_size = 4096, .learning_rate = 1000.0f}),
      IsOk());
  EXPECT_THAT(ValidateTrainOptions({.local_epochs = 1, .batch_size = 1, .learning_rate = 1e-30f}),
              IsOk());
}

TEST(ValidateTrainOptions, LocalEpochsOutOfRange_IsInvalidArgument) {
  EXPECT_THAT(ValidateTrainOptions({.local_epochs = 0}),
              StatusIs(kInvalid, "local_epochs is 0, expected 1 to 1000"));
  EXPECT_THAT(ValidateTrainOptions({.local_epochs = 1001}),
              StatusIs(kInvalid, "local_epochs is 1001"));
}

TEST(ValidateTrainOptions, BatchSizeOutOfRange_IsInvalidArgument) {
  EXPECT_THAT(ValidateTrainOptions({.batch_size = -1}),
              StatusIs(kInvalid, "batch_size is -1, expected 1 to 4096"));
  EXPECT_THAT(ValidateTrainOptions({.batch_size = 4097}), StatusIs(kInvalid, "batch_size is 4097"));
}

TEST(ValidateTrainOptions, LearningRateOutOfRangeOrNotFinite_IsInvalidArgument) {
  for (const float value :
       {0.0f, -0.1f, 1000.1f, std::nanf(""), std::numeric_limits<float>::infinity()}) {
    EXPECT_THAT(ValidateTrainOptions({.learning_rate = value}),
                StatusIs(kInvalid, "expected above 0, at most 1000"));
  }
}

}  // namespace
}  // namespace tern
