#include "client/session.h"

#include <deque>
#include <utility>

#include "absl/strings/str_cat.h"
#include "compression/dense_sinks.h"
#include "compression/frame.h"
#include "core/base/status_macros.h"
#include "core/crypto/sha256.h"
#include "core/wire/device_memory.h"
#include "core/wire/serialize.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/fake_dataset.h"
#include "tests/testing/updates.h"

namespace tern::client {
namespace {

using ::testing::HasSubstr;
using State = Session::State;

const std::vector<float> kModel = {1, 2, 3, 4, 5, 6};

Lease SomeLease(const std::string& codec = "none") {
  const auto encoder = compression::MakeEncoder(*compression::ParseCodec("none"));
  return {.lease_id = std::string(16, 'l'),
          .task = "task",
          .plan = {.model = testing::SmallestModel(), .codec = codec, .round = 4},
          .model_version = 3,
          .base_hash = ModelHash(kModel),
          .model_bytes =
              static_cast<int64_t>(compression::EncodeFrame(*encoder, kModel, 3, {})->size()),
          .deadline = absl::Seconds(60)};
}

// Answers from queues, and remembers what was sent.
class ScriptedTransport final : public Transport {
 public:
  absl::StatusOr<CheckInReply> CheckIn(const CheckInRequest& request) override {
    check_ins.push_back(request);
    return Next(check_in_replies);
  }
  absl::Status FetchModel(absl::string_view, int64_t max_bytes, std::string& model) override {
    TERN_RETURN_IF_ERROR(Next(fetch_statuses));
    const auto encoder = compression::MakeEncoder(*compression::ParseCodec("none"));
    const std::string frame = *compression::EncodeFrame(*encoder, served_model, 3, {});
    EXPECT_LE(static_cast<int64_t>(frame.size()), max_bytes);
    model.append(frame, model.size(), half_of_model ? frame.size() / 2 - model.size() : frame.npos);
    if (half_of_model) {
      half_of_model = false;
      return absl::UnavailableError("connection reset");
    }
    return absl::OkStatus();
  }
  absl::StatusOr<SubmitUpdateReply> SubmitUpdate(absl::string_view,
                                                 absl::string_view update) override {
    uploads.emplace_back(update);
    TERN_RETURN_IF_ERROR(Next(submit_statuses));
    return SubmitUpdateReply{.round = 4, .retry_after = absl::Seconds(9)};
  }
  absl::StatusOr<ReportFailureReply> ReportFailure(const ReportFailureRequest& request) override {
    failures.push_back(request.message);
    return ReportFailureReply{.retry_after = absl::Seconds(8)};
  }

  std::deque<absl::StatusOr<CheckInReply>> check_in_replies;
  std::deque<absl::Status> fetch_statuses;   // empty: OK
  std::deque<absl::Status> submit_statuses;  // empty: OK
  std::vector<float> served_model = kModel;
  bool half_of_model = false;
  std::vector<CheckInRequest> check_ins;
  std::vector<std::string> uploads;
  std::vector<std::string> failures;

 private:
  static absl::StatusOr<CheckInReply> Next(std::deque<absl::StatusOr<CheckInReply>>& queue) {
    if (queue.empty()) return absl::UnavailableError("nobody there");
    absl::StatusOr<CheckInReply> next = std::move(queue.front());
    queue.pop_front();
    return next;
  }
  static absl::Status Next(std::deque<absl::Status>& queue) {
    if (queue.empty()) return absl::OkStatus();
    absl::Status next = queue.front();
    queue.pop_front();
    return next;
  }
};

// Adds one to every parameter.
class AddOneTrainer final : public Trainer {
 public:
  absl::StatusOr<TrainReport> Train(const Plan&, uint64_t, const Dataset& dataset,
                                    absl::Span<float> parameters, absl::Span<float>) override {
    TERN_RETURN_IF_ERROR(status);
    for (float& value : parameters) value += 1.0f;
    return TrainReport{.num_examples = dataset.size(), .local_steps = 5, .train_loss = 0.5};
  }
  absl::Status status;
};

class SessionTest : public ::testing::Test {
 protected:
  Session MakeSession() {
    return Session({.client_id = "device", .give_up_after = absl::Seconds(10)},
                   {.transport = &transport_,
                    .trainer = &trainer_,
                    .dataset = &dataset_,
                    .clock = &clock_,
                    .buffers = &buffers_});
  }

  ScriptedTransport transport_;
  AddOneTrainer trainer_;
  testing::FakeDataset dataset_ = testing::FakeDataset::Random({2}, 2, 20);
  SimulatedClock clock_;
  SessionBuffers buffers_;
};

TEST_F(SessionTest, ALease_IsFetchedTrainedAndSubmitted) {
  transport_.check_in_replies = {SomeLease(), TaskFinished{.task = "task", .num_rounds = 4}};
  Session session = MakeSession();
  EXPECT_EQ(session.Step().next, State::kFetch);
  EXPECT_EQ(session.Step().next, State::kTrain);
  EXPECT_EQ(session.Step().next, State::kSubmit);
  const Session::Progress submitted = session.Step();
  EXPECT_EQ(submitted.next, State::kCheckIn);
  EXPECT_EQ(submitted.wait, absl::Seconds(9));
  EXPECT_EQ(session.updates_accepted(), 1);
  EXPECT_EQ(session.Step().next, State::kFinished);

  EXPECT_EQ(transport_.check_ins[0].client_id, "device");
  EXPECT_EQ(transport_.check_ins[0].num_examples, 20);
  const absl::StatusOr<Update> update = Parse<Update>(transport_.uploads.at(0));
  ASSERT_TRUE(update.ok());
  EXPECT_EQ(update->base_hash, ModelHash(kModel));
  EXPECT_EQ(update->report.num_examples, 20);
  EXPECT_EQ(update->report.local_steps, 5);
  EXPECT_GT(update->report.peak_memory_bytes, 0);
  const auto decoder = compression::MakeDecoder(*compression::ParseCodec("none"));
  const auto frame =
      compression::ReadFrame(update->sections.at(0).frame, *decoder, {.count = 6}, 100.0f);
  ASSERT_TRUE(frame.ok()) << frame.status();
  EXPECT_EQ(frame->model_version, 3u);
  std::vector<float> values(6);
  compression::DenseSink sink(absl::MakeSpan(values));
  decoder->DecodeInto(frame->payload, {.count = 6}, sink);
  EXPECT_THAT(values, ::testing::Each(1.0f));
}

TEST_F(SessionTest, ComeBack_WaitsAsLongAsTheCoordinatorSays) {
  transport_.check_in_replies = {
      ComeBack{.retry_after = absl::Seconds(3), .reason = "not selected"}};
  Session session = MakeSession();
  const Session::Progress progress = session.Step();
  EXPECT_EQ(progress.next, State::kCheckIn);
  EXPECT_EQ(progress.wait, absl::Seconds(3));
  EXPECT_EQ(progress.message, "not selected");
}

TEST_F(SessionTest, Refusal_IsFinalAndSaysWhy) {
  transport_.check_in_replies = {
      Refusal{.reason = RefusalReason::kDeviceTooSmall, .message = "needs 5 MB"}};
  Session session = MakeSession();
  const Session::Progress progress = session.Step();
  EXPECT_EQ(progress.next, State::kRefused);
  EXPECT_THAT(progress.message, HasSubstr("needs 5 MB"));
  EXPECT_EQ(session.Step().next, State::kRefused);
}

TEST_F(SessionTest, ACoordinatorOutOfReach_IsTriedWithGrowingWaitsThenGivenUp) {
  transport_.check_in_replies = {
      Refusal{.reason = RefusalReason::kShuttingDown, .message = "being stopped"}};
  Session session = MakeSession();
  absl::Duration last;
  Session::Progress progress = session.Step();
  EXPECT_THAT(progress.message, HasSubstr("being stopped"));
  int attempts = 0;
  while (progress.next == State::kCheckIn) {
    ASSERT_LT(++attempts, 20);
    EXPECT_GT(progress.wait, absl::ZeroDuration());
    EXPECT_TRUE(progress.wait > last || clock_.Now() + progress.wait == absl::Seconds(10));
    last = progress.wait;
    clock_.Advance(progress.wait);
    progress = session.Step();
  }
  EXPECT_EQ(progress.next, State::kFailed);
  EXPECT_EQ(clock_.Now(), absl::Seconds(10));
  EXPECT_THAT(progress.message, HasSubstr("out of reach for 10s, giving up: nobody there"));
}

TEST_F(SessionTest, ABrokenDownload_GoesOnWhereItStopped) {
  transport_.check_in_replies = {SomeLease()};
  transport_.half_of_model = true;
  Session session = MakeSession();
  session.Step();
  EXPECT_EQ(session.Step().next, State::kFetch);
  EXPECT_FALSE(buffers_.transfer.empty());
  EXPECT_EQ(session.Step().next, State::kTrain);
}

TEST_F(SessionTest, ALostAcknowledgement_IsAnsweredWithTheSameBytes) {
  transport_.check_in_replies = {SomeLease("quantize(8)")};
  transport_.submit_statuses = {absl::UnavailableError("connection reset")};
  Session session = MakeSession();
  for (int i = 0; i < 3; ++i) session.Step();
  EXPECT_EQ(session.Step().next, State::kSubmit);
  EXPECT_EQ(session.Step().next, State::kCheckIn);
  EXPECT_EQ(session.updates_accepted(), 1);
  ASSERT_EQ(transport_.uploads.size(), 2u);
  EXPECT_EQ(transport_.uploads[0], transport_.uploads[1]);
}

TEST_F(SessionTest, ALateUpdate_GivesTheLeaseUpAndChecksInAgain) {
  transport_.check_in_replies = {SomeLease()};
  transport_.submit_statuses = {absl::FailedPreconditionError("round 4 is closed")};
  Session session = MakeSession();
  for (int i = 0; i < 3; ++i) session.Step();
  const Session::Progress progress = session.Step();
  EXPECT_EQ(progress.next, State::kCheckIn);
  EXPECT_THAT(progress.message, HasSubstr("round 4 is closed"));
  EXPECT_EQ(session.updates_accepted(), 0);
  EXPECT_TRUE(transport_.failures.empty());
}

TEST_F(SessionTest, ADamagedModel_IsReportedNotTrained) {
  transport_.check_in_replies = {SomeLease()};
  transport_.served_model[2] = 7.0f;
  Session session = MakeSession();
  session.Step();
  EXPECT_EQ(session.Step().next, State::kCheckIn);
  ASSERT_EQ(transport_.failures.size(), 1u);
  EXPECT_THAT(transport_.failures[0], HasSubstr("not the one the lease names"));
}

TEST_F(SessionTest, AModelOfAnotherLengthThanThePlans_IsNotFetched) {
  Lease lease = SomeLease();
  lease.model_bytes = int64_t{1} << 40;
  transport_.check_in_replies = {lease};
  Session session = MakeSession();
  session.Step();
  EXPECT_EQ(session.Step().next, State::kCheckIn);
  ASSERT_EQ(transport_.failures.size(), 1u);
  EXPECT_THAT(transport_.failures[0], HasSubstr("1099511627776 bytes"));
  EXPECT_TRUE(buffers_.transfer.empty());
}

TEST_F(SessionTest, APlanLargerThanTheDevice_IsReportedBeforeMemoryIsTaken) {
  transport_.check_in_replies = {SomeLease()};
  Session session({.client_id = "device", .capabilities = {.ram_bytes = 64}},
                  {.transport = &transport_,
                   .trainer = &trainer_,
                   .dataset = &dataset_,
                   .clock = &clock_,
                   .buffers = &buffers_});
  session.Step();
  EXPECT_EQ(session.Step().next, State::kCheckIn);
  ASSERT_EQ(transport_.failures.size(), 1u);
  const MemoryReport report = *DescribeDeviceMemory(SomeLease().plan, dataset_.size());
  EXPECT_EQ(transport_.failures[0],
            absl::StrCat("the plan needs ", report.peak_bytes(), " bytes of memory, ",
                         report.peak_bytes() - 64, " more than the budget of 64: ",
                         MemoryItemsText(LargestItems(report.Items(), 3))));
  EXPECT_THAT(transport_.failures[0], HasSubstr("model as sent, then the update "));
  EXPECT_EQ(buffers_.parameters.size(), 0);
}

TEST_F(SessionTest, APlanThatTakesTheWholeDevice_IsTrained_AByteLessIsTooLittle) {
  const int64_t needed = DescribeDeviceMemory(SomeLease().plan, dataset_.size())->peak_bytes();
  for (const int64_t missing : {0, 1}) {
    transport_.check_in_replies = {SomeLease()};
    Session session({.client_id = "device", .capabilities = {.ram_bytes = needed - missing}},
                    {.transport = &transport_,
                     .trainer = &trainer_,
                     .dataset = &dataset_,
                     .clock = &clock_,
                     .buffers = &buffers_});
    session.Step();
    EXPECT_EQ(session.Step().next, missing == 0 ? State::kTrain : State::kCheckIn);
  }
}

TEST_F(SessionTest, ALeaseWhoseDeadlineHasPassed_IsGivenUpWithoutWork) {
  transport_.check_in_replies = {SomeLease()};
  Session session = MakeSession();
  for (int i = 0; i < 3; ++i) session.Step();
  clock_.Advance(absl::Seconds(60));
  const Session::Progress progress = session.Step();
  EXPECT_EQ(progress.next, State::kCheckIn);
  EXPECT_THAT(progress.message, HasSubstr("deadline has passed"));
  EXPECT_TRUE(transport_.uploads.empty());
}

TEST_F(SessionTest, TrainingThatFails_IsReported) {
  transport_.check_in_replies = {SomeLease()};
  trainer_.status = absl::AbortedError("training diverged at step 3");
  Session session = MakeSession();
  session.Step();
  session.Step();
  const Session::Progress progress = session.Step();
  EXPECT_EQ(progress.next, State::kCheckIn);
  EXPECT_EQ(progress.wait, absl::Seconds(8));
  EXPECT_EQ(transport_.failures, std::vector<std::string>{"training diverged at step 3"});
}

TEST_F(SessionTest, APlanWithAnUnknownCodec_IsReported) {
  transport_.check_in_replies = {SomeLease("holographic(3)")};
  Session session = MakeSession();
  for (int i = 0; i < 3; ++i) session.Step();
  ASSERT_EQ(transport_.failures.size(), 1u);
  EXPECT_THAT(transport_.failures[0], HasSubstr("holographic"));
}

}  // namespace
}  // namespace tern::client
