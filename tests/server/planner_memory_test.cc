// How a plan is made to fit in a device's memory.
#include <string>

#include "absl/strings/str_cat.h"
#include "core/model/zoo.h"
#include "core/train/memory_report.h"
#include "core/wire/device_memory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/planner.h"
#include "tests/server/planner_tools.h"

namespace tern::server {
namespace {

using ::testing::HasSubstr;

TEST(Planner, MemoryOneByteTooSmall_HalvesTheBatchThenTakesTheNextCodecThenTheNextWidth) {
  Task task = AdaptedTask();
  task.adapt.codecs = {"none"};
  const int64_t full = PlanFor(task, DeviceWith({})).estimate.peak_bytes;
  EXPECT_EQ(PlanFor(task, DeviceWith({.ram_bytes = full})).train.batch_size, 8);
  const PlanChoice halved = PlanFor(task, DeviceWith({.ram_bytes = full - 1}));
  EXPECT_EQ(halved.width, 1.0);
  EXPECT_EQ(halved.train.batch_size, 4);
  // Plain floats take more memory than 8 bits do, whatever the batch: the width is next.
  const int64_t quartered = PlanFor(
                                [&] {
                                  Task one = task;
                                  one.train.batch_size = 2;
                                  one.adapt.codecs.clear();
                                  return one;
                                }(),
                                DeviceWith({}))
                                .estimate.peak_bytes;
  const PlanChoice narrow = PlanFor(task, DeviceWith({.ram_bytes = quartered - 1}));
  EXPECT_EQ(narrow.width_index, 1u);
  EXPECT_EQ(narrow.train.batch_size, 8);
}

TEST(Planner, NoPlanFitsInMemory_IsTooSmall_WithTheSmallestPlan) {
  Task task = AdaptedTask();
  task.codec_up = "none";
  task.adapt.codecs = {};
  Task smallest = task;
  smallest.adapt.widths = {0.25};
  smallest.train.batch_size = 2;
  const int64_t needed = PlanFor(smallest, DeviceWith({})).estimate.peak_bytes;
  EXPECT_EQ(PlanFor(task, DeviceWith({.ram_bytes = needed})).width, 0.25);
  const Refusal refusal = RefusalOf(task, DeviceWith({.ram_bytes = needed - 1}));
  EXPECT_EQ(refusal.reason, RefusalReason::kDeviceTooSmall);
  const MemoryReport report =
      *DescribeDeviceMemory(PlanOf(smallest, PlanFor(smallest, DeviceWith({}))), 20);
  EXPECT_EQ(refusal.message,
            absl::StrCat("the smallest plan (width 0.25, batch size 2, codec 'none') needs ",
                         needed, " bytes of memory, the device offers ", needed - 1,
                         ", 1 too few: ", MemoryItemsText(LargestItems(report.Items(), 3))));
}

TEST(Planner, ManyExamples_AreAmongTheLargestItemsOfARefusal) {
  const Refusal refusal = RefusalOf(PlainTask(), DeviceWith({.ram_bytes = 1000}, 100000));
  EXPECT_THAT(refusal.message, HasSubstr(" too few: order of the examples 400,000 B, "));
}

TEST(Planner, SmallMemory_ComesAfterFastAndBeforeTheSmallerBatch) {
  Task task = {.model = *ZooModel("lenet5"), .train = {.batch_size = 8}};
  task.adapt = {.min_batch_size = 4, .memory = {MemoryMode::kFast, MemoryMode::kSmall}};
  const auto peak = [&](int64_t batch_size, MemoryMode memory) {
    Task one = task;
    one.adapt = {};
    one.train.batch_size = batch_size;
    one.train.memory = memory;
    return PlanFor(one, DeviceWith({})).estimate.peak_bytes;
  };
  const int64_t fast = peak(8, MemoryMode::kFast);
  const int64_t small = peak(8, MemoryMode::kSmall);
  ASSERT_LT(small, fast);
  EXPECT_EQ(PlanFor(task, DeviceWith({.ram_bytes = fast})).train.memory, MemoryMode::kFast);
  const PlanChoice tight = PlanFor(task, DeviceWith({.ram_bytes = fast - 1}));
  EXPECT_EQ(tight.train.batch_size, 8);
  EXPECT_EQ(tight.train.memory, MemoryMode::kSmall);
  EXPECT_EQ(tight.estimate.peak_bytes, small);
  EXPECT_EQ(PlanFor(task, DeviceWith({.ram_bytes = small - 1})).train.batch_size, 4);
  const Refusal refusal = RefusalOf(task, DeviceWith({.ram_bytes = 100}));
  EXPECT_THAT(refusal.message, HasSubstr("(width 1, batch size 4, small memory, codec 'none')"));
}

TEST(Planner, MicroBatches_ComeBeforeTheSmallerBatch) {
  Task task = {.model = *ZooModel("tiny_cnn"), .train = {.batch_size = 16}};
  task.adapt = {.min_batch_size = 8, .micro_batch_sizes = {4}};
  const auto peak = [&](int64_t micro_batch_size) {
    Task one = task;
    one.adapt = {};
    one.train.micro_batch_size = micro_batch_size;
    return PlanFor(one, DeviceWith({})).estimate.peak_bytes;
  };
  ASSERT_LT(peak(4), peak(0));
  EXPECT_EQ(PlanFor(task, DeviceWith({.ram_bytes = peak(0)})).train.micro_batch_size, 0);
  const PlanChoice cut = PlanFor(task, DeviceWith({.ram_bytes = peak(0) - 1}));
  EXPECT_EQ(cut.train.batch_size, 16);
  EXPECT_EQ(cut.train.micro_batch_size, 4);
  EXPECT_EQ(cut.estimate.peak_bytes, peak(4));
  EXPECT_THAT(RefusalOf(task, DeviceWith({.ram_bytes = 100})).message,
              HasSubstr("batch size 16 in micro-batches of 4, codec 'none')"));
}

}  // namespace
}  // namespace tern::server
