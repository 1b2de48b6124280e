#include "client/grpc/grpc_transport.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "core/crypto/sha256.h"
#include "core/wire/chunks.h"
#include "core/wire/proto_conversion.h"
#include "tern/v1/coordinator.grpc.pb.h"
#include "tests/testing/grpc_coordinator.h"
#include "tests/testing/status_matchers.h"

namespace tern::client {
namespace {

using ::tern::testing::GrpcCoordinator;
using ::tern::testing::IsOk;
using ::tern::testing::MakeUpdate;
using ::tern::testing::ModelOfManyChunks;
using ::tern::testing::StatusIs;

std::unique_ptr<Transport> Connect(const std::string& address) {
  auto transport = MakeGrpcTransport({.server = address, .insecure = true});
  EXPECT_THAT(transport, IsOk());
  return *std::move(transport);
}

Lease TakeLease(Transport& transport) {
  return std::get<Lease>(*transport.CheckIn({.client_id = "client-0", .num_examples = 10}));
}

TEST(GrpcTransport, ARound_FromCheckInToReceipt) {
  GrpcCoordinator running({.model = ModelOfManyChunks()});
  const auto transport = Connect(running.address());
  const Lease lease = TakeLease(*transport);
  EXPECT_EQ(lease.plan.model, ModelOfManyChunks());
  std::string model;
  ASSERT_THAT(transport->FetchModel(lease.lease_id, lease.model_bytes, model), IsOk());
  EXPECT_EQ(model, running.coordinator->model()->frame);
  const std::vector<float> values(running.coordinator->model()->parameters.size(), 0.25f);
  const std::string update = Serialize(MakeUpdate(lease, values));
  const auto receipt = transport->SubmitUpdate(lease.lease_id, update);
  ASSERT_THAT(receipt, IsOk());
  EXPECT_EQ(receipt->round, 1u);
  EXPECT_EQ(running.coordinator->model()->version, 1u);
  EXPECT_THAT(transport->SubmitUpdate(lease.lease_id, update), IsOk());
  EXPECT_EQ(running.coordinator->model()->version, 1u);
}

TEST(GrpcTransport, Fetch_WithAPartAlreadyThere_FetchesTheRestAlone) {
  GrpcCoordinator running({.model = ModelOfManyChunks()});
  const auto transport = Connect(running.address());
  const Lease lease = TakeLease(*transport);
  const int64_t before = running.coordinator->total_traffic().bytes_down;
  std::string model = running.coordinator->model()->frame.substr(0, 1000000);
  ASSERT_THAT(transport->FetchModel(lease.lease_id, lease.model_bytes, model), IsOk());
  EXPECT_EQ(model, running.coordinator->model()->frame);
  EXPECT_LT(running.coordinator->total_traffic().bytes_down - before, lease.model_bytes - 999000);
  // Nothing is missing: a fetch that is told so.
  EXPECT_THAT(transport->FetchModel(lease.lease_id, lease.model_bytes, model), IsOk());
  EXPECT_EQ(model, running.coordinator->model()->frame);
}

TEST(GrpcTransport, Fetch_MoreThanAsked_IsInvalidArgument) {
  GrpcCoordinator running;
  const auto transport = Connect(running.address());
  const Lease lease = TakeLease(*transport);
  std::string model;
  EXPECT_THAT(transport->FetchModel(lease.lease_id, lease.model_bytes - 1, model),
              StatusIs(absl::StatusCode::kInvalidArgument, "total_bytes"));
  EXPECT_EQ(model, "");
}

TEST(GrpcTransport, ErrorsOfTheCoordinator_ArriveWithCodeAddressAndReason) {
  GrpcCoordinator running;
  const auto transport = Connect(running.address());
  const std::string unknown(16, 'x');
  std::string model;
  EXPECT_THAT(transport->FetchModel(unknown, 100, model),
              StatusIs(absl::StatusCode::kNotFound,
                       absl::StrCat("coordinator at ", running.address(), ": no such lease")));
  EXPECT_THAT(transport->SubmitUpdate(unknown, "not an update"),
              StatusIs(absl::StatusCode::kNotFound, "no such lease"));
  EXPECT_THAT(transport->ReportFailure({.lease_id = unknown, .message = "no memory"}),
              StatusIs(absl::StatusCode::kNotFound, "no such lease"));
  EXPECT_THAT(transport->SubmitUpdate("short", "not an update"),
              StatusIs(absl::StatusCode::kInvalidArgument, "lease_id has 5 bytes"));
}

TEST(GrpcTransport, UploadThatIsRefusedAtItsStart_SaysWhy) {
  GrpcCoordinator running;
  const auto transport = Connect(running.address());
  const Lease lease = TakeLease(*transport);
  EXPECT_THAT(transport->SubmitUpdate(lease.lease_id, std::string(8 << 20, 'x')),
              StatusIs(absl::StatusCode::kInvalidArgument, "expected at most"));
}

// A port of this machine that nobody listens on, or on which nobody answers.
class SilentPort {
 public:
  explicit SilentPort(bool listening) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    if (listening) {
      EXPECT_EQ(listen(socket_, 1), 0);
    }
    socklen_t size = sizeof(address);
    EXPECT_EQ(getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    address_ = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
  }
  ~SilentPort() { close(socket_); }

  const std::string& address() const { return address_; }

 private:
  int socket_;
  std::string address_;
};

TEST(GrpcTransport, NobodyListens_IsUnavailableWithAddressAndCause) {
  const SilentPort port(/*listening=*/false);
  const auto transport = Connect(port.address());
  const auto reply = transport->CheckIn({.client_id = "client-0"});
  EXPECT_THAT(reply, StatusIs(absl::StatusCode::kUnavailable,
                              absl::StrCat("coordinator at ", port.address(), ": ")));
  EXPECT_THAT(reply, StatusIs(absl::StatusCode::kUnavailable, "Connection refused"));
  EXPECT_THAT(reply,
              StatusIs(absl::StatusCode::kUnavailable, "is it running, is the address right?"));
}

TEST(GrpcTransport, HostThatDoesNotExist_IsUnavailableAndSaysWhatToCheck) {
  const auto transport = Connect("no-such-host.invalid:9092");
  EXPECT_THAT(transport->CheckIn({.client_id = "client-0"}),
              StatusIs(absl::StatusCode::kUnavailable, "is the address right?"));
}

TEST(GrpcTransport, Make_ServerThatIsNoAddress_IsInvalidArgument) {
  for (const char* server : {"", "127.0.0.1", ":9092", "localhost:", "localhost:0", "host:http"}) {
    EXPECT_THAT(
        MakeGrpcTransport({.server = server, .insecure = true}),
        StatusIs(absl::StatusCode::kInvalidArgument, absl::StrCat("server is '", server, "'")));
  }
}

TEST(GrpcTransport, NobodyAnswers_EndsAtTheDeadline) {
  const SilentPort port(/*listening=*/true);
  auto transport = *MakeGrpcTransport(
      {.server = port.address(), .insecure = true, .call_timeout = absl::Milliseconds(200)});
  const absl::Status status = transport->CheckIn({.client_id = "client-0"}).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDeadlineExceeded, port.address()));
}

TEST(GrpcTransport, AfterTheServerCameBack_CallsSucceedAgain) {
  auto running = std::make_unique<GrpcCoordinator>();
  const std::string address = running->address();
  const auto transport = Connect(address);
  EXPECT_THAT(transport->CheckIn({.client_id = "client-0", .num_examples = 1}), IsOk());
  running->server.reset();
  EXPECT_THAT(transport->CheckIn({.client_id = "client-0", .num_examples = 1}),
              StatusIs(absl::StatusCode::kUnavailable, address));
  const auto again =
      server::GrpcServer::Start(running->coordinator.get(), {.listen = address, .insecure = true});
  ASSERT_THAT(again, IsOk());
  // The first attempt after a failure comes a little later: calls until then fail at once.
  absl::Status status;
  for (const absl::Time give_up = absl::Now() + absl::Seconds(20); absl::Now() < give_up;) {
    status = transport->CheckIn({.client_id = "client-0", .num_examples = 1}).status();
    if (status.ok()) break;
  }
  EXPECT_THAT(status, IsOk());
}

// What a server answers.
struct Answers {
  v1::CheckInReply check_in_reply;
  grpc::Status check_in_status;
  std::string model = std::string(600000, 'm');
  std::function<void(v1::Chunk&)> change_chunk = [](v1::Chunk&) {};
  grpc::Status fetch_status;
};

// A server that answers as the test says.
class FakeServer final : public v1::Coordinator::Service {
 public:
  explicit FakeServer(const Answers& answers) : answers_(answers) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }

  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

  grpc::Status CheckIn(grpc::ServerContext*, const v1::CheckInRequest*,
                       v1::CheckInReply* reply) override {
    *reply = answers_.check_in_reply;
    return answers_.check_in_status;
  }
  grpc::Status FetchModel(grpc::ServerContext*, const v1::FetchModelRequest* request,
                          grpc::ServerWriter<v1::Chunk>* writer) override {
    const auto send = [&](const Chunk& chunk) {
      v1::Chunk message;
      ToProto(chunk, message);
      answers_.change_chunk(message);
      writer->Write(message);
      return absl::OkStatus();
    };
    const absl::Status sent = SendChunks(answers_.model, request->offset(), "", send);
    return sent.ok() ? answers_.fetch_status : grpc::Status(grpc::StatusCode::OUT_OF_RANGE, "");
  }

 private:
  const Answers answers_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

TEST(GrpcTransport, CheckIn_ReplyThatIsWrong_IsInvalidArgument) {
  Answers answers;
  answers.check_in_reply.set_protocol_version(kProtocolVersion);
  const FakeServer server(answers);
  const auto transport = Connect(server.address());
  EXPECT_THAT(transport->CheckIn({.client_id = "client-0"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       absl::StrCat("coordinator at ", server.address(), ": answer is missing")));
}

TEST(GrpcTransport, CallThatIsCutOff_MayBeTriedAgain) {
  const FakeServer lost({.check_in_status = {grpc::StatusCode::UNKNOWN, "Stream removed"}});
  EXPECT_THAT(Connect(lost.address())->CheckIn({.client_id = "client-0"}),
              StatusIs(absl::StatusCode::kUnavailable, "the call was cut off: Stream removed"));
  const FakeServer stopping({.check_in_status = {grpc::StatusCode::CANCELLED, ""}});
  EXPECT_THAT(Connect(stopping.address())->CheckIn({.client_id = "client-0"}),
              StatusIs(absl::StatusCode::kCancelled, stopping.address()));
}

TEST(GrpcTransport, Fetch_ChunkDamagedOnItsWay_IsUnavailableAndGoesOnFromThere) {
  Answers answers;
  std::atomic<bool> damaged = false;
  answers.change_chunk = [&damaged](v1::Chunk& chunk) {
    if (chunk.offset() == 0 || damaged.exchange(true)) return;
    chunk.set_crc32c(chunk.crc32c() + 1);
  };
  const FakeServer server(answers);
  const auto transport = Connect(server.address());
  std::string model;
  EXPECT_THAT(transport->FetchModel(std::string(16, 'x'), 600000, model),
              StatusIs(absl::StatusCode::kUnavailable, "wrong checksum"));
  EXPECT_EQ(model.size(), kMaxChunkBytes);
  EXPECT_THAT(transport->FetchModel(std::string(16, 'x'), 600000, model), IsOk());
  EXPECT_EQ(model, answers.model);
}

TEST(GrpcTransport, Fetch_CutOffInTheMiddle_KeepsWhatArrived) {
  // Announces more than it sends.
  const auto announce_more = [](v1::Chunk& chunk) {
    if (chunk.total_bytes() != 0) chunk.set_total_bytes(700000);
  };
  const FakeServer lost({.change_chunk = announce_more,
                         .fetch_status = {grpc::StatusCode::UNAVAILABLE, "going away"}});
  std::string model;
  EXPECT_THAT(Connect(lost.address())->FetchModel(std::string(16, 'x'), 700000, model),
              StatusIs(absl::StatusCode::kUnavailable, "going away"));
  EXPECT_EQ(model, Answers().model);
  const FakeServer short_stream({.change_chunk = announce_more});
  model.clear();
  EXPECT_THAT(Connect(short_stream.address())->FetchModel(std::string(16, 'x'), 700000, model),
              StatusIs(absl::StatusCode::kUnavailable, "after 600000 of 700000 bytes"));
  EXPECT_EQ(model, Answers().model);
}

TEST(GrpcTransport, Fetch_ChunksThatAreWrong_AreInvalidArgument) {
  const FakeServer server(
      {.change_chunk = [](v1::Chunk& chunk) { chunk.set_offset(chunk.offset() + 1); }});
  std::string model;
  EXPECT_THAT(Connect(server.address())->FetchModel(std::string(16, 'x'), 600000, model),
              StatusIs(absl::StatusCode::kInvalidArgument, "expected offset 0"));
}

}  // namespace
}  // namespace tern::client
