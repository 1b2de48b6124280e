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

TEST(ValidateTrainOptions, MomentumOutOfRange_IsInvalidArgument) {
  EXPECT_THAT(ValidateTrainOptions({.momentum = 0.999f, .nesterov = true}), IsOk());
  for (const float value : {-0.1f, 1.0f, std::nanf("")}) {
    EXPECT_THAT(ValidateTrainOptions({.momentum = value}),
                StatusIs(kInvalid, "expected 0 (without it) or more, below 1"));
  }
  EXPECT_THAT(ValidateTrainOptions({.nesterov = true}),
              StatusIs(kInvalid, "nesterov is true, expected a momentum above 0"));
}

TEST(ValidateTrainOptions, CoefficientsOutOfRange_AreInvalidArgumentByName) {
  EXPECT_THAT(ValidateTrainOptions({.learning_rate = 1e-7f,
                                    .weight_decay = 1e6f,
                                    .clip_norm = 1e6f,
                                    .clip_value = 1e6f,
                                    .proximal_mu = 1e6f}),
              IsOk());
  for (const float value :
       {-1e-3f, 1.1e6f, std::nanf(""), std::numeric_limits<float>::infinity()}) {
    EXPECT_THAT(ValidateTrainOptions({.weight_decay = value}),
                StatusIs(kInvalid, "weight_decay is "));
    EXPECT_THAT(ValidateTrainOptions({.clip_norm = value}), StatusIs(kInvalid, "clip_norm is "));
    EXPECT_THAT(ValidateTrainOptions({.clip_value = value}), StatusIs(kInvalid, "clip_value is "));
    EXPECT_THAT(ValidateTrainOptions({.proximal_mu = value}),
                StatusIs(kInvalid, "proximal_mu is "));
  }
}

TEST(ValidateTrainOptions, MethodOutOfRange_IsInvalidArgument) {
  EXPECT_THAT(ValidateTrainOptions({.momentum = 0.9f, .method = ClientMethod::kScaffold}), IsOk());
  for (const int32_t number : {-1, 4}) {
    EXPECT_THAT(ValidateTrainOptions({.method = static_cast<ClientMethod>(number)}),
                StatusIs(kInvalid, "expected 0 (sgd) to 3 (feddyn)"));
  }
}

TEST(ValidateTrainOptions, FedDynWithoutItsAlpha_IsInvalidArgument) {
  EXPECT_THAT(ValidateTrainOptions({.proximal_mu = 0.1f, .method = ClientMethod::kFedDyn}), IsOk());
  EXPECT_THAT(ValidateTrainOptions({.method = ClientMethod::kFedDyn}),
              StatusIs(kInvalid, "proximal_mu is 0, expected above 0 with method feddyn"));
}

TEST(ValidateTrainOptions, MorePersonalLayersThanAModelHas_IsInvalidArgument) {
  TrainOptions options;
  options.personal.layers.resize(1024, "fc");
  EXPECT_THAT(ValidateTrainOptions(options), IsOk());
  options.personal.layers.push_back("fc");
  EXPECT_THAT(ValidateTrainOptions(options),
              StatusIs(kInvalid, "personal.layers has 1025 names, expected at most 1024"));
}

TEST(ValidateTrainOptions, PenaltiesThatOvershoot_AreInvalidArgument) {
  EXPECT_THAT(
      ValidateTrainOptions({.learning_rate = 0.25f, .weight_decay = 1.0f, .proximal_mu = 2.9f}),
      IsOk());
  EXPECT_THAT(
      ValidateTrainOptions({.learning_rate = 0.25f, .weight_decay = 1.0f, .proximal_mu = 3.0f}),
      StatusIs(kInvalid,
               "learning_rate is 0.25, expected below 1 / (weight_decay + proximal_mu), which is "
               "0.25"));
}

}  // namespace
}  // namespace tern
