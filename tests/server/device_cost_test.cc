#include "server/device_cost.h"

#include "core/model/zoo.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tern::server {
namespace {

using ::testing::HasSubstr;

TEST(DeviceCost, CoversEveryPhase) {
  const auto cost = DeviceCost(
      {.model = *ZooModel("lenet5"), .train = {.batch_size = 10}, .codec = "quantize(8)"}, 0);
  ASSERT_TRUE(cost.ok()) << cost.status();
  const int64_t parameter_bytes = 4 * 44426;
  EXPECT_GE(cost->decode_bytes, 2 * parameter_bytes);
  EXPECT_GT(cost->train_bytes, 2 * parameter_bytes);
  EXPECT_GE(cost->encode_bytes, 2 * parameter_bytes + 2 * 44426);
  EXPECT_GT(cost->encode_bytes, cost->train_bytes) << "the trainer keeps its memory";
}

TEST(RefuseCapabilities, ADeviceOneByteTooSmall_IsRefusedWithBothNumbers) {
  const ModelSpec model = *ZooModel("lenet5");
  const Cost cost = *DeviceCost({.model = model}, 0);
  const int64_t needed = cost.peak_bytes() + 4 * 60;
  CheckInRequest request{.capabilities = {.ram_bytes = needed}, .num_examples = 60};
  EXPECT_FALSE(RefuseCapabilities(request, model, "none", cost).has_value());
  request.capabilities.ram_bytes = needed - 1;
  const auto refusal = RefuseCapabilities(request, model, "none", cost);
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->reason, RefusalReason::kDeviceTooSmall);
  EXPECT_THAT(refusal->message, HasSubstr(std::to_string(needed)));
  EXPECT_THAT(refusal->message, HasSubstr(std::to_string(needed - 1)));
}

TEST(RefuseCapabilities, WhatIsNotKnown_RefusesNobody) {
  const ModelSpec model = *ZooModel("lenet5");
  EXPECT_FALSE(RefuseCapabilities({.num_examples = 60}, model, "quantize(8)",
                                  *DeviceCost({.model = model}, 0))
                   .has_value());
}

TEST(RefuseCapabilities, AMissingStageOrLayer_IsNamed) {
  const ModelSpec model = *ZooModel("lenet5");
  const Cost cost = *DeviceCost({.model = model}, 0);
  const auto stage =
      RefuseCapabilities({.capabilities = {.codecs = {"none"}}}, model, "quantize(8)", cost);
  ASSERT_TRUE(stage.has_value());
  EXPECT_THAT(stage->message, HasSubstr("'quantize'"));
  const auto layer = RefuseCapabilities({.capabilities = {.layer_kinds = {LayerKind::kDense}}},
                                        model, "none", cost);
  ASSERT_TRUE(layer.has_value());
  EXPECT_THAT(layer->message, HasSubstr("'conv1' is of kind conv2d"));
}

}  // namespace
}  // namespace tern::server
