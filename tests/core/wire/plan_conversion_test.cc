#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>

#include "absl/strings/escaping.h"
#include "core/wire/proto_conversion.h"
#include "tests/core/wire/example_messages.h"

namespace tern {
namespace {

using ::testing::HasSubstr;

v1::Plan PlanMessage(const TrainOptions& train) {
  v1::Plan message;
  ToProto(Plan{.model = ExampleModelSpec(), .train = train, .round = 1}, message);
  return message;
}

TEST(PlanConversion, RoundTrip_EveryLossScopeAndMethod_IsEqual) {
  const TrainOptions all[] = {{},
                              {.micro_batch_size = 10},
                              {.memory = MemoryMode::kSmall},
                              {.scope = {.frozen_layers = {"fc1"}}},
                              {.scope = {.last_layers = 1}},
                              {.scope = {.biases_only = true}},
                              {.scope = {.channels = 0.25f}},
                              {.loss = {.kind = LossKind::kBinaryCrossEntropy}},
                              {.loss = {.kind = LossKind::kMeanSquaredError}},
                              {.loss = {.label_smoothing = 0.5f}},
                              {.only_present_classes = true},
                              {.method = ClientMethod::kScaffold},
                              {.method = ClientMethod::kScaffoldGradient},
                              {.proximal_mu = 0.1f, .method = ClientMethod::kFedDyn},
                              {.personal = {.layers = {"fc1", "fc2"}}},
                              {.personal = {.biases = true}},
                              {.measure_start_loss = true}};
  for (const TrainOptions& train : all) {
    const absl::StatusOr<Plan> plan = FromProto(PlanMessage(train));
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_EQ(plan->train, train);
  }
}

TEST(PlanConversion, Defaults_HaveTheBytesOfOlderPrograms) {
  // local_epochs 1, batch_size 10, learning_rate 0.05.
  EXPECT_EQ(absl::BytesToHexString(PlanMessage({}).train().SerializeAsString()),
            "0801100a1dcdcc4c3d");
}

TEST(PlanConversion, NumbersThatAreNotGiven_MeanTheDefaults) {
  v1::Plan message = PlanMessage({});
  message.mutable_train()->mutable_scope();
  message.mutable_train()->mutable_loss();
  message.mutable_train()->mutable_personal();
  const absl::StatusOr<Plan> plan = FromProto(message);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->train, TrainOptions());
  message.mutable_train()->set_memory(v1::TrainOptions::fast);
  message.mutable_train()->mutable_scope()->set_channels(1.0f);
  message.mutable_train()->mutable_loss()->set_kind(v1::Loss::softmax_cross_entropy);
  const absl::StatusOr<Plan> written_out = FromProto(message);
  ASSERT_TRUE(written_out.ok()) << written_out.status();
  EXPECT_EQ(written_out->train, TrainOptions());
}

TEST(PlanConversion, WrongFields_AreInvalidArgumentByName) {
  using M = v1::TrainOptions;
  struct WrongField {
    const char* message;
    std::function<void(M&)> change;
  };
  const WrongField cases[] = {
      {"micro_batch_size is 51, expected 0", [](M& m) { m.set_micro_batch_size(51); }},
      {"micro_batch_size is -1", [](M& m) { m.set_micro_batch_size(-1); }},
      {"memory is 3", [](M& m) { m.set_memory(static_cast<M::MemoryMode>(3)); }},
      {"memory is -1", [](M& m) { m.set_memory(static_cast<M::MemoryMode>(-1)); }},
      {"last_layers is -1", [](M& m) { m.mutable_scope()->set_last_layers(-1); }},
      {"channels is 1.5", [](M& m) { m.mutable_scope()->set_channels(1.5f); }},
      {"channels is -0.5", [](M& m) { m.mutable_scope()->set_channels(-0.5f); }},
      {"channels is nan",
       [](M& m) { m.mutable_scope()->set_channels(std::numeric_limits<float>::quiet_NaN()); }},
      {"train.scope.frozen_layers has 20000 bytes",
       [](M& m) { m.mutable_scope()->add_frozen_layers(std::string(20000, 'x')); }},
      {"number of train.scope.frozen_layers is 1025",
       [](M& m) {
         while (m.scope().frozen_layers_size() < 1025) m.mutable_scope()->add_frozen_layers("fc1");
       }},
      {"kind is 9", [](M& m) { m.mutable_loss()->set_kind(static_cast<v1::Loss::Kind>(9)); }},
      {"label_smoothing is 1", [](M& m) { m.mutable_loss()->set_label_smoothing(1.0f); }},
      {"label_smoothing is nan",
       [](M& m) {
         m.mutable_loss()->set_label_smoothing(std::numeric_limits<float>::quiet_NaN());
       }},
      {"label_smoothing is 0.1", [](M& m) { m.mutable_loss()->set_kind(v1::Loss::mse); }},
      {"method is 4", [](M& m) { m.set_method(static_cast<M::Method>(4)); }},
      {"method is -1", [](M& m) { m.set_method(static_cast<M::Method>(-1)); }},
      {"proximal_mu is 0, expected above 0 with method feddyn",
       [](M& m) {
         m.set_method(M::feddyn);
         m.set_proximal_mu(0.0f);
       }},
      {"train.personal.layers has 20000 bytes",
       [](M& m) { m.mutable_personal()->add_layers(std::string(20000, 'x')); }},
      {"number of train.personal.layers is 1025", [](M& m) {
         while (m.personal().layers_size() < 1025) m.mutable_personal()->add_layers("fc1");
       }}};
  for (const WrongField& wrong : cases) {
    v1::Plan message;
    ToProto(ExampleLease().plan, message);
    wrong.change(*message.mutable_train());
    const absl::StatusOr<Plan> plan = FromProto(message);
    EXPECT_EQ(plan.status().code(), absl::StatusCode::kInvalidArgument) << wrong.message;
    EXPECT_THAT(plan.status().message(), HasSubstr(wrong.message));
  }
}

}  // namespace
}  // namespace tern
