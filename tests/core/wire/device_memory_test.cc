#include "core/wire/device_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/model/zoo.h"
#include "core/wire/plan_codec.h"
#include "tests/testing/status_matchers.h"

namespace tern {
namespace {

using ::testing::Contains;
using ::testing::Field;
using testing::IsOk;
using ::testing::Not;
using testing::StatusIs;

Plan LeNet(const std::string& codec) {
  return {.model = ZooModel("lenet5").value(), .codec = codec};
}

// That it is what a session holds: tests/client/session_memory_test.cc, by way of DeviceCost.
TEST(DescribeDeviceMemory, IsThatOfTraining_AndWhatTheSessionHolds) {
  const MemoryReport training = DescribeMemory(LeNet("quantize(8)"), 5).value();
  const auto report = DescribeDeviceMemory(LeNet("quantize(8)"), 5);
  ASSERT_THAT(report, IsOk());
  const MemoryItem model = {"model as sent, then the update", 4 * 44426 + 16};
  EXPECT_THAT(report->held, Contains(model));
  EXPECT_EQ(report->peak_bytes(), training.peak_bytes() + model.bytes);
  EXPECT_EQ(report->arena_bytes, training.arena_bytes);
}

TEST(DescribeDeviceMemory, TheCodecsScratch_IsNamedIfThereIsAny) {
  const PlanCodec codec = PlanCodec::Make(LeNet("topk(0.01)")).value();
  const int64_t scratch = compression::MakeEncoder(codec.spec())->ScratchBytes(codec.Context(0));
  EXPECT_GT(scratch, 8192);
  EXPECT_THAT(DescribeDeviceMemory(LeNet("topk(0.01)"), 5)->held,
              Contains(MemoryItem{"scratch of the codec", scratch}));
  EXPECT_THAT(DescribeDeviceMemory(LeNet("none"), 5)->held,
              Not(Contains(Field(&MemoryItem::name, "scratch of the codec"))));
}

TEST(DescribeDeviceMemory, ControlVariatesAndPersonalParameters_AreNamed) {
  Plan plan = LeNet("mask|none");
  plan.train.method = ClientMethod::kScaffold;
  plan.train.personal.layers = {"conv1"};
  const auto report = DescribeDeviceMemory(plan, 5);
  ASSERT_THAT(report, IsOk());
  EXPECT_THAT(report->held, Contains(MemoryItem{"control variate", 4 * 44426}));
  EXPECT_THAT(report->held, Contains(MemoryItem{"personal parameters", 4 * 156}));
  EXPECT_THAT(DescribeDeviceMemory(LeNet("none"), 5)->held,
              Not(Contains(Field(&MemoryItem::name, "control variate"))));
}

TEST(DescribeDeviceMemory, PlanThatCannotRun_IsInvalidArgument) {
  EXPECT_THAT(DescribeDeviceMemory(LeNet("squeeze"), 5),
              StatusIs(absl::StatusCode::kInvalidArgument, "squeeze"));
  Plan plan = LeNet("none");
  plan.train.batch_size = 0;
  EXPECT_THAT(DescribeDeviceMemory(plan, 5),
              StatusIs(absl::StatusCode::kInvalidArgument, "batch_size is 0"));
}

}  // namespace
}  // namespace tern
