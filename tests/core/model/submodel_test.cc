#include "core/model/submodel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "core/model/cost.h"
#include "core/model/parameter_layout.h"
#include "core/model/zoo.h"
#include "tests/core/model/submodel_checks.h"
#include "tests/testing/status_matchers.h"

namespace tern {
namespace {

using ::tern::testing::ExpectComputesAsTheFullModel;
using ::tern::testing::ExpectWellFormed;
using ::tern::testing::Indices;
using ::tern::testing::IsOk;
using ::tern::testing::Make;
using ::tern::testing::StatusIs;
using ::testing::ElementsAre;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

LayerSpec Dense(const std::string& name, int64_t units, const std::string& parameters = "") {
  return {.name = name, .kind = LayerKind::kDense, .parameters = parameters, .units = units};
}
LayerSpec Relu(const std::string& name) { return {.name = name, .kind = LayerKind::kRelu}; }
LayerSpec Scale(const std::string& name, float factor) {
  return {.name = name, .kind = LayerKind::kScale, .factor = factor};
}
LayerSpec Conv2d(const std::string& name, int64_t channels, int64_t kernel) {
  return {.name = name, .kind = LayerKind::kConv2d, .units = channels, .kernel = kernel};
}

// Parameters: a {4, 2} and 4, b {3, 4} and 3.
ModelSpec TwoDense() {
  return {.name = "m", .input = {2}, .layers = {Dense("a", 4), Relu("r"), Dense("b", 3)}};
}

// Every kind of layer; conv2's channels are four features each behind the flatten.
ModelSpec SmallCnn() {
  return {.name = "cnn",
          .input = {2, 6, 6},
          .layers = {Conv2d("conv1", 6, 3),
                     Relu("r1"),
                     {.name = "pool", .kind = LayerKind::kMaxPool2d, .kernel = 2, .stride = 1},
                     Conv2d("conv2", 4, 2),
                     Scale("own", 0.5f),
                     {.name = "flatten", .kind = LayerKind::kFlatten},
                     Dense("fc1", 10),
                     Relu("r2"),
                     Dense("fc2", 3)}};
}

TEST(MakeSubmodel, HeteroFl_KeepsTheFirstChannelsAndTheirInputs) {
  const Submodel submodel = Make(TwoDense(), {.width = 0.5});
  EXPECT_EQ(submodel.name, "heterofl(0.5)");
  EXPECT_THAT(submodel.model.layers,
              ElementsAre(Dense("a", 2), Scale("a.scale", 2.0f), Relu("r"), Dense("b", 3)));
  // Rows 0 and 1 of a and their biases; columns 0 and 1 of b and all its biases.
  EXPECT_THAT(submodel.coordinates.runs,
              ElementsAre(CoordinateRun{0, 4}, CoordinateRun{8, 2}, CoordinateRun{12, 2},
                          CoordinateRun{16, 2}, CoordinateRun{20, 2}, CoordinateRun{24, 3}));
  ExpectWellFormed(submodel, TwoDense());
}

TEST(MakeSubmodel, FedRolex_RollsByOneChannelARoundAndWraps) {
  const auto first_runs = [](uint64_t round) {
    const Submodel submodel =
        Make(TwoDense(), {.rule = SubmodelRule::kFedRolex, .width = 0.5, .round = round});
    ExpectWellFormed(submodel, TwoDense());
    std::vector<int64_t> indices = Indices(submodel.coordinates);
    indices.resize(6);  // of layer a
    return indices;
  };
  EXPECT_THAT(first_runs(1), ElementsAre(0, 1, 2, 3, 8, 9));
  EXPECT_THAT(first_runs(2), ElementsAre(2, 3, 4, 5, 9, 10));
  EXPECT_THAT(first_runs(4), ElementsAre(0, 1, 6, 7, 8, 11));  // channels 3 and 0
  EXPECT_EQ(first_runs(5), first_runs(1));
  EXPECT_EQ(Make(TwoDense(), {.rule = SubmodelRule::kFedRolex, .width = 0.25, .round = 7}).name,
            "fedrolex(0.25, 7)");
}

TEST(MakeSubmodel, FedRolex_OverAsManyRoundsAsChannels_CoversEveryCoordinateEquallyOften) {
  const ModelSpec full = {.name = "m", .input = {2}, .layers = {Dense("a", 7), Dense("b", 3)}};
  std::vector<int> times(static_cast<size_t>(MakeParameterLayout(full).value().size), 0);
  for (uint64_t round = 5; round < 5 + 7; ++round) {
    const Submodel submodel =
        Make(full, {.rule = SubmodelRule::kFedRolex, .width = 0.4, .round = round});
    ExpectWellFormed(submodel, full);
    for (const int64_t i : Indices(submodel.coordinates)) ++times[static_cast<size_t>(i)];
  }
  for (size_t i = 0; i + 3 < times.size(); ++i) EXPECT_EQ(times[i], 3) << i;
  for (size_t i = times.size() - 3; i < times.size(); ++i) EXPECT_EQ(times[i], 7);  // last bias
}

TEST(MakeSubmodel, WidthOne_IsTheModelItself) {
  for (const SubmodelRule rule : {SubmodelRule::kHeteroFl, SubmodelRule::kFedRolex}) {
    for (const std::string& name : ZooModelNames()) {
      const ModelSpec full = ZooModel(name).value();
      const Submodel submodel = Make(full, {.rule = rule, .width = 1.0, .round = 3});
      EXPECT_EQ(submodel.name, "");
      EXPECT_EQ(submodel.model, full);
      EXPECT_THAT(submodel.coordinates.runs,
                  ElementsAre(CoordinateRun{0, submodel.coordinates.full_size}));
    }
  }
}

// ceil(width * units) of the hidden layers, by hand.
TEST(MakeSubmodel, ZooModels_HaveTheSizesOfTheirWidths) {
  const double widths[] = {0.5, 0.25, 0.125, 0.0625};
  const auto sizes = [&](const std::string& name) {
    const ModelSpec full = ZooModel(name).value();
    std::vector<int64_t> by_width;
    for (const double width : widths) {
      const Submodel submodel = Make(full, {.width = width});
      ExpectWellFormed(submodel, full);
      EXPECT_EQ(CountCost(submodel.model).value().num_parameters, submodel.coordinates.size);
      by_width.push_back(submodel.coordinates.size);
    }
    return by_width;
  };
  const auto mlp = [](int64_t h) { return 785 * h + (h + 1) * h + (h + 1) * 10; };
  EXPECT_THAT(sizes("mlp_200_200"), ElementsAre(mlp(100), mlp(50), mlp(25), mlp(13)));
  const auto lenet = [](int64_t c1, int64_t c2, int64_t f1, int64_t f2) {
    return 26 * c1 + (25 * c1 + 1) * c2 + (16 * c2 + 1) * f1 + (f1 + 1) * f2 + (f2 + 1) * 10;
  };
  EXPECT_THAT(sizes("lenet5"), ElementsAre(lenet(3, 8, 60, 42), lenet(2, 4, 30, 21),
                                           lenet(1, 2, 15, 11), lenet(1, 1, 8, 6)));
  const auto cnn = [](int64_t c1, int64_t c2, int64_t f) {
    return 26 * c1 + (25 * c1 + 1) * c2 + (49 * c2 + 1) * f + (f + 1) * 10;
  };
  EXPECT_THAT(sizes("mcmahan_cnn"),
              ElementsAre(cnn(16, 32, 256), cnn(8, 16, 128), cnn(4, 8, 64), cnn(2, 4, 32)));
  const auto tiny = [](int64_t c1, int64_t c2) {
    return 10 * c1 + (9 * c1 + 1) * c2 + (49 * c2 + 1) * 10;
  };
  EXPECT_THAT(sizes("tiny_cnn"), ElementsAre(tiny(4, 8), tiny(2, 4), tiny(1, 2), tiny(1, 1)));
}

TEST(MakeSubmodel, Submodel_ComputesAsTheFullModelWithTheOtherChannelsAtZero) {
  std::vector<ModelSpec> models = {TwoDense(), SmallCnn()};
  for (const std::string& name : ZooModelNames()) models.push_back(ZooModel(name).value());
  for (const ModelSpec& full : models) {
    for (const double width : {0.75, 0.5, 0.3, 0.125, 0.01}) {
      ExpectComputesAsTheFullModel(full, {.width = width});
      for (const uint64_t round : {1, 4, 200}) {
        ExpectComputesAsTheFullModel(
            full, {.rule = SubmodelRule::kFedRolex, .width = width, .round = round});
      }
    }
  }
}

TEST(MakeSubmodel, ShareOfChannels_IsNotRoundedUpByFloatingPoint) {
  const ModelSpec full = {.name = "m", .input = {2}, .layers = {Dense("a", 100), Dense("b", 3)}};
  ASSERT_GT(0.07 * 100, 7.0);
  EXPECT_EQ(Make(full, {.width = 0.07}).model.layers[0].units, 7);
  EXPECT_EQ(Make(full, {.width = 0.0701}).model.layers[0].units, 8);
  EXPECT_EQ(Make(full, {.width = 1e-300}).model.layers[0].units, 1);
}

TEST(MakeSubmodel, LayerThatKeepsAllItsChannels_HasNoScale) {
  const ModelSpec full = {
      .name = "m", .input = {2}, .layers = {Dense("one", 1), Dense("a", 4), Dense("b", 3)}};
  EXPECT_THAT(Make(full, {.width = 0.5}).model.layers,
              ElementsAre(Dense("one", 1), Dense("a", 2), Scale("a.scale", 2.0f), Dense("b", 3)));
}

TEST(MakeSubmodel, WithoutScale_HasTheLayersOfTheFullModel) {
  const ModelSpec full = *ZooModel("lenet5");
  const auto submodel = MakeSubmodel(full, {.width = 0.5, .scale = false});
  ASSERT_THAT(submodel, IsOk());
  EXPECT_EQ(submodel->model.layers.size(), full.layers.size());
  EXPECT_EQ(submodel->coordinates.runs, MakeSubmodel(full, {.width = 0.5})->coordinates.runs);
}

TEST(MakeSubmodel, LayersAfterTheLastWithParameters_StayAsTheyAre) {
  ModelSpec full = TwoDense();
  full.layers.push_back(Relu("last"));
  const Submodel submodel = Make(full, {.width = 0.5});
  EXPECT_EQ(submodel.model.layers.size(), 5u);
  EXPECT_EQ(submodel.model.layers[3], Dense("b", 3));
  ExpectWellFormed(submodel, full);
}

TEST(MakeSubmodel, NamedInputs_ReadTheScaleLayer) {
  ModelSpec full = TwoDense();
  full.layers[1].input = "a";
  full.layers[2].input = "r";
  const Submodel submodel = Make(full, {.width = 0.5});
  EXPECT_EQ(submodel.model.layers[2].input, "a.scale");
  EXPECT_EQ(submodel.model.layers[3].input, "r");
  EXPECT_EQ(submodel.coordinates.runs, Make(TwoDense(), {.width = 0.5}).coordinates.runs);
}

TEST(MakeSubmodel, NameOfTheScaleLayerTaken_IsInvalidArgument) {
  ModelSpec full = TwoDense();
  full.layers[1].name = "a.scale";
  EXPECT_THAT(MakeSubmodel(full, {.width = 0.5}),
              StatusIs(kInvalid, "layer 'a.scale': a submodel's scale layer behind layer 'a'"));
  EXPECT_THAT(MakeSubmodel(full, {.width = 1.0}), IsOk());
}

TEST(MakeSubmodel, SharedParametersThatKeepTheSameChannels_AreKeptOnce) {
  const ModelSpec full = {.name = "m",
                          .input = {2},
                          .layers = {Dense("in", 8), Dense("a", 8, "both"), Relu("r"),
                                     Dense("b", 8, "both"), Dense("out", 3)}};
  for (const uint64_t round : {1, 6}) {
    const SubmodelOptions options = {.rule = SubmodelRule::kFedRolex, .width = 0.5, .round = round};
    EXPECT_EQ(Make(full, options).coordinates.size, (2 + 1) * 4 + (4 + 1) * 4 + (4 + 1) * 3);
    ExpectComputesAsTheFullModel(full, options);
  }
}

TEST(MakeSubmodel, SharedParametersThatKeepDifferentChannels_AreInvalidArgument) {
  // The first user reads all inputs of the model, the second the kept channels only.
  const ModelSpec inputs_differ = {
      .name = "m", .input = {4}, .layers = {Dense("a", 4), Dense("b", 4, "a"), Dense("c", 3)}};
  EXPECT_THAT(
      MakeSubmodel(inputs_differ, {.width = 0.5}),
      StatusIs(kInvalid, "layers 'a' and 'b' share parameters but would keep different channels"));
  EXPECT_THAT(MakeSubmodel(inputs_differ, {.width = 1.0}), IsOk());
  // The last layer keeps all its outputs.
  const ModelSpec outputs_differ = {
      .name = "m", .input = {2}, .layers = {Dense("in", 4), Dense("a", 4), Dense("b", 4, "a")}};
  EXPECT_THAT(MakeSubmodel(outputs_differ, {.width = 0.5}),
              StatusIs(kInvalid, "layers 'a' and 'b' share parameters"));
}

TEST(MakeSubmodel, OptionsOutOfRange_AreInvalidArgument) {
  for (const double width : {0.0, -0.5, 1.0001, std::nan(""), HUGE_VAL}) {
    EXPECT_THAT(MakeSubmodel(TwoDense(), {.width = width}),
                StatusIs(kInvalid, "expected above 0 and at most 1"))
        << width;
  }
  EXPECT_THAT(MakeSubmodel(TwoDense(), {.width = 0.5, .round = 0}),
              StatusIs(kInvalid, "round of a submodel is 0"));
  const Submodel late = Make(TwoDense(), {.rule = SubmodelRule::kFedRolex,
                                          .width = 0.5,
                                          .round = std::numeric_limits<uint64_t>::max()});
  ExpectWellFormed(late, TwoDense());
}

TEST(MakeSubmodel, SpecThatIsNoModel_IsInvalidArgument) {
  ModelSpec broken = TwoDense();
  broken.layers[0].units = -1;
  EXPECT_THAT(MakeSubmodel(broken, {.width = 0.5}), StatusIs(kInvalid, "layer 'a': units is -1"));
  // A model by itself, too long with its scale layers.
  ModelSpec deep = {.name = "deep", .input = {2}};
  for (int i = 0; i < 600; ++i) deep.layers.push_back(Dense(absl::StrCat("fc", i), 2));
  EXPECT_THAT(MakeSubmodel(deep, {.width = 0.5}),
              StatusIs(kInvalid, "model 'deep' has 1199 layers, expected 1 to 1024"));
}

TEST(MakeSubmodel, ModelWithoutParameters_HasNoCoordinates) {
  const ModelSpec bare = {.name = "bare", .input = {4}, .layers = {Relu("r")}};
  const Submodel submodel = Make(bare, {.width = 0.5});
  EXPECT_EQ(submodel.model, bare);
  EXPECT_EQ(submodel.coordinates.size, 0);
}

TEST(CoordinateSet, Pack_CopiesTheRunsInOrder) {
  const CoordinateSet set = {.runs = {{1, 2}, {5, 1}}, .size = 3, .full_size = 7};
  std::vector<float> full(7);
  std::iota(full.begin(), full.end(), 0.0f);
  std::vector<float> packed(3);
  set.Pack(full, absl::MakeSpan(packed));
  EXPECT_THAT(packed, ElementsAre(1.0f, 2.0f, 5.0f));
}

TEST(CoordinateSetDeathTest, PackOfOtherLengths_IsABugOfTheCaller) {
  const CoordinateSet set = {.runs = {{1, 2}}, .size = 2, .full_size = 7};
  std::vector<float> full(7);
  std::vector<float> packed(2);
  EXPECT_DEATH(set.Pack(absl::MakeSpan(full).subspan(1), absl::MakeSpan(packed)), "check failed");
  EXPECT_DEATH(set.Pack(full, absl::MakeSpan(full)), "check failed");
}

TEST(SubmodelRule, NameOfEveryRule_ParsesBack) {
  for (const SubmodelRule rule : {SubmodelRule::kHeteroFl, SubmodelRule::kFedRolex}) {
    EXPECT_EQ(ParseSubmodelRule(SubmodelRuleName(rule)).value(), rule);
  }
  EXPECT_THAT(ParseSubmodelRule("fjord"),
              StatusIs(kInvalid, "no submodel rule 'fjord'; there are heterofl, fedrolex"));
}

}  // namespace
}  // namespace tern
