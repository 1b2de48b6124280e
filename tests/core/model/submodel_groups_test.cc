// Submodels of models whose convolutions have groups.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/model/submodel.h"
#include "tests/core/model/submodel_checks.h"
#include "tests/testing/status_matchers.h"

namespace tern {
namespace {

using ::tern::testing::ExpectComputesAsTheFullModel;
using ::tern::testing::Make;
using ::tern::testing::StatusIs;
using ::testing::ElementsAre;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

const LayerSpec kHead = {.name = "fc", .kind = LayerKind::kDense, .units = 3};

LayerSpec Conv2d(const std::string& name, int64_t units, int64_t groups = 1) {
  return {.name = name, .kind = LayerKind::kConv2d, .units = units, .kernel = 3, .groups = groups};
}

// conv {4, 1, 3, 3}, grouped {8, 4 / groups, 3, 3}, fc {3, 8}.
ModelSpec GroupedCnn(int64_t groups) {
  return {.name = "grouped",
          .input = {1, 6, 6},
          .layers = {Conv2d("conv", 4),
                     Conv2d("grouped", 8, groups),
                     {.name = "pool", .kind = LayerKind::kGlobalAvgPool2d},
                     kHead}};
}

TEST(MakeSubmodelWithGroups, Depthwise_KeepsTheChannelsOfItsInputAndNeedsNoScale) {
  const Submodel half = Make(GroupedCnn(4), {.width = 0.5});
  EXPECT_THAT(
      half.model.layers,
      ElementsAre(Conv2d("conv", 2),
                  LayerSpec{.name = "conv.scale", .kind = LayerKind::kScale, .factor = 2.0f},
                  Conv2d("grouped", 4, 2), GroupedCnn(4).layers[2], kHead));
  for (const double width : {0.75, 0.5, 0.25}) {
    ExpectComputesAsTheFullModel(GroupedCnn(4), {.width = width});
    for (const uint64_t round : {1, 4}) {
      ExpectComputesAsTheFullModel(
          GroupedCnn(4), {.rule = SubmodelRule::kFedRolex, .width = width, .round = round});
    }
  }
}

TEST(MakeSubmodelWithGroups, Groups_AreKeptWhole) {
  const Submodel half = Make(GroupedCnn(2), {.width = 0.5});
  EXPECT_EQ(half.model.layers[2], Conv2d("grouped", 4, 1));
  ExpectComputesAsTheFullModel(GroupedCnn(2), {.width = 0.5});
  ExpectComputesAsTheFullModel(GroupedCnn(2),
                               {.rule = SubmodelRule::kFedRolex, .width = 0.5, .round = 3});
}

TEST(MakeSubmodelWithGroups, ChannelsThatCutGroupsApart_AreInvalidArgument) {
  EXPECT_THAT(MakeSubmodel(GroupedCnn(2), {.width = 0.75}),
              StatusIs(kInvalid,
                       "layer 'grouped': a submodel would keep channels 0 to 2 of its "
                       "input, which cuts its groups of 2 apart"));
  EXPECT_THAT(
      MakeSubmodel(GroupedCnn(2), {.rule = SubmodelRule::kFedRolex, .width = 0.5, .round = 2}),
      StatusIs(kInvalid, "layer 'grouped': a submodel would keep channels 1 to 2"));
}

TEST(MakeSubmodelWithGroups, LastLayerWithGroupsThatWouldLoseSome_IsInvalidArgument) {
  ModelSpec full = GroupedCnn(4);
  full.layers.pop_back();
  EXPECT_THAT(MakeSubmodel(full, {.width = 0.5}),
              StatusIs(kInvalid, "layer 'grouped': the last layer with parameters keeps all"));
  full.layers.erase(full.layers.begin());
  full.input = {4, 6, 6};
  EXPECT_EQ(Make(full, {.width = 0.5}).model, full);
}

}  // namespace
}  // namespace tern
