#include "core/model/parameter_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "absl/strings/escaping.h"
#include "core/crypto/sha256.h"
#include "core/model/zoo.h"
#include "tests/testing/status_matchers.h"

namespace tern {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::ElementsAre;

ParameterLayout LayoutOf(absl::string_view zoo_model) {
  return MakeParameterLayout(ZooModel(zoo_model).value()).value();
}

TEST(MakeParameterLayout, LeNet5_ListsParametersInOrderWithoutGaps) {
  const ParameterLayout layout = LayoutOf("lenet5");
  std::vector<std::string> names;
  int64_t offset = 0;
  for (const Parameter& parameter : layout.parameters) {
    names.push_back(parameter.name);
    EXPECT_EQ(parameter.offset, offset) << parameter.name;
    EXPECT_EQ(parameter.size, NumElements(parameter.shape)) << parameter.name;
    offset += parameter.size;
  }
  EXPECT_EQ(layout.size, offset);
  EXPECT_EQ(layout.size, 44426);
  EXPECT_THAT(names,
              ElementsAre("conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias", "fc1.weight",
                          "fc1.bias", "fc2.weight", "fc2.bias", "fc3.weight", "fc3.bias"));
  EXPECT_THAT(layout.weight_of_layer, ElementsAre(0, -1, -1, 2, -1, -1, -1, 4, -1, 6, -1, 8));
  const Parameter& conv2 = layout.parameters[2];
  EXPECT_THAT(conv2.shape, ElementsAre(16, 6, 5, 5));
  EXPECT_EQ(conv2.role, ParameterRole::kWeight);
  EXPECT_EQ(conv2.fan_in, 150);
  const Parameter& bias = layout.parameters[3];
  EXPECT_THAT(bias.shape, ElementsAre(16));
  EXPECT_EQ(bias.role, ParameterRole::kBias);
  EXPECT_EQ(bias.fan_in, 150);
}

TEST(CoordinateName, NamesParameterAndElement) {
  const ParameterLayout layout = LayoutOf("lenet5");
  EXPECT_EQ(layout.CoordinateName(0), "conv1.weight[0]");
  EXPECT_EQ(layout.CoordinateName(150), "conv1.bias[0]");
  EXPECT_EQ(layout.CoordinateName(44425), "fc3.bias[9]");
  EXPECT_EQ(layout.CoordinateName(44426), "coordinate 44426 (outside the model)");
  EXPECT_EQ(layout.CoordinateName(-1), "coordinate -1 (outside the model)");
}

ModelSpec SharedModel(int64_t second_units) {
  return {.name = "shared",
          .input = {4},
          .layers = {
              {.name = "a", .kind = LayerKind::kDense, .units = 4},
              {.name = "b", .kind = LayerKind::kDense, .parameters = "a", .units = second_units}}};
}

TEST(MakeParameterLayout, SharedParameters_AreHeldOnce) {
  const auto layout = MakeParameterLayout(SharedModel(4));
  ASSERT_THAT(layout, IsOk());
  EXPECT_EQ(layout->size, 4 * 4 + 4);
  EXPECT_THAT(layout->weight_of_layer, ElementsAre(0, 0));
}

TEST(MakeParameterLayout, SharedParametersOfOtherShape_IsInvalidArgument) {
  EXPECT_THAT(MakeParameterLayout(SharedModel(5)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "layer 'b': shares parameters 'a' of shape [4, 4] but needs [5, 4]"));
}

// Every dimension is allowed, but their product is 2^80 (and 0 modulo 2^64).
TEST(MakeParameterLayout, WeightThatOverflows64Bits_IsInvalidArgument) {
  constexpr int64_t kLarge = kMaxDimension;
  const ModelSpec spec = {.name = "overflow",
                          .input = {kLarge, 1, 1},
                          .layers = {{.name = "conv",
                                      .kind = LayerKind::kConv2d,
                                      .units = kLarge,
                                      .kernel = kLarge,
                                      .stride = kLarge,
                                      .padding = kLarge - 1},
                                     {.name = "flatten", .kind = LayerKind::kFlatten}}};
  ASSERT_THAT(InferShapes(spec), IsOk());
  EXPECT_THAT(MakeParameterLayout(spec),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "parameter 'conv.weight' of shape [1048576, 1048576, 1048576, 1048576]: "
                       "the model has more than 2147483648 parameters"));
}

// The hash was computed by an independent program from the definitions in random.h and
// parameter_layout.h.
TEST(InitialParameters, Golden_LeNet5) {
  const std::vector<float> parameters = InitialParameters(LayoutOf("lenet5"), 1);
  EXPECT_EQ(absl::BytesToHexString(ModelHash(parameters)),
            "e3d69bd4d7475b1431f167304d540003783bd985113918385be160da12794724");
}

TEST(InitialParameters, SeedAlone_DecidesThem) {
  const ParameterLayout layout = LayoutOf("tiny_cnn");
  EXPECT_EQ(InitialParameters(layout, 5), InitialParameters(layout, 5));
  EXPECT_NE(InitialParameters(layout, 5), InitialParameters(layout, 6));
}

// Bounds hold always; mean and variance of each parameter of at least 1000 values within 6 standard
// deviations of their estimators: a uniform source fails with probability below 1e-7.
TEST(InitialParameters, AreUniformWithinOneOverRootFanIn) {
  const ParameterLayout layout = LayoutOf("mlp_200_200");
  const std::vector<float> values = InitialParameters(layout, 2);
  ASSERT_EQ(static_cast<int64_t>(values.size()), layout.size);
  for (const Parameter& parameter : layout.parameters) {
    const double bound = 1.0 / std::sqrt(static_cast<double>(parameter.fan_in));
    double sum = 0.0;
    double sum_of_squares = 0.0;
    for (int64_t i = 0; i < parameter.size; ++i) {
      const double scaled = values[static_cast<size_t>(parameter.offset + i)] / bound;
      ASSERT_LE(std::abs(scaled), 1.0 + 1e-6) << parameter.name;
      sum += scaled;
      sum_of_squares += scaled * scaled;
    }
    if (parameter.size < 1000) continue;
    const auto n = static_cast<double>(parameter.size);
    EXPECT_NEAR(sum / n, 0.0, 6 * std::sqrt(1.0 / 3 / n)) << parameter.name;
    EXPECT_NEAR(sum_of_squares / n, 1.0 / 3, 6 * std::sqrt(4.0 / 45 / n)) << parameter.name;
  }
}

}  // namespace
}  // namespace tern
