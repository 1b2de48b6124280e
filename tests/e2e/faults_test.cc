// What goes wrong in a deployment, and what the others notice of it.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "client/grpc/grpc_transport.h"
#include "core/base/crc32c.h"
#include "core/model/parameter_layout.h"
#include "core/wire/chunks.h"
#include "core/wire/proto_conversion.h"
#include "tern/v1/coordinator.grpc.pb.h"
#include "tests/e2e/programs.h"
#include "tests/testing/certificates.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/updates.h"

namespace tern::e2e {
namespace {

using ::tern::testing::ExitStatus;
using ::tern::testing::IsOk;
using ::tern::testing::MakeUpdate;
using ::tern::testing::Process;
using ::tern::testing::StatusIs;
using ::tern::testing::TemporaryDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// `round`: what stands under task.round.
std::string Config(int num_rounds, const std::string& round) {
  return absl::StrCat(
      "task:\n  model: tiny_cnn\n  num_rounds: ", num_rounds,
      "\n  codec: {up: none}\n  train: {local_epochs: 40, batch_size: 1}\n  round: {", round,
      "}\n  evaluate: {every: 0}\n");
}

// A client made by hand, which does what it is told.
class HandMadeClient {
 public:
  HandMadeClient(const std::string& address, std::string id)
      : id_(std::move(id)),
        stub_(v1::Coordinator::NewStub(
            grpc::CreateChannel(address, grpc::InsecureChannelCredentials()))),
        transport_(*client::MakeGrpcTransport({.server = address, .insecure = true})) {}

  client::Transport& transport() { return *transport_; }

  CheckInReply CheckIn() { return *transport_->CheckIn({.client_id = id_, .num_examples = 10}); }

  // An update of zeros but for the first coordinate.
  Update UpdateFor(const Lease& lease, float first) {
    const int64_t size = MakeParameterLayout(lease.plan.model)->size;
    std::vector<float> values(static_cast<size_t>(size), 0.0f);
    Update update = MakeUpdate(lease, values);
    values[0] = first;
    testing::ReplacePayload(
        update.sections[0].frame,
        absl::string_view(reinterpret_cast<const char*>(values.data()), 4 * values.size()));
    return update;
  }

  absl::Status Submit(const Update& update) {
    return transport_->SubmitUpdate(update.lease_id, Serialize(update)).status();
  }

  // Sends the first `bytes` bytes of an update and ends the stream.
  grpc::StatusCode SubmitPart(const Update& update, size_t bytes) {
    grpc::ClientContext context;
    v1::SubmitUpdateReply reply;
    const auto writer = stub_->SubmitUpdate(&context, &reply);
    const std::string whole = Serialize(update);
    v1::Chunk chunk;
    ToProto(Chunk{.lease_id = update.lease_id,
                  .total_bytes = whole.size(),
                  .data = whole.substr(0, bytes),
                  .crc32c = Crc32c(whole.substr(0, bytes))},
            chunk);
    EXPECT_TRUE(writer->Write(chunk));
    writer->WritesDone();
    return writer->Finish().error_code();
  }

 private:
  std::string id_;
  std::unique_ptr<v1::Coordinator::Stub> stub_;
  std::unique_ptr<client::Transport> transport_;
};

TEST(Faults, ClientsKilledInTrainingAndMidUpload_RoundClosesAtItsDeadlineWithTheOthers) {
  const TemporaryDirectory directory;
  Server server(directory, Config(1, "cohort_size: 4, min_updates: 2, deadline_s: 8"));
  HandMadeClient broken(server.address(), "broken");
  broken.CheckIn();
  // Trains on all examples many times: longer than the round.
  Process killed(ClientCommand({.address = server.address(), .shard = 0, .num_shards = 1}));
  ASSERT_THAT(killed.WaitForLine("waiting for devices"), IsOk());
  Process first(ClientCommand({.address = server.address(), .shard = 1, .num_shards = 300}));
  Process second(ClientCommand({.address = server.address(), .shard = 2, .num_shards = 300}));
  ASSERT_THAT(killed.WaitForLine("round 1: selected"), IsOk());
  killed.Signal(SIGKILL);
  ExpectExit(killed, {.signal = SIGKILL});
  Process halfway({Program("half_upload"), server.address(), "broken"});
  ASSERT_THAT(halfway.WaitForLine("half of the update is sent"), IsOk());
  halfway.Signal(SIGKILL);
  ExpectExit(halfway, {.signal = SIGKILL});

  ExpectExit(first, {.code = 0});
  ExpectExit(second, {.code = 0});
  EXPECT_THAT(first.output(), HasSubstr("update accepted"));
  server.process().Signal(SIGTERM);
  ExpectExit(server.process(), {.code = 0});
  EXPECT_THAT(RoundValues(server.out(), "clients_completed"), ElementsAre(2));
  EXPECT_THAT(ClientsDropped(server.out(), "late"), ElementsAre(2));
}

TEST(Faults, HostileUploads_AreAnsweredAndChangeNothing) {
  const TemporaryDirectory directory;
  Server server(directory, Config(2, "cohort_size: 1, deadline_s: 300"));
  HandMadeClient client(server.address(), "client-0");
  const auto lease = std::get<Lease>(client.CheckIn());

  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(client.Submit(client.UpdateFor(lease, nan)),
              StatusIs(absl::StatusCode::kInvalidArgument, "coordinate 0"));
  EXPECT_THAT(client.Submit(client.UpdateFor(lease, 1e30f)),
              StatusIs(absl::StatusCode::kInvalidArgument, "coordinate 0"));
  const Update update = client.UpdateFor(lease, 0.25f);
  EXPECT_EQ(client.SubmitPart(update, 5000), grpc::StatusCode::DATA_LOSS);
  Update of_other_model = update;
  of_other_model.base_hash[0] ^= 1;
  EXPECT_THAT(client.Submit(of_other_model),
              StatusIs(absl::StatusCode::kFailedPrecondition, "another model"));
  EXPECT_THAT(server.process().output(), ::testing::Not(HasSubstr("[round 1")));

  ASSERT_THAT(client.Submit(update), IsOk());
  EXPECT_THAT(server.process().WaitForLine("[round 1/2] selected 1 of 1, completed 1"), IsOk());
  EXPECT_THAT(client.Submit(update), IsOk()) << "the same update again: the same receipt";
  EXPECT_THAT(client.Submit(client.UpdateFor(lease, 0.5f)),
              StatusIs(absl::StatusCode::kAlreadyExists, "first one stays"));

  // The second round starts from a model that the one update made.
  const auto next = std::get<Lease>(client.CheckIn());
  EXPECT_EQ(next.plan.round, 2u);
  EXPECT_EQ(next.model_version, 1u);
  server.process().Signal(SIGTERM);
  ExpectExit(server.process(), {.code = 0});
  EXPECT_THAT(ModelHashes(server.out()), ElementsAre(absl::BytesToHexString(next.base_hash)));
}

TEST(Faults, UpdateForAClosedRound_IsFailedPrecondition) {
  const TemporaryDirectory directory;
  Server server(directory, Config(2,
                                  "cohort_size: 1, over_selection: 2, min_available: 2, "
                                  "deadline_s: 300"));
  HandMadeClient fast(server.address(), "fast");
  HandMadeClient slow(server.address(), "slow");
  fast.CheckIn();
  const auto slow_lease = std::get<Lease>(slow.CheckIn());
  const auto fast_lease = std::get<Lease>(fast.CheckIn());
  EXPECT_THAT(fast.Submit(fast.UpdateFor(fast_lease, 0.25f)), IsOk());
  EXPECT_THAT(slow.Submit(slow.UpdateFor(slow_lease, 0.25f)),
              StatusIs(absl::StatusCode::kFailedPrecondition, "round 1 is closed"));
}

TEST(Faults, ServerStopped_ExitsInGoodOrderAndClientsSayWhyTheyEnd) {
  const TemporaryDirectory directory;
  Server server(directory, Config(1000, "cohort_size: 2, deadline_s: 60"));
  const std::vector<std::string> arguments = {"--insecure", "--give-up-after", "2"};
  Process first(ClientCommand(
      {.address = server.address(), .shard = 0, .num_shards = 300, .arguments = arguments}));
  Process second(ClientCommand(
      {.address = server.address(), .shard = 1, .num_shards = 300, .arguments = arguments}));
  ASSERT_THAT(server.process().WaitForLine("[round 1/1000]"), IsOk());
  server.process().Signal(SIGTERM);
  EXPECT_THAT(server.process().WaitForLine("stopped by SIGTERM"), IsOk());
  ExpectExit(server.process(), {.code = 0});
  for (Process* client : {&first, &second}) {
    ExpectExit(*client, {.code = 1});
    EXPECT_THAT(client->output(),
                ::testing::AnyOf(HasSubstr("tern-client: coordinator out of reach for "),
                                 HasSubstr("the coordinator is being stopped")));
  }
}

TEST(Faults, ClientOutOfReach_GivesUpWithCauseAndAdvice) {
  Process client(ClientCommand({.address = "127.0.0.1:1",
                                .num_shards = 300,
                                .arguments = {"--insecure", "--give-up-after", "1"}}));
  ExpectExit(client, {.code = 1});
  EXPECT_THAT(client.output(), HasSubstr("tern-client: coordinator out of reach for 1s, giving up: "
                                         "coordinator at 127.0.0.1:1: "));
  EXPECT_THAT(client.output(),
              HasSubstr("Connection refused; is it running, is the address right?"));
}

TEST(Faults, ClientStoppedBySignal_ExitsInGoodOrder) {
  const TemporaryDirectory directory;
  Server server(directory, Config(1, "cohort_size: 2, deadline_s: 60"));
  for (const int signal : {SIGTERM, SIGINT}) {
    Process client(ClientCommand({.address = server.address(), .num_shards = 300}));
    ASSERT_THAT(client.WaitForLine("waiting for devices"), IsOk());
    client.Signal(signal);
    EXPECT_THAT(client.WaitForLine("stopped by signal; 0 updates"), IsOk());
    ExpectExit(client, {.code = 0});
  }
}

TEST(Faults, ClientInTraining_EndsAtOnceOnASecondSignal) {
  const TemporaryDirectory directory;
  Server server(directory, Config(1, "cohort_size: 1, deadline_s: 600"));
  // All examples, many times: the step under way takes longer than a test waits.
  Process client(ClientCommand({.address = server.address(), .num_shards = 1}));
  ASSERT_THAT(client.WaitForLine("round 1: selected"), IsOk());
  client.Signal(SIGTERM);
  client.Signal(SIGINT);
  const absl::StatusOr<ExitStatus> exit = client.WaitForExit();
  ASSERT_THAT(exit, IsOk());
  EXPECT_THAT(exit->code, ::testing::AnyOf(128 + SIGTERM, 128 + SIGINT));
}

TEST(Faults, WrongCertificates_AreRefusedAndTheRightOnesServed) {
  const TemporaryDirectory ours;
  const TemporaryDirectory theirs;
  testing::MakeCertificates(ours.path(), {"client-0", "client-1"});
  testing::MakeCertificates(theirs.path(), {"client-0"});
  const std::string tls = absl::StrCat("server: {tls: {certificate: ", ours.File("server.crt"),
                                       ", private_key: ", ours.File("server.key"),
                                       ", client_ca: ", ours.File("ca.crt"), "}}\n");
  Server server(ours, Config(1, "cohort_size: 1, deadline_s: 60") + tls, {"--exit-when-done"});
  const auto run = [&](const TemporaryDirectory& root, const TemporaryDirectory& own,
                       const std::string& name) {
    return testing::RunToEnd(ClientCommand(
        {.address = server.address(),
         .num_shards = 300,
         .arguments = {"--tls-root", root.File("ca.crt"), "--tls-cert", own.File(name + ".crt"),
                       "--tls-key", own.File(name + ".key"), "--give-up-after", "0"}}));
  };
  testing::Finished client = run(theirs, ours, "client-0");
  EXPECT_EQ(client.exit, ExitStatus{.code = 1});
  EXPECT_THAT(client.output, HasSubstr("is the root certificate (--tls-root)"));
  client = run(ours, theirs, "client-0");
  EXPECT_EQ(client.exit, ExitStatus{.code = 1});
  EXPECT_THAT(client.output, HasSubstr("client certificate (--tls-cert)"));
  client = run(ours, ours, "client-1");
  EXPECT_EQ(client.exit, ExitStatus{.code = 1});
  EXPECT_THAT(client.output,
              HasSubstr("the certificate is for 'client-1', the client id is 'client-0'"));
  client = run(ours, ours, "client-0");
  EXPECT_EQ(client.exit, ExitStatus{.code = 0}) << client.output;
  ExpectExit(server.process(), {.code = 0});
}

}  // namespace
}  // namespace tern::e2e
