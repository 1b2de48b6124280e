#include "core/wire/plan_bytes.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "compression/frame.h"
#include "core/wire/serialize.h"
#include "tests/testing/status_matchers.h"

namespace tern {
namespace {

ModelSpec DenseModel(int64_t inputs, int64_t units) {
  return {.name = "dense",
          .input = {inputs},
          .layers = {{.name = "fc", .kind = LayerKind::kDense, .units = units}}};
}

Update SomeUpdate(const std::string& codec) {
  return {.lease_id = std::string(16, 'l'),
          .base_hash = std::string(32, 'h'),
          .sections = {{.name = kParametersSection, .codec = codec}},
          .report = {.num_examples = 600,
                     .local_steps = 60,
                     .train_loss = 0.25,
                     .peak_memory_bytes = 1 << 20}};
}

std::string Around(const UpdateEnvelope& envelope, const std::vector<std::string>& frames) {
  std::string bytes;
  for (size_t i = 0; i < frames.size(); ++i) bytes += envelope.before.at(i) + frames[i];
  EXPECT_EQ(envelope.before.size(), frames.size());
  return bytes + envelope.after;
}

// Around the lengths at which a length in front takes one more byte.
TEST(MakeUpdateEnvelope, AroundAFrame_GivesTheBytesOfSerialize) {
  for (const size_t size : {1, 32, 127, 128, 129, 16383, 16384, 100000, (1 << 21) - 30, 1 << 21}) {
    Update update = SomeUpdate("topk(0.01)");
    const std::string frame(size, 'f');
    const UpdateEnvelope envelope = MakeUpdateEnvelope(update, {static_cast<int64_t>(size)});
    update.sections[0].frame = frame;
    EXPECT_EQ(Around(envelope, {frame}), Serialize(update)) << size;
  }
}

TEST(MakeUpdateEnvelope, AroundTwoFrames_GivesTheBytesOfSerialize) {
  for (const auto& [first, second] :
       std::vector<std::pair<size_t, size_t>>{{1, 1}, {127, 128}, {300, 5}, {5, 1 << 21}}) {
    Update update = SomeUpdate("");
    update.sections.push_back({.name = kControlSection});
    const std::vector<std::string> frames = {std::string(first, 'f'), std::string(second, 'g')};
    const UpdateEnvelope envelope =
        MakeUpdateEnvelope(update, {static_cast<int64_t>(first), static_cast<int64_t>(second)});
    update.sections[0].frame = frames[0];
    update.sections[1].frame = frames[1];
    EXPECT_EQ(Around(envelope, frames), Serialize(update)) << first << " " << second;
  }
}

TEST(MakeUpdateEnvelope, Metrics_AreBehindTheFrame) {
  Update update = SomeUpdate("none");
  update.report.metrics = {{"accuracy", 0.5}, {"x", 1.0}};
  const UpdateEnvelope envelope = MakeUpdateEnvelope(update, {3});
  update.sections[0].frame = "abc";
  EXPECT_EQ(Around(envelope, {"abc"}), Serialize(update));
}

TEST(CountPlanBytes, AreTheLengthsOfWhatTravels) {
  const std::vector<float> values(1000, 1.0f);
  const auto none = compression::MakeEncoder(*compression::ParseCodec("none"));
  const Plan plan{.model = DenseModel(99, 10), .codec = "none"};
  const PlanBytes bytes = *CountPlanBytes(plan, *PlanCodec::Make(plan));
  const std::string frame = *compression::EncodeFrame(*none, values, 1, {});
  EXPECT_EQ(bytes.model, static_cast<int64_t>(frame.size()));
  Update update = SomeUpdate("");
  update.report.num_examples = std::numeric_limits<int64_t>::max();
  update.report.local_steps = std::numeric_limits<int64_t>::max();
  update.report.peak_memory_bytes = std::numeric_limits<int64_t>::max();
  update.sections[0].frame = frame;
  EXPECT_EQ(bytes.update, static_cast<int64_t>(Serialize(update).size()));
  EXPECT_EQ(bytes.residual, 0);
  EXPECT_EQ(bytes.buffer(), bytes.update);
}

TEST(CountPlanBytes, ASparseUpdateWithErrorFeedback_IsShorterThanTheResidual) {
  const Plan plan{.model = DenseModel(99, 10), .codec = "topk(0.01)", .error_feedback = true};
  const PlanBytes bytes = *CountPlanBytes(plan, *PlanCodec::Make(plan));
  EXPECT_LT(bytes.update, 300);
  EXPECT_EQ(bytes.residual, 64 + 4000);
  EXPECT_EQ(bytes.buffer(), bytes.residual);
}

TEST(CountPlanBytes, WithControlVariatesAndStartLoss_AreTheLengthsOfBothFramesAndTheMetric) {
  Plan plan{.model = DenseModel(99, 10),
            .train = {.method = ClientMethod::kScaffold, .measure_start_loss = true}};
  const PlanBytes bytes = *CountPlanBytes(plan, *PlanCodec::Make(plan));
  EXPECT_EQ(bytes.model, 2 * (16 + 4000));
  Update update = SomeUpdate("");
  update.sections[0].frame = std::string(16 + 4000, 'f');
  update.sections.push_back({.name = kControlSection, .frame = std::string(16 + 4000, 'g')});
  update.report.num_examples = std::numeric_limits<int64_t>::max();
  update.report.local_steps = std::numeric_limits<int64_t>::max();
  update.report.peak_memory_bytes = std::numeric_limits<int64_t>::max();
  update.report.metrics["start_loss"] = 2.25;
  EXPECT_EQ(bytes.update, static_cast<int64_t>(Serialize(update).size()));
  EXPECT_EQ(bytes.control, 64 + 4000);
  EXPECT_EQ(bytes.state(), 64 + 4000);
  EXPECT_EQ(bytes.held(), bytes.update + 4000);
}

TEST(CountPlanBytes, FedDyn_SendsAndFetchesNoControlVariate_ButKeepsOne) {
  Plan plan{.model = DenseModel(99, 10)};
  const PlanBytes plain = *CountPlanBytes(plan, *PlanCodec::Make(plan));
  plan.train.method = ClientMethod::kFedDyn;
  plan.train.proximal_mu = 0.1f;
  const PlanBytes bytes = *CountPlanBytes(plan, *PlanCodec::Make(plan));
  EXPECT_EQ(bytes.model, plain.model);
  EXPECT_EQ(bytes.update, plain.update);
  EXPECT_EQ(bytes.state(), 64 + 4000);
  EXPECT_EQ(bytes.held(), plain.held() + 4000);
}

TEST(CountPlanBytes, PersonalParameters_AreKeptAndNotSent) {
  Plan plan{.model = DenseModel(99, 10), .train = {.personal = {.biases = true}}};
  plan.codec = "mask|none";
  const PlanBytes bytes = *CountPlanBytes(plan, *PlanCodec::Make(plan));
  EXPECT_EQ(bytes.model, 16 + 4000);
  EXPECT_LT(bytes.update, 16 + 4 * 990 + 150);
  EXPECT_EQ(bytes.personal, 64 + 40);
  EXPECT_EQ(bytes.state(), 64 + 40);
  EXPECT_EQ(bytes.held(), bytes.update + 40);
}

TEST(CountPlanBytes, AnUpdateLongerThanAMessage_IsInvalidArgument) {
  for (const int64_t units : {512, 1024}) {
    const Plan plan{.model = DenseModel(1 << 20, units), .codec = "none"};
    EXPECT_THAT(CountPlanBytes(plan, *PlanCodec::Make(plan)),
                testing::StatusIs(absl::StatusCode::kInvalidArgument, "at most 2147483647"));
  }
}

}  // namespace
}  // namespace tern
