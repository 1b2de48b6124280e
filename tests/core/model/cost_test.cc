#include "core/model/cost.h"

#include <gtest/gtest.h>

#include "core/model/zoo.h"
#include "tests/testing/status_matchers.h"

namespace tern {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;

// [N, 2, 4, 4] -> conv 3 x (2 3 3) -> [N, 3, 2, 2] -> scale -> relu -> pool 2 -> [N, 3] -> dense 5.
TEST(CountCost, EveryLayerKind_IsCountedByHand) {
  const ModelSpec spec = {
      .name = "counted",
      .input = {2, 4, 4},
      .layers = {{.name = "conv", .kind = LayerKind::kConv2d, .units = 3, .kernel = 3},
                 {.name = "scale", .kind = LayerKind::kScale, .factor = 2.0f},
                 {.name = "relu", .kind = LayerKind::kRelu},
                 {.name = "pool", .kind = LayerKind::kMaxPool2d, .kernel = 2, .stride = 2},
                 {.name = "flatten", .kind = LayerKind::kFlatten},
                 {.name = "fc", .kind = LayerKind::kDense, .units = 5}}};
  const auto cost = CountCost(spec);
  ASSERT_THAT(cost, IsOk());
  EXPECT_EQ(cost->num_parameters, 3 * 18 + 3 + 5 * 3 + 5);
  const int64_t conv = 2 * 12 * 18;
  const int64_t fc = 2 * 5 * 3;
  EXPECT_EQ(cost->forward_flops, (conv + 12) + 12 + 12 + 3 * 4 + (fc + 5));
  // No gradient with respect to the model's input; pooling, scale and ReLU pass one value an output
  // back.
  EXPECT_EQ(cost->training_flops,
            (2 * conv + 2 * 12) + 2 * (12 + 12) + (12 + 3) + (3 * fc + 2 * 5));
}

// [N, 2, 4, 4] -> depthwise 4 x (1 3 3) -> [N, 4, 4, 4] -> relu6 -> average 2 -> [N, 4, 2, 2] ->
// conv 2 x (2 1 1) in 2 groups -> [N, 2, 2, 2] -> global average -> [N, 2].
TEST(CountCost, GroupsAndAverages_AreCountedByHand) {
  const ModelSpec spec = {
      .name = "counted",
      .input = {2, 4, 4},
      .layers = {
          {.name = "depthwise",
           .kind = LayerKind::kConv2d,
           .units = 4,
           .kernel = 3,
           .padding = 1,
           .groups = 2},
          {.name = "relu", .kind = LayerKind::kRelu6},
          {.name = "pool", .kind = LayerKind::kAvgPool2d, .kernel = 2, .stride = 2},
          {.name = "grouped", .kind = LayerKind::kConv2d, .units = 2, .kernel = 1, .groups = 2},
          {.name = "global", .kind = LayerKind::kGlobalAvgPool2d}}};
  const auto cost = CountCost(spec);
  ASSERT_THAT(cost, IsOk());
  EXPECT_EQ(cost->num_parameters, 4 * 9 + 4 + 2 * 2 + 2);
  const int64_t depthwise = 2 * 64 * 9;
  const int64_t grouped = 2 * 8 * 2;
  EXPECT_EQ(cost->forward_flops, (depthwise + 64) + 2 * 64 + 16 * 4 + (grouped + 8) + 2 * 4);
  EXPECT_EQ(cost->training_flops,
            (2 * depthwise + 2 * 64) + 3 * 64 + 2 * 16 * 4 + (3 * grouped + 2 * 8) + (2 * 4 + 2));
}

TEST(CountCost, SharedParameters_AreCountedOnceAndComputedTwice) {
  const ModelSpec spec = {
      .name = "shared",
      .input = {4},
      .layers = {{.name = "a", .kind = LayerKind::kDense, .units = 4},
                 {.name = "b", .kind = LayerKind::kDense, .parameters = "a", .units = 4}}};
  const auto cost = CountCost(spec);
  ASSERT_THAT(cost, IsOk());
  EXPECT_EQ(cost->num_parameters, 20);
  EXPECT_EQ(cost->forward_flops, 2 * (2 * 16 + 4));
}

// A kernel as large as its padded input at every position of a large output: 2^61 operations.
TEST(CountCost, OperationsThatCouldOverflow_AreInvalidArgument) {
  constexpr int64_t kSide = int64_t{1} << 15;
  const ModelSpec spec = {
      .name = "slow",
      .input = {1, kSide, kSide},
      .layers = {{.name = "conv",
                  .kind = LayerKind::kConv2d,
                  .units = 1,
                  .kernel = kSide,
                  .padding = kSide - 1},
                 {.name = "pool", .kind = LayerKind::kMaxPool2d, .kernel = kSide, .stride = kSide},
                 {.name = "flatten", .kind = LayerKind::kFlatten},
                 {.name = "fc", .kind = LayerKind::kDense, .units = 2}}};
  EXPECT_THAT(CountCost(spec), StatusIs(absl::StatusCode::kInvalidArgument, "layer 'conv': "));
}

TEST(Cost, PeakBytes_IsTheLargestPhase) {
  EXPECT_EQ((Cost{.train_bytes = 1, .encode_bytes = 5, .decode_bytes = 3}).peak_bytes(), 5);
  EXPECT_EQ((Cost{.train_bytes = 9, .encode_bytes = 5, .decode_bytes = 3}).peak_bytes(), 9);
}

}  // namespace
}  // namespace tern
