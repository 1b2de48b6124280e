// The service over a real port, with a client that is free to do what no well-behaved one does.
#include "server/grpc/coordinator_service.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "core/base/crc32c.h"
#include "core/wire/chunks.h"
#include "core/wire/proto_conversion.h"
#include "tests/testing/grpc_coordinator.h"

namespace tern::server {
namespace {

using ::tern::testing::GrpcCoordinator;
using ::tern::testing::MakeUpdate;
using ::tern::testing::ModelOfManyChunks;
using ::tern::testing::TakeLease;
using ::testing::HasSubstr;

class CoordinatorServiceTest : public ::testing::Test {
 protected:
  void Start(testing::GrpcCoordinatorOptions options) {
    running_ = std::make_unique<GrpcCoordinator>(std::move(options));
    stub_ = v1::Coordinator::NewStub(
        grpc::CreateChannel(running_->address(), grpc::InsecureChannelCredentials()));
  }

  // Sends these chunks, ends the stream, and returns what the coordinator says.
  grpc::Status Submit(const std::vector<v1::Chunk>& chunks) {
    grpc::ClientContext context;
    v1::SubmitUpdateReply reply;
    const auto writer = stub_->SubmitUpdate(&context, &reply);
    for (const v1::Chunk& chunk : chunks) {
      if (!writer->Write(chunk)) break;
    }
    writer->WritesDone();
    return writer->Finish();
  }

  grpc::Status Fetch(const std::string& lease_id, uint64_t offset, std::vector<v1::Chunk>& chunks) {
    grpc::ClientContext context;
    v1::FetchModelRequest request;
    request.set_lease_id(lease_id);
    request.set_offset(offset);
    const auto reader = stub_->FetchModel(&context, request);
    for (v1::Chunk chunk; reader->Read(&chunk);) chunks.push_back(chunk);
    return reader->Finish();
  }

  Lease Take() { return TakeLease(*running_->coordinator, "client-0"); }
  uint64_t version() const { return running_->coordinator->model()->version; }

  void ExpectRefused(const grpc::Status& status, grpc::StatusCode code, const char* message) {
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(message));
    EXPECT_EQ(version(), 0u);
  }

  std::unique_ptr<GrpcCoordinator> running_;
  std::unique_ptr<v1::Coordinator::Stub> stub_;
};

std::vector<v1::Chunk> Split(const std::string& bytes, const std::string& lease_id) {
  std::vector<v1::Chunk> chunks;
  EXPECT_TRUE(SendChunks(bytes, 0, lease_id, [&](const Chunk& chunk) {
                ToProto(chunk, chunks.emplace_back());
                return absl::OkStatus();
              }).ok());
  return chunks;
}

// As many values as the model of the options has.
std::vector<float> Values(const ModelSpec& model, float value) {
  return std::vector<float>(static_cast<size_t>(MakeParameterLayout(model)->size), value);
}

TEST_F(CoordinatorServiceTest, Submit_ValidUpdate_MakesTheNextModel) {
  Start({.model = ModelOfManyChunks()});
  const Lease lease = Take();
  const Update update = MakeUpdate(lease, Values(ModelOfManyChunks(), 0.5f));
  const grpc::Status status = Submit(Split(Serialize(update), lease.lease_id));
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(version(), 1u);
}

TEST_F(CoordinatorServiceTest, Submit_Again_GivesTheSameReceiptAndCountsOnce) {
  Start({});
  const Lease lease = Take();
  const std::vector<v1::Chunk> chunks =
      Split(Serialize(MakeUpdate(lease, {1, 1, 1, 1, 1, 1})), lease.lease_id);
  EXPECT_TRUE(Submit(chunks).ok());
  EXPECT_TRUE(Submit(chunks).ok());
  EXPECT_EQ(version(), 1u);
}

TEST_F(CoordinatorServiceTest, Submit_StreamThatEndsEarly_IsDataLoss) {
  Start({.model = ModelOfManyChunks()});
  const Lease lease = Take();
  std::vector<v1::Chunk> chunks =
      Split(Serialize(MakeUpdate(lease, Values(ModelOfManyChunks(), 0.5f))), lease.lease_id);
  ASSERT_GT(chunks.size(), 3u);
  while (!chunks.empty()) {
    chunks.pop_back();
    ExpectRefused(Submit(chunks), grpc::StatusCode::DATA_LOSS, "the stream ended");
  }
}

TEST_F(CoordinatorServiceTest, Submit_CancelledInTheMiddle_ChangesNothing) {
  Start({.model = ModelOfManyChunks()});
  const Lease lease = Take();
  const std::vector<v1::Chunk> chunks =
      Split(Serialize(MakeUpdate(lease, Values(ModelOfManyChunks(), 0.5f))), lease.lease_id);
  grpc::ClientContext context;
  v1::SubmitUpdateReply reply;
  const auto writer = stub_->SubmitUpdate(&context, &reply);
  ASSERT_TRUE(writer->Write(chunks[0]));
  ASSERT_TRUE(writer->Write(chunks[1]));
  context.TryCancel();
  EXPECT_EQ(writer->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_EQ(version(), 0u);
  EXPECT_TRUE(Submit(chunks).ok());
  EXPECT_EQ(version(), 1u);
}

TEST_F(CoordinatorServiceTest, Submit_ChunksThatAreWrong_AreRefusedByName) {
  Start({.model = ModelOfManyChunks()});
  const Lease lease = Take();
  const std::vector<v1::Chunk> valid =
      Split(Serialize(MakeUpdate(lease, Values(ModelOfManyChunks(), 0.5f))), lease.lease_id);
  constexpr auto kInvalid = grpc::StatusCode::INVALID_ARGUMENT;

  std::vector<v1::Chunk> chunks = valid;
  chunks[0].clear_lease_id();
  ExpectRefused(Submit(chunks), kInvalid, "first chunk: no lease_id");
  chunks = valid;
  chunks[0].set_lease_id("short");
  ExpectRefused(Submit(chunks), kInvalid, "chunk.lease_id has 5 bytes, expected 16");
  chunks = valid;
  chunks[0].clear_total_bytes();
  ExpectRefused(Submit(chunks), kInvalid, "total_bytes is 0");
  chunks = valid;
  chunks[0].set_total_bytes(1ull << 50);
  ExpectRefused(Submit(chunks), kInvalid, "total_bytes is 1125899906842624, expected at most");
  chunks = valid;
  std::swap(chunks[1], chunks[2]);
  ExpectRefused(Submit(chunks), kInvalid, "chunk at offset 524288");
  chunks = valid;
  chunks[1].set_crc32c(chunks[1].crc32c() ^ 1);
  ExpectRefused(Submit(chunks), grpc::StatusCode::DATA_LOSS, "wrong checksum");
}

TEST_F(CoordinatorServiceTest, Submit_MessageAboveTheLimit_IsRefusedUnread) {
  Start({});
  v1::Chunk chunk;
  chunk.set_data(std::string(4 << 20, 'x'));
  ExpectRefused(Submit({chunk}), grpc::StatusCode::RESOURCE_EXHAUSTED, "larger than max");
}

TEST_F(CoordinatorServiceTest, Call_WithACompressedMessage_IsRefused) {
  Start({});
  grpc::ClientContext context;
  context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  v1::CheckInRequest request;
  request.set_client_id(std::string(4000, 'x'));
  v1::CheckInReply reply;
  ExpectRefused(stub_->CheckIn(&context, request, &reply), grpc::StatusCode::UNIMPLEMENTED, "gzip");
}

TEST_F(CoordinatorServiceTest, Submit_NotFiniteOrTooLarge_IsInvalidArgument) {
  Start({});
  const Lease lease = Take();
  for (const float value :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity(), 1e6f}) {
    const std::vector<float> values = {0, 0, 0, value, 0, 0};
    Update update = MakeUpdate(lease, Values(testing::SmallestModel(), 0.0f));
    testing::ReplacePayload(
        update.sections[0].frame,
        absl::string_view(reinterpret_cast<const char*>(values.data()), 4 * values.size()));
    ExpectRefused(Submit(Split(Serialize(update), lease.lease_id)),
                  grpc::StatusCode::INVALID_ARGUMENT, "3");
  }
}

TEST_F(CoordinatorServiceTest, Submit_UnderAnUnknownLease_IsNotFound) {
  Start({});
  const Update update = MakeUpdate(Take(), {1, 1, 1, 1, 1, 1});
  ExpectRefused(Submit(Split(Serialize(update), std::string(16, 'x'))), grpc::StatusCode::NOT_FOUND,
                "lease");
}

TEST_F(CoordinatorServiceTest, Submit_AfterTheDeadline_IsFailedPrecondition) {
  Start({});
  const Lease lease = Take();
  running_->clock.Advance(absl::Seconds(61));
  ExpectRefused(Submit(Split(Serialize(MakeUpdate(lease, {1, 1, 1, 1, 1, 1})), lease.lease_id)),
                grpc::StatusCode::FAILED_PRECONDITION, "closed");
}

TEST_F(CoordinatorServiceTest, Fetch_FromAnyOffset_StreamsTheRest) {
  Start({.model = ModelOfManyChunks()});
  const Lease lease = Take();
  const std::string& frame = running_->coordinator->model()->frame;
  for (const uint64_t offset : {uint64_t{0}, uint64_t{300000}, uint64_t{frame.size()}}) {
    std::vector<v1::Chunk> chunks;
    ASSERT_TRUE(Fetch(lease.lease_id, offset, chunks).ok());
    std::string received = frame.substr(0, offset);
    for (const v1::Chunk& chunk : chunks) received += chunk.data();
    EXPECT_EQ(received, frame);
  }
}

TEST_F(CoordinatorServiceTest, Fetch_WrongRequests_AreRefusedByName) {
  Start({});
  const Lease lease = Take();
  std::vector<v1::Chunk> chunks;
  ExpectRefused(Fetch("short", 0, chunks), grpc::StatusCode::INVALID_ARGUMENT, "lease_id");
  ExpectRefused(Fetch(std::string(16, 'x'), 0, chunks), grpc::StatusCode::NOT_FOUND, "lease");
  ExpectRefused(Fetch(lease.lease_id, 1ull << 40, chunks), grpc::StatusCode::OUT_OF_RANGE,
                "past the end");
  EXPECT_TRUE(chunks.empty());
}

TEST_F(CoordinatorServiceTest, Bytes_AreThoseOfTheMessages) {
  Start({.model = ModelOfManyChunks()});
  grpc::ClientContext context;
  v1::CheckInRequest request;
  ToProto(CheckInRequest{.client_id = "client-0", .num_examples = 10}, request);
  v1::CheckInReply reply;
  ASSERT_TRUE(stub_->CheckIn(&context, request, &reply).ok());
  size_t up = request.ByteSizeLong();
  size_t down = reply.ByteSizeLong();

  const Lease lease = Take();
  std::vector<v1::Chunk> fetched;
  ASSERT_TRUE(Fetch(lease.lease_id, 0, fetched).ok());
  up += 2 + lease.lease_id.size();
  for (const v1::Chunk& chunk : fetched) down += chunk.ByteSizeLong();
  const Traffic after_fetch = running_->coordinator->total_traffic();
  EXPECT_EQ(after_fetch.bytes_up, static_cast<int64_t>(up));
  EXPECT_EQ(after_fetch.bytes_down, static_cast<int64_t>(down));
  EXPECT_EQ(after_fetch.bytes_retransmitted, 0);
}

TEST_F(CoordinatorServiceTest, Bytes_SentAgain_AreCountedApart) {
  Start({.model = ModelOfManyChunks()});
  const Lease lease = Take();
  std::vector<v1::Chunk> fetched;
  ASSERT_TRUE(Fetch(lease.lease_id, 0, fetched).ok());
  const Traffic once = running_->coordinator->total_traffic();
  ASSERT_TRUE(Fetch(lease.lease_id, 0, fetched).ok());
  Traffic now = running_->coordinator->total_traffic();
  const auto model_bytes = static_cast<int64_t>(running_->coordinator->model()->frame.size());
  EXPECT_EQ(now.bytes_retransmitted, model_bytes);
  EXPECT_EQ(now.bytes_down, 2 * once.bytes_down - model_bytes);

  const std::string update = Serialize(MakeUpdate(lease, Values(ModelOfManyChunks(), 0.5f)));
  ASSERT_TRUE(Submit(Split(update, lease.lease_id)).ok());
  ASSERT_TRUE(Submit(Split(update, lease.lease_id)).ok());
  now = running_->coordinator->total_traffic();
  EXPECT_EQ(now.bytes_retransmitted, model_bytes + static_cast<int64_t>(update.size()));
}

TEST_F(CoordinatorServiceTest, CheckIn_MalformedRequest_NamesTheField) {
  Start({});
  grpc::ClientContext context;
  v1::CheckInRequest request;
  request.mutable_capabilities()->set_ram_bytes(-1);
  v1::CheckInReply reply;
  ExpectRefused(stub_->CheckIn(&context, request, &reply), grpc::StatusCode::INVALID_ARGUMENT,
                "capabilities.ram_bytes");
}

TEST_F(CoordinatorServiceTest, CheckIn_WithoutCertificates_IsNotAskedForAName) {
  Start({});
  grpc::ClientContext context;
  v1::CheckInRequest request;
  ToProto(CheckInRequest{.client_id = "anybody", .num_examples = 10}, request);
  v1::CheckInReply reply;
  EXPECT_TRUE(stub_->CheckIn(&context, request, &reply).ok());
  EXPECT_TRUE(reply.has_lease());
}

TEST_F(CoordinatorServiceTest, ReportFailure_GivesTheLeaseBack) {
  Start({});
  const Lease lease = Take();
  grpc::ClientContext context;
  v1::ReportFailureRequest request;
  ToProto(ReportFailureRequest{.lease_id = lease.lease_id, .message = "no memory"}, request);
  v1::ReportFailureReply reply;
  EXPECT_TRUE(stub_->ReportFailure(&context, request, &reply).ok());
  ExpectRefused(Submit(Split(Serialize(MakeUpdate(lease, {1, 1, 1, 1, 1, 1})), lease.lease_id)),
                grpc::StatusCode::FAILED_PRECONDITION, "");
}

}  // namespace
}  // namespace tern::server
