#include "core/model/model_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "core/base/random.h"
#include "core/model/cost.h"
#include "core/model/parameter_layout.h"
#include "core/model/zoo.h"
#include "tests/testing/status_matchers.h"

namespace tern {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::ElementsAre;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

// A model that is valid: [N, 1, 6, 6] -> conv -> relu -> pool -> flatten -> dense.
ModelSpec SmallModel() {
  return {.name = "small",
          .input = {1, 6, 6},
          .layers = {{.name = "conv", .kind = LayerKind::kConv2d, .units = 2, .kernel = 3},
                     {.name = "relu", .kind = LayerKind::kRelu},
                     {.name = "pool", .kind = LayerKind::kMaxPool2d, .kernel = 2, .stride = 2},
                     {.name = "flatten", .kind = LayerKind::kFlatten},
                     {.name = "fc", .kind = LayerKind::kDense, .units = 3}}};
}

TEST(InferShapes, SmallModel_GivesTheShapeOfEveryLayer) {
  const auto shapes = InferShapes(SmallModel());
  ASSERT_THAT(shapes, IsOk());
  EXPECT_THAT(*shapes,
              ElementsAre(Shape{2, 4, 4}, Shape{2, 4, 4}, Shape{2, 2, 2}, Shape{8}, Shape{3}));
}

TEST(InferShapes, StrideAndPadding_FollowTheFormula) {
  ModelSpec spec = SmallModel();
  spec.input = {3, 11, 8};
  spec.layers[0] = {.name = "conv",
                    .kind = LayerKind::kConv2d,
                    .units = 5,
                    .kernel = 4,
                    .stride = 3,
                    .padding = 2};
  spec.layers[2] = {.name = "pool", .kind = LayerKind::kMaxPool2d, .kernel = 3, .stride = 1};
  const auto shapes = InferShapes(spec);
  ASSERT_THAT(shapes, IsOk());
  EXPECT_EQ((*shapes)[0], (Shape{5, 4, 3}));  // (11 + 4 - 4) / 3 + 1, (8 + 4 - 4) / 3 + 1
  EXPECT_EQ((*shapes)[2], (Shape{5, 2, 1}));
}

TEST(InferShapes, Scale_GivesTheShapeOfItsInput) {
  ModelSpec spec = SmallModel();
  spec.layers[1] = {.name = "scale", .kind = LayerKind::kScale, .factor = -0.5f};
  const auto shapes = InferShapes(spec);
  ASSERT_THAT(shapes, IsOk());
  EXPECT_EQ((*shapes)[1], (*shapes)[0]);
}

// As PyTorch's Conv2d: (11 + 2 * 2 - 2 * (3 - 1) - 1) / 2 + 1 rows.
TEST(InferShapes, GroupsAndDilation_FollowTheFormula) {
  ModelSpec spec = SmallModel();
  spec.input = {4, 11, 8};
  spec.layers[0] = {.name = "conv",
                    .kind = LayerKind::kConv2d,
                    .units = 6,
                    .kernel = 3,
                    .stride = 2,
                    .padding = 2,
                    .groups = 2,
                    .dilation = 2};
  const auto shapes = InferShapes(spec);
  ASSERT_THAT(shapes, IsOk());
  EXPECT_EQ((*shapes)[0], (Shape{6, 6, 4}));
  const auto layout = MakeParameterLayout(spec);
  ASSERT_THAT(layout, IsOk());
  EXPECT_THAT(layout->parameters[0].shape, ElementsAre(6, 2, 3, 3));
  EXPECT_EQ(layout->parameters[0].fan_in, 18);
}

TEST(InferShapes, AveragePoolingAndRelu6_GiveTheShapesOfTheirFormulas) {
  const ModelSpec spec = {
      .name = "averages",
      .input = {3, 9, 7},
      .layers = {{.name = "relu6", .kind = LayerKind::kRelu6},
                 {.name = "pool", .kind = LayerKind::kAvgPool2d, .kernel = 3, .stride = 2},
                 {.name = "global", .kind = LayerKind::kGlobalAvgPool2d}}};
  const auto shapes = InferShapes(spec);
  ASSERT_THAT(shapes, IsOk());
  EXPECT_THAT(*shapes, ElementsAre(Shape{3, 9, 7}, Shape{3, 4, 3}, Shape{3}));
}

TEST(InferShapes, NamedInput_ReadsThatLayer) {
  ModelSpec spec = SmallModel();
  for (size_t i = 1; i < spec.layers.size(); ++i) spec.layers[i].input = spec.layers[i - 1].name;
  EXPECT_THAT(InferShapes(spec), IsOk());
}

// Each error names the layer, what it got and what was expected.
struct BadModel {
  const char* name;
  void (*change)(ModelSpec&);
  const char* message;
};

class InferShapesErrors : public ::testing::TestWithParam<BadModel> {};

TEST_P(InferShapesErrors, IsInvalidArgumentThatNamesTheProblem) {
  ModelSpec spec = SmallModel();
  GetParam().change(spec);
  EXPECT_THAT(InferShapes(spec), StatusIs(kInvalid, GetParam().message));
  EXPECT_THAT(MakeParameterLayout(spec), StatusIs(kInvalid, GetParam().message));
  EXPECT_THAT(CountCost(spec), StatusIs(kInvalid, GetParam().message));
}

const BadModel kBadModels[] = {
    {"NoLayers", [](ModelSpec& s) { s.layers.clear(); }, "model 'small' has 0 layers"},
    {"TooManyLayers", [](ModelSpec& s) { s.layers.resize(1025); }, "has 1025 layers"},
    {"NamelessLayer", [](ModelSpec& s) { s.layers[1].name = ""; }, "layer 1 has no name"},
    {"TwoOfOneName", [](ModelSpec& s) { s.layers[1].name = "conv"; },
     "layer 'conv': a second layer of this name"},
    {"LaterInput", [](ModelSpec& s) { s.layers[1].input = "fc"; },
     "layer 'relu': its input 'fc' is not an earlier layer"},
    {"OwnInput", [](ModelSpec& s) { s.layers[1].input = "relu"; }, "is not an earlier layer"},
    {"OutputReadTwice", [](ModelSpec& s) { s.layers[2].input = "conv"; },
     "layer 'conv': its output is read by 2 layers"},
    {"DenseOfImage", [](ModelSpec& s) { s.layers.erase(s.layers.begin() + 3); },
     "layer 'fc': expected input [N, features], got [N, 2, 2, 2]; put a flatten layer before it"},
    {"ConvOfFeatures", [](ModelSpec& s) { s.input = {36}; },
     "layer 'conv': expected input [N, channels, height, width], got [N, 36]"},
    {"NoUnits", [](ModelSpec& s) { s.layers[4].units = 0; }, "layer 'fc': units is 0, expected 1"},
    {"NegativeUnits", [](ModelSpec& s) { s.layers[4].units = -3; }, "units is -3"},
    {"TooManyUnits", [](ModelSpec& s) { s.layers[4].units = kMaxDimension + 1; },
     "expected 1 to 1048576"},
    {"NoChannels", [](ModelSpec& s) { s.layers[0].units = 0; }, "layer 'conv': units is 0"},
    {"NoKernel", [](ModelSpec& s) { s.layers[0].kernel = 0; }, "layer 'conv': kernel is 0"},
    {"NoStride", [](ModelSpec& s) { s.layers[2].stride = 0; }, "layer 'pool': stride is 0"},
    {"NegativePadding", [](ModelSpec& s) { s.layers[0].padding = -1; }, "padding is -1"},
    {"HugeKernel", [](ModelSpec& s) { s.layers[0].kernel = int64_t{1} << 62; },
     "layer 'conv': kernel is 4611686018427387904"},
    {"KernelLargerThanInput", [](ModelSpec& s) { s.layers[0].kernel = 7; },
     "layer 'conv': kernel 7 is larger than input [N, 1, 6, 6] with padding 0"},
    {"PaddingNotBelowKernel", [](ModelSpec& s) { s.layers[0].padding = 3; },
     "padding 3 must be smaller than kernel 3"},
    {"PaddedPool", [](ModelSpec& s) { s.layers[2].padding = 1; }, "max_pool2d takes no padding"},
    {"DilatedPool",
     [](ModelSpec& s) {
       s.layers[2].kind = LayerKind::kAvgPool2d;
       s.layers[2].dilation = 2;
     },
     "layer 'pool': avg_pool2d takes no padding and no dilation"},
    {"GlobalPoolOfFeatures", [](ModelSpec& s) { s.layers[4].kind = LayerKind::kGlobalAvgPool2d; },
     "layer 'fc': expected input [N, channels, height, width], got [N, 8]"},
    {"NoGroups", [](ModelSpec& s) { s.layers[0].groups = 0; }, "layer 'conv': groups is 0"},
    {"GroupsThatDoNotDivideTheInput", [](ModelSpec& s) { s.layers[0].groups = 2; },
     "layer 'conv': groups is 2, expected a divisor of its 1 input channels and of its 2 units"},
    {"GroupsThatDoNotDivideTheUnits",
     [](ModelSpec& s) {
       s.input = {3, 6, 6};
       s.layers[0].groups = 3;
     },
     "layer 'conv': groups is 3, expected a divisor of its 3 input channels and of its 2 units"},
    {"NoDilation", [](ModelSpec& s) { s.layers[0].dilation = 0; }, "layer 'conv': dilation is 0"},
    {"HugeDilation", [](ModelSpec& s) { s.layers[0].dilation = kMaxDilation + 1; },
     "layer 'conv': dilation is 1025, expected 1 to 1024"},
    {"DilatedKernelLargerThanInput", [](ModelSpec& s) { s.layers[0].dilation = 3; },
     "layer 'conv': kernel 3 with dilation 3 is larger than input [N, 1, 6, 6]"},
    {"PaddingNotBelowDilatedKernel",
     [](ModelSpec& s) {
       s.layers[0].dilation = 2;
       s.layers[0].padding = 5;
     },
     "padding 5 must be smaller than kernel 3 with dilation 2"},
    {"UnknownKind", [](ModelSpec& s) { s.layers[1].kind = static_cast<LayerKind>(77); },
     "layer 'relu': unknown kind 77"},
    {"NoFactor", [](ModelSpec& s) { s.layers[1].kind = LayerKind::kScale; },
     "layer 'relu': factor is 0, expected finite and not 0"},
    {"InfiniteFactor",
     [](ModelSpec& s) {
       s.layers[1].kind = LayerKind::kScale;
       s.layers[1].factor = -std::numeric_limits<float>::infinity();
     },
     "layer 'relu': factor is -inf"},
    {"FactorNotANumber",
     [](ModelSpec& s) {
       s.layers[1].kind = LayerKind::kScale;
       s.layers[1].factor = std::nanf("");
     },
     "layer 'relu': factor is nan"},
    {"OneClass", [](ModelSpec& s) { s.layers[4].units = 1; },
     "layer 'fc': the last layer must give logits [N, classes] with at least 2 classes, got [N, "
     "1]"},
    {"EndsInAnImage", [](ModelSpec& s) { s.layers.resize(2); }, "got [N, 2, 4, 4]"},
    {"EmptyDimension",
     [](ModelSpec& s) {
       s.input = {1, 0, 6};
     },
     "model 'small': input [N, 1, 0, 6]: dimensions must be 1 to"},
    {"HugeInput",
     [](ModelSpec& s) {
       s.input = {1 << 20, 1 << 20, 1 << 20};
     },
     "product at most"},
    {"HugeOutput",
     [](ModelSpec& s) {
       s.input = {1, 1 << 15, 1 << 15};
       s.layers[0].units = 8;
     },
     "layer 'conv': output"},
    {"NoInput", [](ModelSpec& s) { s.input = {}; }, "got [N]"},
};

INSTANTIATE_TEST_SUITE_P(Models, InferShapesErrors, ::testing::ValuesIn(kBadModels),
                         [](const auto& param_info) { return param_info.param.name; });

// Arbitrary numbers in every field: an error or a model whose sizes make sense. Sums and products
// that overflow are errors under the undefined-behaviour sanitizer.
TEST(InferShapes, ArbitraryModels_AreRefusedOrMakeSense) {
  RandomStream random({.seed = 20});
  const int64_t interesting[] = {-1,
                                 0,
                                 1,
                                 2,
                                 3,
                                 5,
                                 28,
                                 1000,
                                 1 << 15,
                                 1 << 20,
                                 (1 << 20) + 1,
                                 int64_t{1} << 32,
                                 int64_t{1} << 62};
  const auto number = [&] { return interesting[random.Below(std::size(interesting))]; };
  int accepted = 0;
  for (int i = 0; i < 20000; ++i) {
    ModelSpec spec{.name = "arbitrary"};
    const uint32_t dimensions = random.Below(5);
    for (uint32_t d = 0; d < dimensions; ++d) spec.input.push_back(number());
    const uint32_t layers = random.Below(4);
    for (uint32_t l = 0; l < layers; ++l) {
      spec.layers.push_back({.name = absl::StrCat("l", l),
                             .kind = static_cast<LayerKind>(random.Below(11)),
                             .parameters = random.Below(4) == 0 ? "shared" : "",
                             .units = number(),
                             .kernel = number(),
                             .stride = number(),
                             .padding = random.Below(2) == 0 ? 0 : number(),
                             .factor = static_cast<float>(number()),
                             .groups = random.Below(2) == 0 ? 1 : number(),
                             .dilation = random.Below(2) == 0 ? 1 : number()});
    }
    const auto layout = MakeParameterLayout(spec);
    const auto cost = CountCost(spec);
    if (!cost.ok()) continue;
    ++accepted;
    ASSERT_THAT(layout, IsOk());
    ASSERT_LE(layout->size, kMaxElements);
    ASSERT_EQ(cost->num_parameters, layout->size);
    ASSERT_GE(cost->forward_flops, 0);
    ASSERT_GE(cost->training_flops, cost->forward_flops);
    for (const Parameter& parameter : layout->parameters) ASSERT_GE(parameter.size, 1);
  }
  EXPECT_GT(accepted, 100);
}

TEST(LayerKindName, EveryKind_AndNone) {
  EXPECT_EQ(LayerKindName(LayerKind::kDense), "dense");
  EXPECT_EQ(LayerKindName(LayerKind::kConv2d), "conv2d");
  EXPECT_EQ(LayerKindName(LayerKind::kMaxPool2d), "max_pool2d");
  EXPECT_EQ(LayerKindName(LayerKind::kRelu), "relu");
  EXPECT_EQ(LayerKindName(LayerKind::kFlatten), "flatten");
  EXPECT_EQ(LayerKindName(LayerKind::kScale), "scale");
  EXPECT_EQ(LayerKindName(LayerKind::kAvgPool2d), "avg_pool2d");
  EXPECT_EQ(LayerKindName(LayerKind::kGlobalAvgPool2d), "global_avg_pool2d");
  EXPECT_EQ(LayerKindName(LayerKind::kRelu6), "relu6");
  EXPECT_EQ(LayerKindName(static_cast<LayerKind>(0)), "unknown");
}

TEST(BatchShapeString, PrintsTheBatchFirst) {
  EXPECT_EQ(BatchShapeString({1, 28, 28}), "[N, 1, 28, 28]");
  EXPECT_EQ(BatchShapeString({}), "[N]");
}

}  // namespace
}  // namespace tern
