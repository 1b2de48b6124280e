#include "server/device_cost.h"

#include "core/model/zoo.h"
#include "core/train/plan_cost.h"
#include "core/wire/device_memory.h"
#include "core/wire/plan_bytes.h"
#include "gtest/gtest.h"

namespace tern::server {
namespace {

constexpr int64_t kParameterBytes = 4 * 44426;
constexpr int64_t kFrameHeader = 16;

Plan LeNet(const std::string& codec, bool error_feedback = false) {
  return {.model = *ZooModel("lenet5"),
          .train = {.batch_size = 10},
          .codec = codec,
          .error_feedback = error_feedback};
}

// That a session holds it to the byte: tests/client/session_memory_test.cc.
TEST(DeviceCost, ASmallUpdate_GoesWhereTheModelWas) {
  const auto cost = DeviceCost(LeNet("quantize(8)"), 600);
  ASSERT_TRUE(cost.ok()) << cost.status();
  EXPECT_EQ(cost->train_bytes,
            PlanCost(LeNet("quantize(8)"), 600)->train_bytes + kFrameHeader + kParameterBytes);
  EXPECT_EQ(cost->decode_bytes, cost->train_bytes);
  EXPECT_EQ(cost->encode_bytes, cost->train_bytes);
  EXPECT_EQ(cost->peak_bytes(), cost->encode_bytes);
}

TEST(DeviceCost, AnUpdateAsLongAsTheModel_TakesItsEnvelopeMore) {
  const int64_t none = DeviceCost(LeNet("none"), 600)->peak_bytes();
  const int64_t quantize = DeviceCost(LeNet("quantize(8)"), 600)->peak_bytes();
  EXPECT_GT(none, quantize + 50);
  EXPECT_LT(none, quantize + 200);
}

TEST(DeviceCost, TheCodecsScratch_IsOfThePhaseThatEncodes) {
  const Plan plan = LeNet("topk(0.01)");
  const auto cost = DeviceCost(plan, 600);
  ASSERT_TRUE(cost.ok()) << cost.status();
  const int64_t scratch = CodecScratchBytes(plan, *PlanCodec::Make(plan));
  EXPECT_GT(scratch, 8192);
  EXPECT_EQ(cost->encode_bytes, cost->train_bytes + scratch);
}

// It is read by blocks and written from where the update was.
TEST(DeviceCost, ErrorFeedback_TakesItsHeaderOnly) {
  EXPECT_EQ(DeviceCost(LeNet("topk(0.01)", true), 600)->peak_bytes(),
            DeviceCost(LeNet("topk(0.01)"), 600)->peak_bytes() + 64 - kFrameHeader);
}

TEST(DeviceCost, AnExample_TakesFourBytes) {
  EXPECT_EQ(DeviceCost(LeNet("none"), 600)->peak_bytes(),
            DeviceCost(LeNet("none"), 0)->peak_bytes() + 4 * 600);
}

TEST(DeviceCost, Peak_IsTheSumOfWhatItIsMadeOf) {
  for (const char* codec : {"none", "quantize(8)", "topk(0.01)"}) {
    for (const bool error_feedback : {false, true}) {
      for (const MemoryMode memory : {MemoryMode::kFast, MemoryMode::kSmall}) {
        Plan plan = LeNet(codec, error_feedback);
        plan.train.memory = memory;
        EXPECT_EQ(DescribeDeviceMemory(plan, 600)->peak_bytes(),
                  DeviceCost(plan, 600)->peak_bytes())
            << codec;
      }
    }
  }
}

}  // namespace
}  // namespace tern::server
