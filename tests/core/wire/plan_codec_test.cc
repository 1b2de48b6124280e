#include "core/wire/plan_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

namespace tern {
namespace {

using ::testing::ElementsAre;
using testing::StatusIs;

// Weights [0, 4) and biases [4, 6) of fc1, [6, 10) and [10, 12) of fc2.
Plan SomePlan(const std::string& codec) {
  return {.model = {.name = "two",
                    .input = {2},
                    .layers = {{.name = "fc1", .kind = LayerKind::kDense, .units = 2},
                               {.name = "fc2", .kind = LayerKind::kDense, .units = 2}}},
          .codec = codec,
          .seed = 7,
          .round = 3};
}

TEST(PlanCodec, WithoutScopes_HasNeitherMaskNorPersonalParameters) {
  const PlanCodec codec = *PlanCodec::Make(SomePlan("none"));
  EXPECT_EQ(codec.count(), 12);
  EXPECT_EQ(codec.Context(5).mask, nullptr);
  EXPECT_EQ(codec.personal(), nullptr);
}

TEST(PlanCodec, PersonalParameters_AreNotInTheMaskOfWhatIsSent) {
  Plan plan = SomePlan("mask|none");
  plan.train.personal.layers = {"fc2"};
  const PlanCodec codec = *PlanCodec::Make(plan);
  ASSERT_NE(codec.Context(5).mask, nullptr);
  EXPECT_THAT(codec.Context(5).mask->runs, ElementsAre(CoordinateRun{0, 6}));
  ASSERT_NE(codec.personal(), nullptr);
  EXPECT_THAT(codec.personal()->runs, ElementsAre(CoordinateRun{6, 6}));
  EXPECT_EQ(codec.count(), 12);
}

TEST(PlanCodec, ACodecThatWouldSendPersonalParameters_IsInvalidArgument) {
  Plan plan = SomePlan("quantize(8)");
  plan.train.personal.biases = true;
  EXPECT_THAT(PlanCodec::Make(plan),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "codec 'quantize(8)' would send personal parameters, expected "
                       "'mask|quantize(8)'"));
  plan.codec = "mask|quantize(8)";
  EXPECT_TRUE(PlanCodec::Make(plan).ok());
  // Without any that are trained there is nothing to hide.
  plan = SomePlan("none");
  plan.train.personal.layers = {"fc1"};
  plan.train.scope.frozen_layers = {"fc1"};
  EXPECT_TRUE(PlanCodec::Make(plan).ok());
}

TEST(PlanCodec, SectionControl_HasRandomNumbersOfItsOwn) {
  const PlanCodec codec = *PlanCodec::Make(SomePlan("none"));
  const RandomKey parameters = codec.Context(5).key;
  const RandomKey control = codec.Context(5, /*is_control=*/true).key;
  EXPECT_EQ(parameters.client, 5u);
  // docs/wire-format.md
  EXPECT_EQ(control.client, 5u ^ 0x9E3779B97F4A7C15u);
  EXPECT_EQ(control.seed, parameters.seed);
  EXPECT_EQ(control.round, parameters.round);
}

TEST(PlanCodec, APersonalScopeThatIsNotOfTheModel_IsInvalidArgument) {
  Plan plan = SomePlan("mask|none");
  plan.train.personal.layers = {"fc3"};
  EXPECT_THAT(PlanCodec::Make(plan),
              StatusIs(absl::StatusCode::kInvalidArgument, "personal.layers has 'fc3'"));
}

}  // namespace
}  // namespace tern
