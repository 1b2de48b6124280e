#include "server/planner.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "compression/codec.h"
#include "compression/frame.h"
#include "core/model/zoo.h"
#include "core/wire/chunks.h"
#include "core/wire/plan_bytes.h"
#include "core/wire/serialize.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/device_cost.h"
#include "tests/server/planner_tools.h"
#include "tests/testing/status_matchers.h"

namespace tern::server {
namespace {

using ::tern::testing::IsOk;
using ::testing::HasSubstr;

TEST(Planner, DeviceThatDeclaresNothing_GetsTheFullPlan) {
  const PlanChoice choice = PlanFor(AdaptedTask(), DeviceWith({}));
  EXPECT_EQ(choice.width_index, 0u);
  EXPECT_EQ(choice.width, 1.0);
  EXPECT_EQ(choice.codec, "quantize(8)");
  EXPECT_EQ(choice.train, (TrainOptions{.local_epochs = 2, .batch_size = 8}));
  EXPECT_EQ(choice.estimate.total_time(), absl::ZeroDuration());
  EXPECT_EQ(choice.estimate.energy_j, 0.0);
  EXPECT_EQ(choice.estimate.flops, FlopsOf(AdaptedTask()) * 2 * 20);
}

TEST(Planner, Estimate_IsOfTheNumbersThatTheDeviceDeclares) {
  const Task task = PlainTask();
  const PlanChoice choice = PlanFor(task, DeviceWith({.flops_per_second = 1e5,
                                                      .downlink_bytes_per_second = 1e3,
                                                      .uplink_bytes_per_second = 5e2,
                                                      .joules_per_flop = 1e-6,
                                                      .joules_per_byte_down = 1e-3,
                                                      .joules_per_byte_up = 2e-3,
                                                      .round_trip = absl::Milliseconds(250)}));
  const RoundEstimate& estimate = choice.estimate;
  const auto down = static_cast<double>(estimate.bytes_down);
  const auto up = static_cast<double>(estimate.bytes_up);
  EXPECT_EQ(estimate.flops, FlopsOf(task) * 2 * 20);
  EXPECT_DOUBLE_EQ(absl::ToDoubleSeconds(estimate.download_time), 0.25 + down / 1e3);
  EXPECT_NEAR(absl::ToDoubleSeconds(estimate.train_time), estimate.flops / 1e5, 1e-9);
  EXPECT_DOUBLE_EQ(absl::ToDoubleSeconds(estimate.upload_time), 0.25 + up / 5e2);
  EXPECT_DOUBLE_EQ(estimate.energy_j, estimate.flops * 1e-6 + down * 1e-3 + up * 2e-3);
}

TEST(Planner, PeakMemory_IsTheDeviceCostOfThePlan) {
  const Task task = AdaptedTask();
  for (const double width : task.adapt.widths) {
    for (const std::string& codec : task.Codecs()) {
      for (const int64_t batch_size : task.BatchSizes()) {
        Task one = task;
        one.adapt = {.widths = {width}};
        one.codec_up = codec;
        one.train.batch_size = batch_size;
        for (const int64_t num_examples : {1, 37, 100000}) {
          const PlanChoice choice = PlanFor(one, DeviceWith({}, num_examples));
          EXPECT_EQ(choice.estimate.peak_bytes,
                    DeviceCost(PlanOf(one, choice), num_examples)->peak_bytes());
        }
      }
    }
  }
}

TEST(Planner, DownloadBytes_AreThoseOfTheModelsChunks) {
  const Task task = {.model = *ZooModel("lenet5")};
  const PlanChoice choice = PlanFor(task, DeviceWith({}));
  const std::vector<float> parameters(44426, 0.5f);
  const auto encoder = compression::MakeEncoder(*compression::ParseCodec("none"));
  const std::string frame = *compression::EncodeFrame(*encoder, parameters, 3, {});
  int64_t bytes = 0;
  ASSERT_THAT(SendChunks(frame, 0, "",
                         [&](Chunk&& chunk) {
                           bytes += static_cast<int64_t>(Serialize(std::move(chunk)).size());
                           return absl::OkStatus();
                         }),
              IsOk());
  EXPECT_EQ(choice.estimate.bytes_down, bytes);
}

TEST(Planner, UploadBytes_BoundTheChunksOfEveryUpdate_Tightly) {
  constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();
  for (const char* codec : {"none", "quantize(8)"}) {
    const Task task = {.model = *ZooModel("lenet5"), .codec_up = codec};
    const PlanChoice choice = PlanFor(task, DeviceWith({}));
    const std::vector<float> values(44426, 0.5f);
    const auto encoder = compression::MakeEncoder(*compression::ParseCodec(codec));
    for (const int64_t number : {int64_t{100}, kLargest}) {
      const std::string message = Serialize(
          Update{.lease_id = std::string(16, 'l'),
                 .base_hash = std::string(32, 'h'),
                 .sections = {{.name = kParametersSection,
                               .frame = *compression::EncodeFrame(*encoder, values, 3, {})}},
                 .report = {.num_examples = number,
                            .local_steps = number,
                            .train_loss = 1.25,
                            .peak_memory_bytes = number}});
      const int64_t bytes = ChunkedBytes(static_cast<int64_t>(message.size()), true);
      EXPECT_LE(bytes, choice.estimate.bytes_up) << codec;
      EXPECT_GE(bytes, choice.estimate.bytes_up - (number == kLargest ? 4 : 32)) << codec;
    }
  }
}

TEST(Planner, EveryWidth_TrainsWithTheOptionsOfTheTask) {
  Task task = PlainTask();
  task.train.memory = MemoryMode::kSmall;
  task.train.scope = {.frozen_layers = {"fc1"}, .channels = 0.5f};
  task.train.loss = {.label_smoothing = 0.1f};
  task.train.only_present_classes = true;
  for (const double width : {1.0, 0.5, 0.25}) {
    task.adapt.widths = {width};
    const PlanChoice choice = PlanFor(task, DeviceWith({}));
    EXPECT_EQ(choice.train, task.train);
    EXPECT_THAT(DeviceCost(PlanOf(task, choice), 20), IsOk());
  }
}

TEST(Planner, BatchBelowTheMicroBatch_IsTrainedAtOnce) {
  Task task = PlainTask();
  task.train.micro_batch_size = 4;
  task.adapt.min_batch_size = 2;
  const auto fits = [&](int64_t batch_size) {
    Task one = task;
    one.train.batch_size = batch_size;
    one.train.micro_batch_size = std::min<int64_t>(4, batch_size);
    one.adapt = {};
    return PlanFor(one, DeviceWith({})).estimate.peak_bytes;
  };
  EXPECT_EQ(PlanFor(task, DeviceWith({})).train.micro_batch_size, 4);
  const PlanChoice smallest = PlanFor(task, DeviceWith({.ram_bytes = fits(2)}));
  EXPECT_EQ(smallest.train.batch_size, 2);
  EXPECT_EQ(smallest.train.micro_batch_size, 2);
  EXPECT_THAT(ValidateTrainOptions(smallest.train), IsOk());
}

// Floors of topk are of each tensor: more than of all coordinates at once.
TEST(Planner, MaxUpdateBytes_IsOfTheLongestCodec) {
  Task task = {.model = *ZooModel("mlp_200_200"), .codec_up = "topk(0.001, 40000)|rans"};
  task.adapt.codecs = {"topk(0.001)"};
  const Plan plan = {.model = task.model, .codec = task.codec_up};
  EXPECT_EQ(Planner::Create(task)->MaxUpdateBytes(),
            CountPlanBytes(plan, *PlanCodec::Make(plan))->update);
}

TEST(Planner, ErrorFeedback_IsForBiasedCodecs) {
  Task task = PlainTask();
  EXPECT_FALSE(PlanFor(task, DeviceWith({})).error_feedback);
  task.codec_up = "topk(0.1)";
  EXPECT_TRUE(PlanFor(task, DeviceWith({})).error_feedback);
  task.error_feedback = false;
  EXPECT_FALSE(PlanFor(task, DeviceWith({})).error_feedback);
}

TEST(Planner, ErrorFeedback_NeedsStorage) {
  Task task = PlainTask();
  task.codec_up = "topk(0.1)";
  const int64_t residual = 4 * CountCost(task.model)->num_parameters;
  EXPECT_TRUE(PlanFor(task, DeviceWith({.storage_bytes = 2 * residual})).error_feedback);
  const Refusal refusal = RefusalOf(task, DeviceWith({.storage_bytes = residual}));
  EXPECT_EQ(refusal.reason, RefusalReason::kDeviceTooSmall);
  EXPECT_THAT(refusal.message,
              HasSubstr(absl::StrCat("bytes of storage, the device offers ", residual)));
  task.adapt.codecs = {"none"};
  EXPECT_EQ(PlanFor(task, DeviceWith({.storage_bytes = residual})).codec, "none");
}

TEST(Planner, SlowUplink_TakesTheSmallerCodecBeforeTheNarrowerModel) {
  Task task = PlainTask();
  task.adapt = {.widths = {1.0, 0.5}, .codecs = {"quantize(8)"}};
  const auto up = static_cast<double>(PlanFor(task, DeviceWith({})).estimate.bytes_up);
  const PlanChoice choice = PlanFor(task, DeviceWith({.uplink_bytes_per_second = up / 76.0}));
  EXPECT_EQ(choice.width, 1.0);
  EXPECT_EQ(choice.codec, "quantize(8)");
}

TEST(Planner, TrainingThatTakesTheWholeBudget_Fits_AndMoreIsTooSlow) {
  const Task task = PlainTask();
  const double flops = FlopsOf(task) * 2 * 20;  // 75 s of the deadline's 100 s are the budget
  EXPECT_EQ(PlanFor(task, DeviceWith({.flops_per_second = flops / 74.999})).estimate.flops, flops);
  const Refusal refusal =
      RefusalOf(task, DeviceWith({.flops_per_second = flops / 76.0, .battery_joules = 3.0}));
  EXPECT_EQ(refusal.reason, RefusalReason::kTooSlow);
  EXPECT_EQ(refusal.message,
            "the fastest plan (width 1, batch size 8, codec 'none') takes 76 s of the 75 s that it "
            "may take (0.75 of the deadline) and 0 J of the 3 J that the device offers");
}

TEST(Planner, RoundTripsAlone_CanBeTooSlow) {
  const Refusal refusal = RefusalOf(PlainTask(), DeviceWith({.round_trip = absl::Seconds(40)}));
  EXPECT_EQ(refusal.reason, RefusalReason::kTooSlow);
  EXPECT_THAT(refusal.message, HasSubstr("takes 80 s of the 75 s"));
}

TEST(Planner, BatteryThatIsTooSmall_TakesTheNarrowerModel_OrRefusesWithTheJoules) {
  Task task = PlainTask();
  const double flops = FlopsOf(task) * 2 * 20;
  const Capabilities weak = {.battery_joules = 0.9 * flops * 1e-6, .joules_per_flop = 1e-6};
  const Refusal refusal = RefusalOf(task, DeviceWith(weak));
  EXPECT_EQ(refusal.reason, RefusalReason::kTooSlow);
  EXPECT_THAT(refusal.message,
              HasSubstr(absl::StrCat(flops * 1e-6, " J of the ", 0.9 * flops * 1e-6, " J")));
  task.adapt.widths = {1.0, 0.5};
  const PlanChoice choice = PlanFor(task, DeviceWith(weak));
  EXPECT_EQ(choice.width, 0.5);
  EXPECT_LE(choice.estimate.energy_j, weak.battery_joules);
}

TEST(Planner, TaskThatLimitsTheSteps_CostsNoMoreThanThose) {
  Task task = PlainTask();
  task.train.max_local_steps = 4;  // an epoch of 8, 8 and 4 examples, and 8 more
  const PlanChoice choice = PlanFor(task, DeviceWith({}));
  EXPECT_EQ(choice.train, task.train);
  EXPECT_EQ(choice.estimate.flops, FlopsOf(task) * 28);
}

TEST(Planner, FewerSteps_AreAsManyAsTimeAllows) {
  Task task = PlainTask();
  task.adapt.min_local_steps = 2;
  // 20 examples make 3 steps an epoch, of 8, 8 and 4. Time for 37 examples: one epoch and 2 steps.
  const double flops_per_second = FlopsOf(task) * 37.5 / 75.0;
  const PlanChoice choice = PlanFor(task, DeviceWith({.flops_per_second = flops_per_second}));
  EXPECT_EQ(choice.train.max_local_steps, 5);
  EXPECT_EQ(choice.estimate.flops, FlopsOf(task) * 36);
}

TEST(Planner, FewerSteps_AreAsManyAsEnergyAllows) {
  Task task = PlainTask();
  task.adapt.min_local_steps = 2;
  const double battery = FlopsOf(task) * 16.5 * 1e-6;
  const PlanChoice choice =
      PlanFor(task, DeviceWith({.battery_joules = battery, .joules_per_flop = 1e-6}));
  EXPECT_EQ(choice.train.max_local_steps, 2);
  const Refusal refusal =
      RefusalOf(task, DeviceWith({.battery_joules = battery * 15 / 16.5, .joules_per_flop = 1e-6}));
  EXPECT_EQ(refusal.reason, RefusalReason::kTooSlow);
  EXPECT_THAT(refusal.message, HasSubstr("codec 'none', 2 steps) takes 0 s"));
}

TEST(Planner, WholeEpochsOfANarrowModel_ComeBeforeFewerStepsOfAWideOne) {
  Task task = PlainTask();
  task.adapt.min_local_steps = 1;
  const double flops_per_second = FlopsOf(task) * 30 / 75.0;
  EXPECT_EQ(PlanFor(task, DeviceWith({.flops_per_second = flops_per_second})).width, 1.0);
  task.adapt.widths = {1.0, 0.25};
  const PlanChoice choice = PlanFor(task, DeviceWith({.flops_per_second = flops_per_second}));
  EXPECT_EQ(choice.width, 0.25);
  EXPECT_EQ(choice.train.max_local_steps, 0);
}

TEST(Planner, CodecThatTheDeviceLacks_IsSkipped) {
  Task task = AdaptedTask();
  EXPECT_EQ(PlanFor(task, DeviceWith({.codecs = {"none"}})).codec, "none");
  const Refusal refusal = RefusalOf(task, DeviceWith({.codecs = {"rotate"}}));
  EXPECT_EQ(refusal.reason, RefusalReason::kNotCapable);
  EXPECT_EQ(refusal.message,
            "the device can execute no plan of the task: it lacks stage 'quantize' of codec "
            "'quantize(8)'; it lacks stage 'topk' of codec 'topk(0.1)'; it lacks stage 'none' of "
            "codec 'none'");
}

TEST(Planner, LayerKindThatTheDeviceLacks_Refuses) {
  const Refusal refusal =
      RefusalOf({.model = *ZooModel("lenet5")}, DeviceWith({.layer_kinds = {LayerKind::kDense}}));
  EXPECT_EQ(refusal.reason, RefusalReason::kNotCapable);
  EXPECT_EQ(refusal.message,
            "the device can execute no plan of the task: it cannot train layers of kind conv2d");
}

TEST(Planner, DeviceThatCannotScale_TrainsTheFullWidthOnly) {
  Task task = PlainTask();
  task.adapt.widths = {1.0, 0.5};
  Capabilities capabilities = {.layer_kinds = {LayerKind::kDense, LayerKind::kRelu}};
  const int64_t full = PlanFor(task, DeviceWith(capabilities)).estimate.peak_bytes;
  capabilities.ram_bytes = full - 1;
  EXPECT_EQ(RefusalOf(task, DeviceWith(capabilities)).reason, RefusalReason::kDeviceTooSmall);
  capabilities.layer_kinds.push_back(LayerKind::kScale);
  EXPECT_EQ(PlanFor(task, DeviceWith(capabilities)).width, 0.5);
}

TEST(Planner, AbsurdNumbers_OverflowNothing) {
  constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();
  constexpr double kHuge = std::numeric_limits<double>::max();
  Task task = AdaptedTask();
  task.adapt.min_local_steps = 1;
  for (const int64_t num_examples : {kLargest, int64_t{1}, int64_t{0}, -kLargest}) {
    for (const double number : {kHuge, std::numeric_limits<double>::denorm_min()}) {
      const CheckInRequest request = DeviceWith({.ram_bytes = kLargest,
                                                 .flops_per_second = number,
                                                 .downlink_bytes_per_second = number,
                                                 .uplink_bytes_per_second = number,
                                                 .battery_joules = number,
                                                 .joules_per_flop = number,
                                                 .joules_per_byte_down = number,
                                                 .joules_per_byte_up = number,
                                                 .round_trip = absl::Seconds(number)},
                                                num_examples);
      EXPECT_EQ(RefusalOf(task, request).reason, RefusalReason::kTooSlow);
    }
  }
}

TEST(Planner, ModelThatTheEngineCannotTrain_IsInvalidArgument) {
  Task task = PlainTask();
  task.train.batch_size = 0;
  EXPECT_EQ(Planner::Create(task).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace tern::server
