#include "core/engine/trained_parameters.h"

#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

namespace tern {
namespace {

using testing::StatusIs;

// Weights of 3 x 4, 5 x 3 and 2 x 5, each with its bias: 12 + 3, 15 + 5, 10 + 2.
ModelSpec ThreeLayers() {
  return {.name = "three",
          .input = {4},
          .layers = {{.name = "a", .kind = LayerKind::kDense, .units = 3},
                     {.name = "relu", .kind = LayerKind::kRelu},
                     {.name = "b", .kind = LayerKind::kDense, .units = 5},
                     {.name = "c", .kind = LayerKind::kDense, .units = 2}}};
}

absl::StatusOr<TrainedParameters> Find(const UpdateScope& scope) {
  const ModelSpec spec = ThreeLayers();
  return FindTrainedParameters(spec, MakeParameterLayout(spec).value(), scope);
}

// {begin, size, offset} of each range.
std::vector<std::vector<int64_t>> Ranges(const UpdateScope& scope) {
  std::vector<std::vector<int64_t>> ranges;
  const TrainedParameters trained = Find(scope).value();
  for (const TrainedRange& range : trained.ranges) {
    ranges.push_back({range.begin, range.size, range.offset});
  }
  return ranges;
}

using Expected = std::vector<std::vector<int64_t>>;

TEST(FindTrainedParameters, Everything_IsOneRange) {
  EXPECT_EQ(Ranges({}), (Expected{{0, 47, 0}}));
}

TEST(FindTrainedParameters, FrozenLayer_LeavesAGap) {
  EXPECT_EQ(Ranges({.frozen_layers = {"b"}}), (Expected{{0, 15, 0}, {35, 12, 15}}));
}

TEST(FindTrainedParameters, LastLayers_AreCountedAmongThoseWithParameters) {
  EXPECT_EQ(Ranges({.last_layers = 2}), (Expected{{15, 32, 0}}));
  EXPECT_EQ(Ranges({.last_layers = 9}), (Expected{{0, 47, 0}}));
}

TEST(FindTrainedParameters, BiasesOnly_HasNoWeights) {
  EXPECT_EQ(Ranges({.biases_only = true}), (Expected{{12, 3, 0}, {30, 5, 3}, {45, 2, 8}}));
}

// Half of 3, 5 and 2 channels is 2, 3 and 1; each bias goes on without a gap to the next weight.
TEST(FindTrainedParameters, Channels_AreTheFirstOnesRoundedUp) {
  EXPECT_EQ(Ranges({.channels = 0.5f}),
            (Expected{{0, 8, 0}, {12, 3 + 9, 8}, {30, 5 + 5, 20}, {45, 2, 30}}));
}

// 0.1 has no exact float.
TEST(FindTrainedParameters, ChannelsInTenths_AreThatManyOfTen) {
  const ModelSpec spec = {.name = "ten",
                          .input = {1},
                          .layers = {{.name = "fc", .kind = LayerKind::kDense, .units = 10}}};
  const ParameterLayout layout = MakeParameterLayout(spec).value();
  for (const int tenths : {1, 2, 3, 6, 7, 9, 10}) {
    const UpdateScope scope = {.channels = static_cast<float>(tenths / 10.0)};
    EXPECT_EQ(FindTrainedParameters(spec, layout, scope)->of_parameter[0].size, tenths);
  }
}

TEST(FindTrainedParameters, ConditionsHoldTogether) {
  EXPECT_EQ(Ranges({.frozen_layers = {"c"}, .last_layers = 2, .biases_only = true}),
            (Expected{{30, 5, 0}}));
}

TEST(FindTrainedParameters, SharedWeight_IsFrozenWhereOneOfItsLayersIs) {
  ModelSpec spec = ThreeLayers();
  spec.layers[2].units = 3;
  spec.input = {3};
  spec.layers[2].parameters = "a";
  const ParameterLayout layout = MakeParameterLayout(spec).value();
  EXPECT_EQ(FindTrainedParameters(spec, layout, {.frozen_layers = {"b"}})->size, 2 * 3 + 2);
  EXPECT_EQ(FindTrainedParameters(spec, layout, {.last_layers = 2})->size, 2 * 3 + 2);
}

TEST(FindTrainedParameters, BadScopes_AreInvalidArgument) {
  using absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(
      Find({.frozen_layers = {"d"}}),
      StatusIs(kInvalidArgument, "frozen_layers has 'd', expected a layer of model 'three'"));
  EXPECT_THAT(Find({.frozen_layers = {"relu"}}),
              StatusIs(kInvalidArgument, "frozen_layers has 'relu', which has no parameters"));
  EXPECT_THAT(Find({.last_layers = -1}), StatusIs(kInvalidArgument, "last_layers is -1"));
  for (const float channels : {0.0f, -0.5f, 1.5f}) {
    EXPECT_THAT(Find({.channels = channels}), StatusIs(kInvalidArgument, "channels is"));
  }
  EXPECT_THAT(Find({.frozen_layers = std::vector<std::string>(1025, "a")}),
              StatusIs(kInvalidArgument, "frozen_layers has 1025 names"));
  EXPECT_THAT(Find({.frozen_layers = {"a", "b", "c"}}),
              StatusIs(kInvalidArgument, "model 'three' has no layer left to train"));
}

}  // namespace
}  // namespace tern
