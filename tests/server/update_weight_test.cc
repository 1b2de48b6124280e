#include "server/update_weight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/train/trainer.h"
#include "tests/testing/status_matchers.h"

namespace tern::server {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::Not;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

UpdateReport ReportOf(int64_t num_examples) { return {.num_examples = num_examples}; }
UpdateReport ReportWith(double weight) {
  return {.num_examples = 1, .metrics = {{kWeightMetric, weight}}};
}

TEST(UpdateWeight, OfExamples_IsTheirNumberUpToTheCap) {
  EXPECT_EQ(*WeightOf({}, ReportOf(600)), 600);
  EXPECT_EQ(*WeightOf({.max_weight = 100.0}, ReportOf(600)), 100);
  EXPECT_EQ(*WeightOf({.max_weight = 100.0}, ReportOf(60)), 60);
  EXPECT_EQ(MaxWeight({}, 1000), 1000);
  EXPECT_EQ(MaxWeight({.max_weight = 100.0}, 1000), 100);
}

TEST(UpdateWeight, Uniform_IsOne) {
  EXPECT_EQ(*WeightOf({.kind = WeightKind::kUniform}, ReportOf(600)), 1);
  EXPECT_EQ(MaxWeight({.kind = WeightKind::kUniform}, 1000), 1);
}

TEST(UpdateWeight, Custom_IsRoundedToAMillionthUpToTheCap) {
  const WeightOptions options = {.kind = WeightKind::kCustom, .max_weight = 2.0};
  EXPECT_EQ(*WeightOf(options, ReportWith(0.75)), 3 << 18);
  EXPECT_EQ(*WeightOf(options, ReportWith(1e9)), 2 << 20);
  EXPECT_EQ(*WeightOf(options, ReportWith(1e-30)), 1);
  EXPECT_EQ(MaxWeight(options, 1000), 2 << 20);
}

TEST(UpdateWeight, Custom_ThatIsMissingOrNoWeight_IsRefused) {
  const WeightOptions options = {.kind = WeightKind::kCustom, .max_weight = 2.0};
  EXPECT_THAT(WeightOf(options, ReportOf(1)), StatusIs(kInvalid, "has no 'weight'"));
  for (const double weight : {0.0, -1.0, std::numeric_limits<double>::infinity(), std::nan("")}) {
    EXPECT_THAT(WeightOf(options, ReportWith(weight)), StatusIs(kInvalid, "metrics['weight']"));
  }
}

TEST(UpdateWeight, CapsThatAreNone_AreRefused) {
  EXPECT_THAT(ValidateWeightOptions({}), IsOk());
  EXPECT_THAT(ValidateWeightOptions({.max_weight = 0.5}), StatusIs(kInvalid, "max_weight is 0.5"));
  EXPECT_THAT(ValidateWeightOptions({.max_weight = -1.0}), Not(IsOk()));
  EXPECT_THAT(ValidateWeightOptions({.max_weight = std::nan("")}), Not(IsOk()));
  EXPECT_THAT(ValidateWeightOptions({.kind = WeightKind::kCustom}),
              StatusIs(kInvalid, "clients choose custom weights themselves"));
  EXPECT_THAT(ParseWeightKind("size"), StatusIs(kInvalid, "examples, uniform, custom"));
}

}  // namespace
}  // namespace tern::server
