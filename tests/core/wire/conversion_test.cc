#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "core/wire/messages.h"
#include "core/wire/proto_conversion.h"
#include "core/wire/serialize.h"
#include "tests/core/wire/example_messages.h"

namespace tern {
namespace {

using ::testing::HasSubstr;

template <typename T>
T RoundTrip(const T& value) {
  const absl::StatusOr<T> parsed = Parse<T>(Serialize(value));
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return parsed.ok() ? *parsed : T();
}

TEST(Conversion, RoundTrip_ModelSpec_IsEqual) {
  EXPECT_EQ(RoundTrip(ExampleModelSpec()), ExampleModelSpec());
}

TEST(Conversion, RoundTrip_CheckInRequest_IsEqual) {
  EXPECT_EQ(RoundTrip(ExampleCheckInRequest()), ExampleCheckInRequest());
}

TEST(Conversion, RoundTrip_EveryCheckInReply_IsEqual) {
  const CheckInReply replies[] = {
      ExampleLease(), ComeBack{.retry_after = absl::Milliseconds(1500), .reason = "wait"},
      Refusal{.reason = RefusalReason::kDeviceTooSmall, .message = "needs 2 MB"},
      Refusal{.reason = RefusalReason::kUnsupportedProtocol, .message = "speak version 1"},
      TaskFinished{.task = "quickstart", .num_rounds = 20}};
  for (const CheckInReply& reply : replies) EXPECT_EQ(RoundTrip(reply), reply) << reply.index();
}

TEST(Conversion, RoundTrip_FetchModelRequest_KeepsLeaseAndOffset) {
  const FetchModelRequest request = {.lease_id = std::string(16, 'x'), .offset = 1ull << 40};
  const FetchModelRequest result = RoundTrip(request);
  EXPECT_EQ(result.lease_id, request.lease_id);
  EXPECT_EQ(result.offset, request.offset);
}

TEST(Conversion, RoundTrip_Chunk_KeepsEveryField) {
  const Chunk chunk = ExampleChunk();
  const Chunk result = RoundTrip(chunk);
  EXPECT_EQ(result.lease_id, chunk.lease_id);
  EXPECT_EQ(result.total_bytes, chunk.total_bytes);
  EXPECT_EQ(result.offset, chunk.offset);
  EXPECT_EQ(result.data, chunk.data);
  EXPECT_EQ(result.crc32c, chunk.crc32c);
}

TEST(Conversion, RoundTrip_Update_KeepsEveryField) {
  const Update update = ExampleUpdate();
  const Update result = RoundTrip(update);
  EXPECT_EQ(result.lease_id, update.lease_id);
  EXPECT_EQ(result.base_hash, update.base_hash);
  ASSERT_EQ(result.sections.size(), 2u);
  EXPECT_EQ(result.sections[1].name, "statistics");
  EXPECT_EQ(result.sections[1].codec, "quantize(8)");
  EXPECT_EQ(result.sections[1].frame, "frame 2");
  EXPECT_EQ(result.report.num_examples, 600);
  EXPECT_EQ(result.report.local_steps, 24);
  EXPECT_EQ(result.report.train_loss, 0.75);
  EXPECT_EQ(result.report.peak_memory_bytes, 1 << 20);
  EXPECT_EQ(result.report.metrics, update.report.metrics);
}

TEST(Conversion, RoundTrip_Replies_KeepEveryField) {
  const SubmitUpdateReply submitted =
      RoundTrip(SubmitUpdateReply{.round = 7, .retry_after = absl::Seconds(3)});
  EXPECT_EQ(submitted.round, 7u);
  EXPECT_EQ(submitted.retry_after, absl::Seconds(3));
  EXPECT_EQ(RoundTrip(ReportFailureReply{.retry_after = absl::Seconds(4)}).retry_after,
            absl::Seconds(4));
  const ReportFailureRequest failure =
      RoundTrip(ReportFailureRequest{.lease_id = std::string(16, 'x'), .message = "no memory"});
  EXPECT_EQ(failure.lease_id, std::string(16, 'x'));
  EXPECT_EQ(failure.message, "no memory");
}

// Sent and stored: these bytes never change their meaning.
TEST(Conversion, Serialize_Update_GivesTheDocumentedBytes) {
  const Update update = {.lease_id = std::string(16, 'L'),
                         .base_hash = std::string(32, 'H'),
                         .sections = {{.name = "parameters", .codec = "none", .frame = "F"}},
                         .report = {.num_examples = 1,
                                    .local_steps = 2,
                                    .train_loss = 1.0,
                                    .peak_memory_bytes = 3,
                                    .metrics = {{"b", 2.0}, {"a", 1.0}}}};
  const std::string expected =
      absl::StrCat("0a10", absl::BytesToHexString(std::string(16, 'L')), "1220",
                   absl::BytesToHexString(std::string(32, 'H')), "1a15", "0a0a706172616d6574657273",
                   "12046e6f6e65", "1a0146", "222b", "0801", "1002", "19000000000000f03f", "2003",
                   "2a0c0a016111000000000000f03f", "2a0c0a0162110000000000000040");
  EXPECT_EQ(absl::BytesToHexString(Serialize(update)), expected);
  EXPECT_EQ(Serialize(Update(update)), Serialize(update));
}

TEST(Conversion, Parse_BytesOfAnotherKind_NamesTheMessage) {
  const absl::StatusOr<CheckInRequest> parsed = Parse<CheckInRequest>("\xFF\xFF\xFF");
  EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(parsed.status().message(), HasSubstr("tern.v1.CheckInRequest"));
}

TEST(Conversion, Parse_UnknownFields_AreIgnored) {
  // Field 1000, a varint: from a newer program.
  const std::string bytes = absl::StrCat(Serialize(ExampleCheckInRequest()), "\xC0\x3E\x01");
  const absl::StatusOr<CheckInRequest> parsed = Parse<CheckInRequest>(bytes);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(*parsed, ExampleCheckInRequest());
}

TEST(Conversion, ModelSpec_StrideGroupsAndDilationZero_MeanOne) {
  v1::ModelSpec message;
  v1::Layer& layer = *message.add_layers();
  layer.set_name("conv1");
  layer.set_kind(v1::conv2d);
  const absl::StatusOr<ModelSpec> spec = FromProto(message);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->layers[0].stride, 1);
  EXPECT_EQ(spec->layers[0].groups, 1);
  EXPECT_EQ(spec->layers[0].dilation, 1);
}

TEST(Conversion, ModelSpec_WithoutGroupsAndDilation_HasTheBytesOfOlderPrograms) {
  v1::ModelSpec message;
  ToProto({.name = "m", .layers = {{.name = "conv1", .kind = LayerKind::kConv2d}}}, message);
  EXPECT_EQ(message.layers(0).groups(), 0);
  EXPECT_EQ(message.layers(0).dilation(), 0);
}

TEST(Conversion, Capabilities_LayerKindOfANewerProgram_IsKept) {
  v1::CheckInRequest message;
  message.mutable_capabilities()->add_layer_kinds(static_cast<v1::LayerKind>(99));
  const absl::StatusOr<CheckInRequest> request = FromProto(message);
  ASSERT_TRUE(request.ok()) << request.status();
  ASSERT_EQ(request->capabilities.layer_kinds.size(), 1u);
  EXPECT_EQ(LayerKindName(request->capabilities.layer_kinds[0]), "unknown");
}

TEST(Conversion, ClientId_OfAnyKind_IsLeftToTheCoordinator) {
  for (const std::string& id : {std::string(), std::string("two words"), std::string(129, 'x')}) {
    CheckInRequest request = ExampleCheckInRequest();
    request.client_id = id;
    EXPECT_EQ(RoundTrip(request).client_id, id);
    EXPECT_FALSE(ValidateClientId(id).ok()) << id;
  }
  EXPECT_TRUE(ValidateClientId("client-7").ok());
  EXPECT_TRUE(ValidateClientId(std::string(128, 'x')).ok());
  EXPECT_THAT(ValidateClientId("two words").message(), HasSubstr("'two words'"));
}

// Each case makes a valid message wrong in one way and names the field that must be in the error.
template <typename Message>
struct WrongField {
  const char* field;
  std::function<void(Message&)> change;
};

template <typename T, typename Message>
void ExpectRefused(const T& valid, const std::vector<WrongField<Message>>& cases) {
  for (const WrongField<Message>& wrong : cases) {
    Message message;
    ToProto(valid, message);
    wrong.change(message);
    const auto value = FromProto(std::move(message));
    EXPECT_EQ(value.status().code(), absl::StatusCode::kInvalidArgument) << wrong.field;
    EXPECT_THAT(value.status().message(), HasSubstr(wrong.field));
  }
}

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(Conversion, ModelSpec_WrongFields_AreInvalidArgumentByName) {
  using M = v1::ModelSpec;
  ExpectRefused<ModelSpec, M>(
      ExampleModelSpec(),
      {{"model.layers", [](M& m) { m.clear_layers(); }},
       {"number of model.layers is 1025, expected 1 to 1024",
        [](M& m) {
          while (m.layers_size() < 1025) *m.add_layers() = m.layers(0);
        }},
       {"model.layers[1].kind (layer 'depthwise1') is 77",
        [](M& m) { m.mutable_layers(1)->set_kind(static_cast<v1::LayerKind>(77)); }},
       {"model.layers[0].kind", [](M& m) { m.mutable_layers(0)->clear_kind(); }},
       {"model.layers[2].name",
        [](M& m) { m.mutable_layers(2)->set_name(std::string(20000, 'x')); }},
       {"model.name", [](M& m) { m.set_name(std::string(20000, 'x')); }}});
}

TEST(Conversion, CheckInRequest_WrongFields_AreInvalidArgumentByName) {
  using M = v1::CheckInRequest;
  ExpectRefused<CheckInRequest, M>(
      ExampleCheckInRequest(),
      {{"client_id has 4097 bytes", [](M& m) { m.set_client_id(std::string(4097, 'x')); }},
       {"capabilities.ram_bytes", [](M& m) { m.mutable_capabilities()->set_ram_bytes(-1); }},
       {"capabilities.flops_per_second",
        [](M& m) { m.mutable_capabilities()->set_flops_per_second(kNan); }},
       {"capabilities.downlink_bytes_per_second",
        [](M& m) { m.mutable_capabilities()->set_downlink_bytes_per_second(kInfinity); }},
       {"capabilities.uplink_bytes_per_second",
        [](M& m) { m.mutable_capabilities()->set_uplink_bytes_per_second(-1.0); }},
       {"capabilities.battery_joules",
        [](M& m) { m.mutable_capabilities()->set_battery_joules(-kInfinity); }},
       {"capabilities.codecs", [](M& m) { m.mutable_capabilities()->add_codecs(""); }},
       {"number of capabilities.codecs",
        [](M& m) {
          for (int i = 0; i < 64; ++i) m.mutable_capabilities()->add_codecs("none");
        }},
       {"number of capabilities.layer_kinds", [](M& m) {
          for (int i = 0; i < 64; ++i) m.mutable_capabilities()->add_layer_kinds(v1::relu);
        }}});
}

TEST(Conversion, Lease_WrongFields_AreInvalidArgumentByName) {
  using M = v1::CheckInReply;
  ExpectRefused<CheckInReply, M>(
      ExampleLease(),
      {{"protocol_version is 2, expected 3", [](M& m) { m.set_protocol_version(2); }},
       {"protocol_version is 4, expected 3", [](M& m) { m.set_protocol_version(4); }},
       {"answer is missing", [](M& m) { m.clear_answer(); }},
       {"lease.lease_id has 15 bytes, expected 16",
        [](M& m) { m.mutable_lease()->mutable_lease_id()->pop_back(); }},
       {"lease.task", [](M& m) { m.mutable_lease()->set_task(std::string(20000, 'x')); }},
       {"lease.base_hash has 33 bytes, expected 32",
        [](M& m) { m.mutable_lease()->mutable_base_hash()->push_back('x'); }},
       {"lease.model_bytes is 0", [](M& m) { m.mutable_lease()->set_model_bytes(0); }},
       {"lease.deadline_ms is -1", [](M& m) { m.mutable_lease()->set_deadline_ms(-1); }},
       {"lease.deadline_ms",
        [](M& m) { m.mutable_lease()->set_deadline_ms(30LL * 24 * 3600 * 1000 + 1); }},
       {"model.layers", [](M& m) { m.mutable_lease()->clear_plan(); }},
       {"batch_size",
        [](M& m) { m.mutable_lease()->mutable_plan()->mutable_train()->set_batch_size(0); }},
       {"learning_rate",
        [](M& m) {
          m.mutable_lease()->mutable_plan()->mutable_train()->set_learning_rate(
              std::numeric_limits<float>::quiet_NaN());
        }},
       {"momentum is -0.5",
        [](M& m) { m.mutable_lease()->mutable_plan()->mutable_train()->set_momentum(-0.5f); }},
       {"proximal_mu is nan",
        [](M& m) {
          m.mutable_lease()->mutable_plan()->mutable_train()->set_proximal_mu(
              std::numeric_limits<float>::quiet_NaN());
        }},
       {"plan.codec", [](M& m) { m.mutable_lease()->mutable_plan()->clear_codec(); }},
       {"plan.round is 0", [](M& m) { m.mutable_lease()->mutable_plan()->clear_round(); }},
       {"plan.round is 4294967296",
        [](M& m) { m.mutable_lease()->mutable_plan()->set_round(1ull << 32); }}});
}

TEST(Conversion, OtherCheckInReplies_WrongFields_AreInvalidArgumentByName) {
  using M = v1::CheckInReply;
  ExpectRefused<CheckInReply, M>(
      ComeBack{.retry_after = absl::Seconds(1), .reason = "wait"},
      {{"come_back.retry_after_ms", [](M& m) { m.mutable_come_back()->set_retry_after_ms(-1); }},
       {"come_back.reason",
        [](M& m) { m.mutable_come_back()->set_reason(std::string(20000, 'x')); }}});
  ExpectRefused<CheckInReply, M>(
      Refusal{.reason = RefusalReason::kNoExamples, .message = "no examples"},
      {{"refusal.reason is 0", [](M& m) { m.mutable_refusal()->clear_reason(); }},
       {"no examples",
        [](M& m) { m.mutable_refusal()->set_reason(static_cast<v1::RefusalReason>(99)); }},
       {"refusal.message",
        [](M& m) { m.mutable_refusal()->set_message(std::string(20000, 'x')); }}});
  ExpectRefused<CheckInReply, M>(TaskFinished{.task = "quickstart"},
                                 {{"task_finished.task", [](M& m) {
                                     m.mutable_task_finished()->set_task(std::string(20000, 'x'));
                                   }}});
}

TEST(Conversion, Update_WrongFields_AreInvalidArgumentByName) {
  using M = v1::Update;
  ExpectRefused<Update, M>(
      ExampleUpdate(),
      {{"lease_id has 0 bytes", [](M& m) { m.clear_lease_id(); }},
       {"base_hash has 31 bytes", [](M& m) { m.mutable_base_hash()->pop_back(); }},
       {"number of sections is 0", [](M& m) { m.clear_sections(); }},
       {"number of sections is 17",
        [](M& m) {
          while (m.sections_size() < 17) *m.add_sections() = m.sections(0);
        }},
       {"sections[1].name is 'parameters' a second time",
        [](M& m) { m.mutable_sections(1)->set_name("parameters"); }},
       {"no section is named 'parameters'",
        [](M& m) { m.mutable_sections(0)->set_name("weights"); }},
       {"sections[0].name", [](M& m) { m.mutable_sections(0)->set_name(std::string(65, 'x')); }},
       {"sections[0].codec", [](M& m) { m.mutable_sections(0)->set_codec(std::string(257, 'c')); }},
       {"report.num_examples is 0", [](M& m) { m.clear_report(); }},
       {"report.num_examples is -5", [](M& m) { m.mutable_report()->set_num_examples(-5); }},
       {"report.local_steps", [](M& m) { m.mutable_report()->set_local_steps(-1); }},
       {"report.train_loss is nan", [](M& m) { m.mutable_report()->set_train_loss(kNan); }},
       {"report.peak_memory_bytes", [](M& m) { m.mutable_report()->set_peak_memory_bytes(-1); }},
       {"report.metrics['energy_j'] is inf",
        [](M& m) { (*m.mutable_report()->mutable_metrics())["energy_j"] = kInfinity; }},
       {"name in report.metrics",
        [](M& m) { (*m.mutable_report()->mutable_metrics())[std::string(65, 'x')] = 1.0; }},
       {"report.metrics has 66 entries", [](M& m) {
          for (int i = 0; i < 64; ++i) {
            (*m.mutable_report()->mutable_metrics())[std::to_string(i)] = 1.0;
          }
        }}});
}

TEST(Conversion, OtherMessages_WrongFields_AreInvalidArgumentByName) {
  ExpectRefused<FetchModelRequest, v1::FetchModelRequest>(
      {.lease_id = std::string(16, 'x')},
      {{"lease_id", [](v1::FetchModelRequest& m) { m.set_lease_id("short"); }}});
  ExpectRefused<Chunk, v1::Chunk>(
      ExampleChunk(), {{"chunk.lease_id", [](v1::Chunk& m) { m.set_lease_id("short"); }}});
  ExpectRefused<SubmitUpdateReply, v1::SubmitUpdateReply>(
      {.round = 1},
      {{"retry_after_ms", [](v1::SubmitUpdateReply& m) { m.set_retry_after_ms(-1); }}});
  ExpectRefused<ReportFailureReply, v1::ReportFailureReply>(
      {}, {{"retry_after_ms", [](v1::ReportFailureReply& m) { m.set_retry_after_ms(1LL << 60); }}});
  using Failure = v1::ReportFailureRequest;
  ExpectRefused<ReportFailureRequest, Failure>(
      {.lease_id = std::string(16, 'x')},
      {{"lease_id", [](Failure& m) { m.clear_lease_id(); }},
       {"message", [](Failure& m) { m.set_message(std::string(20000, 'x')); }}});
}

}  // namespace
}  // namespace tern
