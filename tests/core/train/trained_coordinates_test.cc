#include "core/train/trained_coordinates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/train/small_plan.h"
#include "tests/testing/status_matchers.h"

namespace tern {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::StatusIs;

// fc1 has weights [0, 216) and biases [216, 228), fc2 [228, 276) and [276, 280).
class FindTrainedCoordinatesTest : public ::testing::Test {
 protected:
  TrainedCoordinates Find() const {
    const auto found = FindTrainedCoordinates(plan_, *MakeParameterLayout(plan_.model));
    EXPECT_THAT(found, IsOk());
    return found.value_or(TrainedCoordinates());
  }
  absl::Status Error() const {
    return FindTrainedCoordinates(plan_, *MakeParameterLayout(plan_.model)).status();
  }

  Plan plan_ = testing::SmallPlan();
};

TEST_F(FindTrainedCoordinatesTest, WithoutScopes_AllAreSent) {
  const TrainedCoordinates found = Find();
  EXPECT_THAT(found.sent.runs, ElementsAre(CoordinateRun{0, 280}));
  EXPECT_EQ(found.sent.size, 280);
  EXPECT_EQ(found.sent.full_size, 280);
  EXPECT_THAT(found.personal.runs, IsEmpty());
  EXPECT_EQ(found.personal.full_size, 280);
}

TEST_F(FindTrainedCoordinatesTest, APersonalLayer_IsItsWeightAndBias) {
  plan_.train.personal.layers = {"fc2"};
  const TrainedCoordinates found = Find();
  EXPECT_THAT(found.sent.runs, ElementsAre(CoordinateRun{0, 228}));
  EXPECT_THAT(found.personal.runs, ElementsAre(CoordinateRun{228, 52}));
  EXPECT_EQ(found.personal.size, 52);
}

TEST_F(FindTrainedCoordinatesTest, PersonalBiases_AreThoseOfAllLayers) {
  plan_.train.personal.biases = true;
  const TrainedCoordinates found = Find();
  EXPECT_THAT(found.sent.runs, ElementsAre(CoordinateRun{0, 216}, CoordinateRun{228, 48}));
  EXPECT_THAT(found.personal.runs, ElementsAre(CoordinateRun{216, 12}, CoordinateRun{276, 4}));
  // Runs that touch are one.
  plan_.train.personal.layers = {"fc2"};
  EXPECT_THAT(Find().personal.runs, ElementsAre(CoordinateRun{216, 64}));
}

TEST_F(FindTrainedCoordinatesTest, WhatIsNotTrained_IsNeither) {
  plan_.train.scope.channels = 0.5f;
  plan_.train.personal.layers = {"fc2"};
  EXPECT_THAT(Find().sent.runs, ElementsAre(CoordinateRun{0, 108}, CoordinateRun{216, 12}));
  EXPECT_THAT(Find().personal.runs, ElementsAre(CoordinateRun{228, 24}, CoordinateRun{276, 4}));
  plan_.train.scope = {.frozen_layers = {"fc2"}};
  EXPECT_THAT(Find().sent.runs, ElementsAre(CoordinateRun{0, 228}));
  EXPECT_EQ(Find().personal.size, 0);
}

TEST_F(FindTrainedCoordinatesTest, ParametersThatLayersShare_ArePersonalWhereOneOfThemIs) {
  plan_.model.layers = {
      {.name = "flatten", .kind = LayerKind::kFlatten},
      {.name = "fc1", .kind = LayerKind::kDense, .parameters = "shared", .units = 18},
      {.name = "fc2", .kind = LayerKind::kDense, .parameters = "shared", .units = 18},
      {.name = "fc3", .kind = LayerKind::kDense, .units = 4}};
  plan_.train.personal.layers = {"fc2"};
  EXPECT_THAT(Find().personal.runs, ElementsAre(CoordinateRun{0, 342}));
}

TEST_F(FindTrainedCoordinatesTest, APersonalScopeThatIsNotOfTheModel_IsInvalidArgument) {
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  plan_.train.personal.layers = {"fc3"};
  EXPECT_THAT(Error(), StatusIs(kInvalid, "personal.layers has 'fc3', expected a layer of model"));
  plan_.train.personal.layers = {"relu"};
  EXPECT_THAT(Error(), StatusIs(kInvalid, "personal.layers has 'relu', which has no parameters"));
  plan_.train.personal.layers = {"fc1", "fc2"};
  EXPECT_THAT(Error(), StatusIs(kInvalid, "no trained parameter left to send"));
  plan_.train.personal = {.biases = true};
  plan_.train.scope.biases_only = true;
  EXPECT_THAT(Error(), StatusIs(kInvalid, "no trained parameter left to send"));
}

}  // namespace
}  // namespace tern
