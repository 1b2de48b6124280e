// What a plan is predicted to need is what a session holds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/session.h"
#include "core/model/parameter_layout.h"
#include "core/model/zoo.h"
#include "core/train/engine_trainer.h"
#include "core/wire/device_memory.h"
#include "server/device_cost.h"
#include "tests/client/fake_coordinator.h"
#include "tests/testing/fake_dataset.h"
#include "tests/testing/live_bytes.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace tern::client {
namespace {

using ::tern::testing::FakeDataset;
using ::tern::testing::TemporaryDirectory;
using State = Session::State;

// The heap, as malloc counts it, is compared with the prediction. What is not predicted: the
// compiled program, messages, the lease, a file's buffer.
constexpr int64_t kNotPredicted = 64 * 1024;

Plan PlanOf(absl::string_view model, const std::string& codec, int64_t batch_size,
            bool error_feedback = false) {
  return {.model = ZooModel(model).value(),
          .train = {.batch_size = batch_size, .learning_rate = 1e-3f, .max_local_steps = 2},
          .codec = codec,
          .round = 1,
          .error_feedback = error_feedback};
}

// What a coordinator makes of a codec where not all is sent.
std::string CodecOf(const TrainOptions& train, const std::string& codec) {
  return train.personal.empty() ? codec : "mask|" + codec;
}

std::vector<float> StartOf(const Plan& plan) {
  return InitialParameters(MakeParameterLayout(plan.model).value(), 1);
}

// A device whose plans change from lease to lease.
class Device {
 public:
  explicit Device(int64_t num_examples)
      : dataset_(FakeDataset::Random({1, 28, 28}, 10, num_examples)),
        state_(OpenDirectoryDeviceState(directory_.path()).value()),
        session_({.client_id = "device", .verify_model_hash = false}, {.transport = &coordinator,
                                                                       .trainer = &trainer_,
                                                                       .dataset = &dataset_,
                                                                       .clock = &clock_,
                                                                       .buffers = &buffers_,
                                                                       .state = state_.get()}) {}

  Session::Progress Step() { return session_.Step(); }
  // A whole lease; the peak that the session reports.
  int64_t ReportedPeak(const Plan& plan) {
    coordinator.SetRound(plan, StartOf(plan));
    Session::Progress progress;
    for (int step = 0; step < 4; ++step) progress = Step();
    EXPECT_EQ(progress.next, State::kCheckIn);
    EXPECT_THAT(coordinator.failures, ::testing::IsEmpty());
    return coordinator.LastUpdate().report.peak_memory_bytes;
  }

  FakeCoordinator coordinator;

 private:
  const FakeDataset dataset_;
  const TemporaryDirectory directory_;
  const std::unique_ptr<DeviceState> state_;
  EngineTrainer trainer_;
  SimulatedClock clock_;
  SessionBuffers buffers_;
  Session session_;
};

class EveryCodecAndModel : public ::testing::TestWithParam<std::tuple<std::string, std::string>> {};

TEST_P(EveryCodecAndModel, ReportedPeak_IsThePrediction) {
  const auto& [model, codec] = GetParam();
  for (const int64_t num_examples : {1, 13}) {
    Device device(num_examples);
    for (const int64_t batch_size : {16, 1, 5}) {
      for (const bool error_feedback : {false, true}) {
        Plan plan = PlanOf(model, codec, batch_size, error_feedback);
        plan.train.max_local_steps = error_feedback ? 2 : 0;
        EXPECT_EQ(device.ReportedPeak(plan), server::DeviceCost(plan, num_examples)->peak_bytes())
            << num_examples << " examples, batch " << batch_size << ", error feedback "
            << error_feedback;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Plans, EveryCodecAndModel,
    ::testing::Combine(::testing::ValuesIn(ZooModelNames()),
                       ::testing::Values("none", "quantize(8)", "topk(0.01)", "topk(1)",
                                         "rotate|eden(2)|rans", "threshold(0.01)|rice")),
    [](const auto& param_info) {
      return absl::StrReplaceAll(
          absl::StrCat(std::get<0>(param_info.param), "_", std::get<1>(param_info.param)),
          {{"(", "_"}, {")", ""}, {".", "_"}, {"|", "_"}});
    });

class EveryTrainingOption : public ::testing::TestWithParam<TrainOptions> {};

TEST_P(EveryTrainingOption, ReportedPeak_IsThePrediction) {
  Device device(13);
  const Plan plain = PlanOf("lenet5", "none", 5);
  Plan plan = plain;
  plan.train = GetParam();
  for (const char* codec : {"none", "quantize(8)", "topk(0.01)", "rotate|eden(2)|rans"}) {
    for (const bool error_feedback : {false, true}) {
      plan.codec = CodecOf(plan.train, codec);
      plan.error_feedback = error_feedback;
      const int64_t predicted = server::DeviceCost(plan, 13)->peak_bytes();
      // Before anything is kept, and after.
      EXPECT_EQ(device.ReportedPeak(plan), predicted) << codec << error_feedback;
      EXPECT_EQ(device.ReportedPeak(plan), predicted) << codec << error_feedback;
      EXPECT_EQ(DescribeDeviceMemory(plan, 13)->peak_bytes(), predicted);
    }
  }
  // What it took goes with it.
  EXPECT_EQ(device.ReportedPeak(plain), server::DeviceCost(plain, 13)->peak_bytes());
}

TEST_P(EveryTrainingOption, HeapPeak_IsThePrediction) {
  if (!testing::CanCountLiveBytes()) GTEST_SKIP() << "a sanitizer has its own malloc";
  for (const bool error_feedback : {false, true}) {
    Device device(100);
    Plan plan = PlanOf("lenet5", "none", 5, error_feedback);
    plan.train = GetParam();
    plan.codec = CodecOf(plan.train, error_feedback ? "topk(0.01)" : "none");
    const int64_t predicted = server::DeviceCost(plan, 100)->peak_bytes();
    device.coordinator.SetRound(plan, StartOf(plan));
    device.coordinator.submitted.reserve(static_cast<size_t>(predicted));
    const int64_t before = testing::LiveBytes();
    for (int lease = 0; lease < 2; ++lease) {
      testing::ResetPeakLiveBytes();
      for (int step = 0; step < 4; ++step) device.Step();
      const int64_t peak = testing::PeakLiveBytes() - before;
      EXPECT_GE(peak, predicted);
      EXPECT_LE(peak, predicted + kNotPredicted);
    }
    EXPECT_THAT(device.coordinator.failures, ::testing::IsEmpty());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Options, EveryTrainingOption,
    ::testing::Values(
        TrainOptions{.momentum = 0.9f}, TrainOptions{.momentum = 0.9f, .nesterov = true},
        TrainOptions{.weight_decay = 1e-3f}, TrainOptions{.clip_norm = 1.0f},
        TrainOptions{.clip_value = 0.1f}, TrainOptions{.proximal_mu = 0.1f},
        TrainOptions{.micro_batch_size = 3}, TrainOptions{.memory = MemoryMode::kSmall},
        TrainOptions{.method = ClientMethod::kScaffold},
        TrainOptions{.method = ClientMethod::kScaffoldGradient},
        TrainOptions{.proximal_mu = 0.1f, .method = ClientMethod::kFedDyn},
        TrainOptions{.personal = {.layers = {"fc1"}}}, TrainOptions{.measure_start_loss = true},
        TrainOptions{.momentum = 0.9f,
                     .micro_batch_size = 3,
                     .scope = {.frozen_layers = {"conv1"}},
                     .method = ClientMethod::kScaffoldGradient,
                     .personal = {.biases = true},
                     .measure_start_loss = true},
        TrainOptions{.momentum = 0.9f,
                     .nesterov = true,
                     .weight_decay = 1e-3f,
                     .clip_norm = 1.0f,
                     .clip_value = 0.1f,
                     .proximal_mu = 0.1f}));

TEST(SessionMemory, ReportedPeak_FollowsAPlanThatChanges) {
  Device device(13);
  for (const char* model : {"tiny_cnn", "mlp_200_200", "tiny_cnn", "lenet5", "tiny_cnn"}) {
    for (const char* codec : {"topk(0.01)", "none", "quantize(8)"}) {
      const Plan plan = PlanOf(model, codec, 8, std::string(codec) == "topk(0.01)");
      EXPECT_EQ(device.ReportedPeak(plan), server::DeviceCost(plan, 13)->peak_bytes())
          << model << " " << codec;
    }
  }
}

class Heap : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!testing::CanCountLiveBytes()) GTEST_SKIP() << "a sanitizer has its own malloc";
  }
};

TEST_P(Heap, PeakOfALease_IsThePrediction) {
  Device device(100);
  const Plan plan = PlanOf("lenet5", GetParam(), 10, GetParam() != "none");
  const int64_t predicted = server::DeviceCost(plan, 100)->peak_bytes();
  device.coordinator.SetRound(plan, StartOf(plan));
  device.coordinator.submitted.reserve(static_cast<size_t>(predicted));
  const int64_t before = testing::LiveBytes();
  for (int lease = 0; lease < 3; ++lease) {
    testing::ResetPeakLiveBytes();
    for (int step = 0; step < 4; ++step) device.Step();
    const int64_t peak = testing::PeakLiveBytes() - before;
    EXPECT_GE(peak, predicted);
    EXPECT_LE(peak, predicted + kNotPredicted);
  }
  EXPECT_EQ(device.coordinator.LastUpdate().report.peak_memory_bytes, predicted);
}

INSTANTIATE_TEST_SUITE_P(Codecs, Heap,
                         ::testing::Values("none", "quantize(8)", "topk(0.01)",
                                           "topk(0.01)|ternary|rice", "rotate|eden(2, mse)|rans"),
                         [](const auto& param_info) {
                           return absl::StrReplaceAll(
                               param_info.param,
                               {{"(", "_"}, {")", ""}, {".", "_"}, {", ", "_"}, {"|", "_"}});
                         });

// No more than the larger of the two while one follows the other, and the new one's after that.
TEST_F(Heap, BetweenPlans_NoMoreIsHeldThanOneOfThemNeeds) {
  Device device(100);
  const Plan large_batch = PlanOf("tiny_cnn", "none", 512);
  const Plan large_model = PlanOf("mlp_200_200", "quantize(8)", 1);
  device.coordinator.submitted.reserve(1 << 20);
  int64_t base = testing::LiveBytes();
  int64_t last = 0;
  for (const Plan& plan : {large_batch, large_model, large_batch}) {
    const int64_t predicted = server::DeviceCost(plan, 100)->peak_bytes();
    base -= testing::LiveBytes();
    device.coordinator.SetRound(plan, StartOf(plan));
    base += testing::LiveBytes();
    testing::ResetPeakLiveBytes();
    device.Step();
    device.Step();
    EXPECT_LE(testing::PeakLiveBytes() - base, std::max(last, predicted) + kNotPredicted);
    testing::ResetPeakLiveBytes();
    device.Step();
    device.Step();
    EXPECT_LE(testing::PeakLiveBytes() - base, predicted + kNotPredicted);
    last = predicted;
  }
}

}  // namespace
}  // namespace tern::client
