#include "server/grpc/grpc_server.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "core/base/crc32c.h"
#include "core/wire/chunks.h"
#include "core/wire/proto_conversion.h"
#include "core/wire/serialize.h"
#include "tern/v1/coordinator.grpc.pb.h"
#include "tests/testing/certificates.h"
#include "tests/testing/grpc_coordinator.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace tern::server {
namespace {

using ::tern::testing::GrpcCoordinator;
using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;

class GrpcServerTest : public ::testing::Test {
 protected:
  absl::Status Start(GrpcServer::Options options) {
    if (options.listen.empty()) options.listen = "127.0.0.1:0";
    return GrpcServer::Start(running_.coordinator.get(), options).status();
  }

  GrpcCoordinator running_;
};

TEST_F(GrpcServerTest, Start_OnPortZero_SaysWhichPortItTook) {
  EXPECT_GT(running_.server->port(), 0);
}

TEST_F(GrpcServerTest, Start_WithoutTlsAndWithoutInsecure_IsFailedPrecondition) {
  EXPECT_THAT(Start({}), StatusIs(absl::StatusCode::kFailedPrecondition, "--insecure"));
  EXPECT_THAT(Start({.certificate_file = "server.crt"}),
              StatusIs(absl::StatusCode::kFailedPrecondition, "server.tls.private_key"));
}

TEST_F(GrpcServerTest, Start_ListenThatIsNoAddress_IsInvalidArgument) {
  for (const char* listen : {"9092", "localhost", ":9092", "localhost:", "localhost:http",
                             "localhost:65536", "localhost:-1"}) {
    EXPECT_THAT(Start({.listen = listen, .insecure = true}),
                StatusIs(absl::StatusCode::kInvalidArgument, listen));
  }
}

TEST_F(GrpcServerTest, Start_OnAPortInUse_NamesTheAddress) {
  const std::string address = running_.address();
  EXPECT_THAT(Start({.listen = address, .insecure = true}),
              StatusIs(absl::StatusCode::kUnavailable, "cannot listen on " + address));
}

TEST_F(GrpcServerTest, Start_WrongTlsFiles_NamesTheFile) {
  const testing::TemporaryDirectory directory;
  testing::MakeCertificates(directory.path(), {"other"});
  const auto file = [&](const char* name) { return directory.File(name); };
  std::ofstream(file("text")) << "no PEM at all\n";
  std::ofstream(file("large")) << std::string(2 << 20, 'x');
  const auto expect = [&](const char* certificate, const char* key, const char* ca,
                          absl::StatusCode code, const std::string& message) {
    EXPECT_THAT(Start({.certificate_file = file(certificate),
                       .private_key_file = file(key),
                       .client_ca_file = ca == nullptr ? "" : file(ca)}),
                StatusIs(code, message));
  };
  constexpr auto kNotFound = absl::StatusCode::kNotFound;
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  expect("none.crt", "server.key", nullptr, kNotFound, file("none.crt"));
  expect("server.crt", "none.key", nullptr, kNotFound, file("none.key"));
  expect("server.crt", "server.key", "none.crt", kNotFound, file("none.crt"));
  expect("text", "server.key", nullptr, kInvalid, file("text") + ": no certificate");
  expect("large", "server.key", nullptr, kInvalid, file("large") + ": larger than");
  expect("server.crt", "text", nullptr, kInvalid, file("text") + ": no private key");
  expect("server.crt", "server.key", "text", kInvalid, file("text") + ": no certificate");
  expect("server.crt", "other.key", nullptr, kInvalid,
         file("other.key") + ": not the private key of the certificate in " + file("server.crt"));
  EXPECT_THAT(
      Start({.certificate_file = file("server.crt"), .private_key_file = file("server.key")}),
      IsOk());
}

TEST_F(GrpcServerTest, Health_IsServing) {
  grpc::GenericStub stub(
      grpc::CreateChannel(running_.address(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const grpc::Slice nothing;
  const grpc::ByteBuffer request(&nothing, 1);  // an empty HealthCheckRequest: the whole server
  grpc::ByteBuffer reply;
  grpc::Status status;
  const auto call =
      stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", request, &queue);
  call->StartCall();
  call->Finish(&reply, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  ASSERT_TRUE(queue.Next(&tag, &ok));
  ASSERT_TRUE(status.ok()) << status.error_message();
  grpc::Slice bytes;
  ASSERT_TRUE(reply.DumpToSingleSlice(&bytes).ok());
  // HealthCheckResponse {status: SERVING}.
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), "\x08\x01");
}

// A device that is connected and says nothing must not hold a coordinator up.
TEST_F(GrpcServerTest, Shutdown_WithAnIdleConnection_DoesNotUseItsGrace) {
  const auto channel = grpc::CreateChannel(running_.address(), grpc::InsecureChannelCredentials());
  ASSERT_TRUE(channel->WaitForConnected(absl::ToChronoTime(absl::Now() + absl::Seconds(30))));
  const absl::Time start = absl::Now();
  running_.server->Shutdown(absl::Seconds(60));
  EXPECT_LT(absl::Now() - start, absl::Seconds(30));
}

TEST_F(GrpcServerTest, Shutdown_WithARunningCall_LetsItFinishWithinTheGrace) {
  auto stub = v1::Coordinator::NewStub(
      grpc::CreateChannel(running_.address(), grpc::InsecureChannelCredentials()));
  const Lease lease = testing::TakeLease(*running_.coordinator, "client-0");
  const std::string update = Serialize(testing::MakeUpdate(lease, {1, 1, 1, 1, 1, 1}));
  grpc::ClientContext context;
  v1::SubmitUpdateReply reply;
  const auto writer = stub->SubmitUpdate(&context, &reply);
  // One chunk, then the end of the stream once the server is shutting down.
  ASSERT_TRUE(SendChunks(update, 0, lease.lease_id, [&](const Chunk& chunk) {
                v1::Chunk message;
                ToProto(chunk, message);
                return writer->Write(message) ? absl::OkStatus() : absl::UnavailableError("");
              }).ok());
  // The call runs when its bytes have been counted.
  while (running_.coordinator->total_traffic().bytes_up == 0) std::this_thread::yield();
  std::thread shutdown([&] { running_.server->Shutdown(absl::Seconds(60)); });
  writer->WritesDone();
  const grpc::Status status = writer->Finish();
  shutdown.join();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(running_.coordinator->model()->version, 1u);
}

TEST_F(GrpcServerTest, Shutdown_WithACallThatDoesNotEnd_CancelsItAfterTheGrace) {
  auto stub = v1::Coordinator::NewStub(
      grpc::CreateChannel(running_.address(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  v1::SubmitUpdateReply reply;
  const auto writer = stub->SubmitUpdate(&context, &reply);
  v1::Chunk chunk;
  chunk.set_lease_id(testing::TakeLease(*running_.coordinator, "client-0").lease_id);
  chunk.set_total_bytes(100);
  chunk.set_data("x");
  chunk.set_crc32c(Crc32c("x"));
  ASSERT_TRUE(writer->Write(chunk));
  while (running_.coordinator->total_traffic().bytes_up == 0) std::this_thread::yield();
  running_.server->Shutdown(absl::Milliseconds(1));
  EXPECT_FALSE(writer->Finish().ok());
}

TEST_F(GrpcServerTest, Shutdown_Twice_IsHarmless) {
  running_.server->Shutdown(absl::ZeroDuration());
  running_.server->Shutdown(absl::ZeroDuration());
}

}  // namespace
}  // namespace tern::server
