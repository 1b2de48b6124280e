#include "server/coordinator.h"

#include <algorithm>
#include <limits>
#include <thread>
#include <vector>

#include "core/crypto/sha256.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/updates.h"

namespace tern::server {
namespace {

using ::tern::testing::MakeUpdate;
using ::tern::testing::SmallestModel;
using ::tern::testing::TakeLease;
using ::testing::HasSubstr;

class Recorder final : public RoundObserver {
 public:
  void OnRoundClosed(const RoundRecord& record) override { records.push_back(record); }
  std::vector<RoundRecord> records;
};

Task SmallTask(int64_t cohort_size) {
  return {.model = SmallestModel(),
          .initial_parameters = {0, 0, 0, 0, 0, 0},
          .num_rounds = 3,
          .round = {.cohort_size = cohort_size, .deadline = absl::Seconds(60)}};
}

class CoordinatorTest : public ::testing::Test {
 protected:
  void Start(const Task& task) {
    auto created = Coordinator::Create(
        task, {.clock = &clock_, .observer = &recorder_, .lease_secret = "secret"});
    ASSERT_TRUE(created.ok()) << created.status();
    coordinator_ = *std::move(created);
  }
  CheckInReply CheckIn(const std::string& id) {
    return coordinator_->CheckIn({.client_id = id, .num_examples = 10});
  }
  absl::Status Submit(const Update& update) {
    return coordinator_->SubmitUpdate(update.lease_id, Serialize(update)).status();
  }
  const RoundRecord& Last() { return recorder_.records.back(); }

  SimulatedClock clock_;
  Recorder recorder_;
  std::unique_ptr<Coordinator> coordinator_;
};

const std::vector<float> kOnes = {1, 1, 1, 1, 1, 1};
const std::vector<float> kTwos = {2, 2, 2, 2, 2, 2};

TEST_F(CoordinatorTest, CheckIn_BeforeEnoughDevicesAreHere_IsToldToComeBack) {
  Start(SmallTask(2));
  const CheckInReply reply = CheckIn("a");
  ASSERT_TRUE(std::holds_alternative<ComeBack>(reply));
  EXPECT_THAT(std::get<ComeBack>(reply).reason, HasSubstr("1 of 2"));
  EXPECT_GT(std::get<ComeBack>(reply).retry_after, absl::ZeroDuration());
}

TEST_F(CoordinatorTest, CheckIn_Twice_GivesTheSameLease) {
  Start(SmallTask(1));
  EXPECT_EQ(TakeLease(*coordinator_, "a").lease_id, TakeLease(*coordinator_, "a").lease_id);
}

TEST_F(CoordinatorTest, CheckIn_WithAnotherProtocol_IsRefusedByName) {
  Start(SmallTask(1));
  const CheckInReply reply = coordinator_->CheckIn(
      {.min_protocol_version = 7, .max_protocol_version = 9, .client_id = "a", .num_examples = 10});
  ASSERT_TRUE(std::holds_alternative<Refusal>(reply));
  EXPECT_EQ(std::get<Refusal>(reply).reason, RefusalReason::kUnsupportedProtocol);
  EXPECT_THAT(std::get<Refusal>(reply).message, HasSubstr("7 to 9"));
}

TEST_F(CoordinatorTest, CheckIn_ThatCannotTakePart_IsRefusedWithTheReason) {
  Start(SmallTask(1));
  const auto reason = [&](const CheckInRequest& request) {
    return std::get<Refusal>(coordinator_->CheckIn(request)).reason;
  };
  EXPECT_EQ(reason({.client_id = "a b", .num_examples = 1}), RefusalReason::kInvalidIdentity);
  EXPECT_EQ(reason({.client_id = "", .num_examples = 1}), RefusalReason::kInvalidIdentity);
  EXPECT_EQ(reason({.client_id = std::string(129, 'x'), .num_examples = 1}),
            RefusalReason::kInvalidIdentity);
  EXPECT_EQ(reason({.client_id = "a", .num_examples = 0}), RefusalReason::kNoExamples);
  EXPECT_EQ(reason({.client_id = "a", .capabilities = {.ram_bytes = 64}, .num_examples = 1}),
            RefusalReason::kDeviceTooSmall);
  EXPECT_EQ(reason({.client_id = "a", .capabilities = {.codecs = {"quantize"}}, .num_examples = 1}),
            RefusalReason::kNotCapable);
  EXPECT_EQ(reason({.client_id = "a",
                    .capabilities = {.layer_kinds = {LayerKind::kConv2d}},
                    .num_examples = 1}),
            RefusalReason::kNotCapable);
}

TEST_F(CoordinatorTest, Submit_OfTheWholeCohort_ClosesTheRoundWithTheWeightedMean) {
  Start(SmallTask(2));
  CheckIn("a");
  const Lease b = TakeLease(*coordinator_, "b");
  const Lease a = TakeLease(*coordinator_, "a");
  EXPECT_TRUE(Submit(MakeUpdate(a, kOnes, 30)).ok());
  EXPECT_TRUE(recorder_.records.empty());
  EXPECT_TRUE(Submit(MakeUpdate(b, kTwos, 10)).ok());
  ASSERT_EQ(recorder_.records.size(), 1u);
  EXPECT_TRUE(Last().changed_model);
  EXPECT_EQ(Last().clients_completed, 2);
  EXPECT_EQ(Last().model->version, 1u);
  EXPECT_THAT(Last().model->parameters, ::testing::Each(1.25f));
  EXPECT_EQ(Last().model->hash, ModelHash(Last().model->parameters));
}

TEST_F(CoordinatorTest, Submit_InAnyOrderAndThread_GivesTheSameBits) {
  std::string hash;
  for (int order = 0; order < 4; ++order) {
    recorder_.records.clear();
    Task task = SmallTask(8);
    task.num_rounds = 1;
    Start(task);
    std::vector<Update> updates;
    for (int i = 0; i < 8; ++i) CheckIn(std::string(1, static_cast<char>('a' + i)));
    for (int i = 0; i < 8; ++i) {
      const Lease lease = TakeLease(*coordinator_, std::string(1, static_cast<char>('a' + i)));
      const auto x = static_cast<float>(i);
      updates.push_back(
          MakeUpdate(lease, {x / 3, x / 7, -x / 11, x / 13, 0.1f * x, 1e-6f * x}, i + 1));
    }
    std::rotate(updates.begin(), updates.begin() + 2 * order, updates.end());
    std::vector<std::thread> threads;
    for (const Update& update : updates) {
      threads.emplace_back([&] { EXPECT_TRUE(Submit(update).ok()); });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(recorder_.records.size(), 1u);
    if (hash.empty()) hash = Last().model->hash;
    EXPECT_EQ(Last().model->hash, hash);
  }
}

TEST_F(CoordinatorTest, Submit_TheSameBytesAgain_GetsTheSameReceiptAndCountsOnce) {
  Start(SmallTask(2));
  CheckIn("a");
  const Lease b = TakeLease(*coordinator_, "b");
  const Lease a = TakeLease(*coordinator_, "a");
  const Update update = MakeUpdate(a, kTwos);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(Submit(update).ok());
  EXPECT_TRUE(Submit(MakeUpdate(b, kTwos)).ok());
  EXPECT_THAT(Last().model->parameters, ::testing::Each(2.0f));
  EXPECT_TRUE(Submit(update).ok()) << "a retry after the round has closed gets its receipt too";
  EXPECT_EQ(recorder_.records.size(), 1u);
}

TEST_F(CoordinatorTest, Submit_OtherBytesUnderAUsedLease_IsAlreadyExists) {
  Start(SmallTask(2));
  CheckIn("a");
  const Lease b = TakeLease(*coordinator_, "b");
  const Lease a = TakeLease(*coordinator_, "a");
  EXPECT_TRUE(Submit(MakeUpdate(a, kOnes)).ok());
  EXPECT_EQ(Submit(MakeUpdate(a, kTwos)).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(Submit(MakeUpdate(b, kOnes)).ok());
  EXPECT_THAT(Last().model->parameters, ::testing::Each(1.0f));
}

TEST_F(CoordinatorTest, Submit_ForAClosedRound_IsFailedPrecondition) {
  Task task = SmallTask(1);
  task.round.over_selection = 2.0;
  task.round.min_available = 2;
  Start(task);
  CheckIn("a");
  const Lease b = TakeLease(*coordinator_, "b");
  const Lease a = TakeLease(*coordinator_, "a");
  EXPECT_TRUE(Submit(MakeUpdate(a, kOnes)).ok());
  const absl::Status late = Submit(MakeUpdate(b, kOnes));
  EXPECT_EQ(late.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(late.message(), HasSubstr("round 1 is closed"));
  EXPECT_EQ(recorder_.records[0].clients_dropped.at("not_needed"), 1);
  EXPECT_EQ(Submit(MakeUpdate(
                       {.lease_id = std::string(16, 'x'), .plan = a.plan, .base_hash = a.base_hash},
                       kOnes))
                .code(),
            absl::StatusCode::kNotFound);
}

TEST_F(CoordinatorTest, Submit_AtTheDeadline_IsLateAndNotCounted) {
  Start(SmallTask(2));
  CheckIn("a");
  const Lease b = TakeLease(*coordinator_, "b");
  const Lease a = TakeLease(*coordinator_, "a");
  EXPECT_TRUE(Submit(MakeUpdate(a, kOnes)).ok());
  clock_.Advance(absl::Seconds(60));
  EXPECT_EQ(Submit(MakeUpdate(b, kTwos)).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_EQ(recorder_.records.size(), 1u);
  EXPECT_EQ(Last().clients_dropped.at("late"), 1);
  EXPECT_THAT(Last().model->parameters, ::testing::Each(1.0f));
}

TEST_F(CoordinatorTest, MayUpload_TellsBeforeTheBytesCome) {
  Task task = SmallTask(1);
  task.round.over_selection = 2.0;
  task.round.min_available = 2;
  Start(task);
  CheckIn("a");
  const Lease b = TakeLease(*coordinator_, "b");
  const Lease a = TakeLease(*coordinator_, "a");
  EXPECT_TRUE(coordinator_->MayUpload(a.lease_id).ok());
  EXPECT_TRUE(Submit(MakeUpdate(a, kOnes)).ok());
  EXPECT_TRUE(coordinator_->MayUpload(a.lease_id).ok()) << "a retry gets its receipt";
  EXPECT_EQ(coordinator_->MayUpload(b.lease_id).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(coordinator_->MayUpload("?").code(), absl::StatusCode::kNotFound);
}

TEST_F(CoordinatorTest, Lease_IsNeverGivenOutWithATimeThatHasPassed) {
  Start(SmallTask(2));
  CheckIn("a");
  TakeLease(*coordinator_, "b");
  clock_.Advance(absl::Seconds(60));
  EXPECT_FALSE(std::holds_alternative<Lease>(CheckIn("a")));
}

TEST_F(CoordinatorTest, Round_WithTooFewUpdatesAtTheDeadline_ChangesNothingAndSaysWhy) {
  Task task = SmallTask(3);
  task.round.min_updates = 2;
  Start(task);
  CheckIn("a");
  CheckIn("b");
  CheckIn("c");
  const std::string before = coordinator_->model()->hash;
  EXPECT_TRUE(Submit(MakeUpdate(TakeLease(*coordinator_, "a"), kOnes)).ok());
  clock_.Advance(absl::Seconds(61));
  coordinator_->Tick();
  ASSERT_EQ(recorder_.records.size(), 1u);
  EXPECT_FALSE(Last().changed_model);
  EXPECT_THAT(Last().note, HasSubstr("only 1 of the 2 updates"));
  EXPECT_EQ(Last().model->hash, before);
  // The abandoned update must not leak into the next round.
  EXPECT_TRUE(std::holds_alternative<ComeBack>(CheckIn("b")));
  EXPECT_TRUE(std::holds_alternative<Lease>(CheckIn("c")));
  for (const char* id : {"a", "b", "c"}) {
    EXPECT_TRUE(Submit(MakeUpdate(TakeLease(*coordinator_, id), kTwos)).ok());
  }
  EXPECT_THAT(Last().model->parameters, ::testing::Each(2.0f));
}

TEST_F(CoordinatorTest, Device_ThatLetItsLeaseLapse_IsNotSelectedUntilItChecksInAgain) {
  Task task = SmallTask(2);
  task.round.min_available = 1;
  Start(task);
  EXPECT_TRUE(std::holds_alternative<Lease>(CheckIn("silent")));
  clock_.Advance(absl::Seconds(61));
  coordinator_->Tick();
  EXPECT_EQ(Last().clients_dropped.at("late"), 1);
  TakeLease(*coordinator_, "a");
  EXPECT_EQ(coordinator_->cohort(), std::vector<std::string>{"a"});
}

TEST_F(CoordinatorTest, ReportFailure_OfEveryOpenLease_ClosesTheRoundAtOnce) {
  Start(SmallTask(2));
  CheckIn("a");
  const Lease b = TakeLease(*coordinator_, "b");
  EXPECT_TRUE(Submit(MakeUpdate(TakeLease(*coordinator_, "a"), kOnes)).ok());
  EXPECT_TRUE(
      coordinator_->ReportFailure({.lease_id = b.lease_id, .message = "out of memory"}).ok());
  ASSERT_EQ(recorder_.records.size(), 1u);
  EXPECT_EQ(Last().clients_dropped.at("failed"), 1);
  EXPECT_EQ(Last().clients_completed, 1);
  EXPECT_EQ(Submit(MakeUpdate(b, kOnes)).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(CoordinatorTest, Submit_OfWhatIsNoUpdateForThePlan_ChangesNothing) {
  Task task = SmallTask(1);
  task.max_update_abs = 4.0f;
  Start(task);
  const Lease lease = TakeLease(*coordinator_, "a");
  const std::string before = coordinator_->model()->hash;
  const auto code_of = [&](auto&& change) {
    Update update = MakeUpdate(lease, kOnes);
    change(update);
    return coordinator_->SubmitUpdate(lease.lease_id, Serialize(update)).status().code();
  };
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  EXPECT_EQ(code_of([](Update& u) { u.sections[0].name = "weights"; }), kInvalid);
  EXPECT_EQ(code_of([](Update& u) { u.sections.push_back(u.sections[0]); }), kInvalid);
  EXPECT_EQ(code_of([](Update& u) { u.sections.clear(); }), kInvalid);
  EXPECT_EQ(code_of([](Update& u) { u.sections[0].codec = "quantize(8)"; }), kInvalid);
  EXPECT_EQ(code_of([](Update& u) { u.report.num_examples = 0; }), kInvalid);
  EXPECT_EQ(code_of([](Update& u) { u.report.num_examples = -5; }), kInvalid);
  EXPECT_EQ(code_of([](Update& u) { u.report.num_examples = int64_t{1} << 62; }), kInvalid);
  EXPECT_EQ(code_of([](Update& u) { u.lease_id = std::string(16, 'y'); }), kInvalid);
  EXPECT_EQ(code_of([](Update& u) { u.base_hash = std::string(32, 'y'); }),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(code_of([](Update& u) { u.sections[0].frame.pop_back(); }),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(code_of([](Update& u) { u.sections[0].frame[20] ^= 1; }), absl::StatusCode::kDataLoss);
  EXPECT_EQ(coordinator_->SubmitUpdate(lease.lease_id, "not a message").status().code(), kInvalid);
  EXPECT_EQ(Submit(MakeUpdate(lease, {1, 2, 3})).code(), kInvalid);
  EXPECT_EQ(Submit(MakeUpdate(lease, {5, 0, 0, 0, 0, 0})).code(), kInvalid);
  EXPECT_EQ(coordinator_->model()->hash, before);
  EXPECT_TRUE(recorder_.records.empty());
  EXPECT_TRUE(Submit(MakeUpdate(lease, kOnes)).ok()) << "the lease is still good";
  EXPECT_EQ(Last().updates_rejected, 14);
}

TEST_F(CoordinatorTest, Submit_OfValuesThatAreNotFinite_NamesTheCoordinate) {
  Start(SmallTask(1));
  const Lease lease = TakeLease(*coordinator_, "a");
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity()}) {
    Update update = MakeUpdate(lease, kOnes);
    std::string& frame = update.sections[0].frame;
    std::string payload = frame.substr(compression::kFrameHeaderBytes);
    std::memcpy(payload.data() + 8, &bad, sizeof(bad));
    tern::testing::ReplacePayload(frame, payload);
    const absl::Status status = Submit(update);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(),
                HasSubstr("section 'parameters': coordinate 2 (fc.weight[2]) is "));
  }
}

TEST_F(CoordinatorTest, Task_WhenAllRoundsAreDone_IsFinished) {
  Start(SmallTask(1));
  for (int round = 1; round <= 3; ++round) {
    EXPECT_FALSE(coordinator_->finished());
    EXPECT_TRUE(Submit(MakeUpdate(TakeLease(*coordinator_, "a"), kOnes)).ok());
  }
  EXPECT_TRUE(coordinator_->finished());
  EXPECT_TRUE(std::holds_alternative<TaskFinished>(CheckIn("a")));
  EXPECT_THAT(coordinator_->model()->parameters, ::testing::Each(3.0f));
}

TEST_F(CoordinatorTest, Drain_RefusesNewWorkButTakesWhatIsUnderWay) {
  Start(SmallTask(1));
  const Lease lease = TakeLease(*coordinator_, "a");
  coordinator_->Drain();
  const CheckInReply reply = CheckIn("b");
  ASSERT_TRUE(std::holds_alternative<Refusal>(reply));
  EXPECT_EQ(std::get<Refusal>(reply).reason, RefusalReason::kShuttingDown);
  EXPECT_TRUE(Submit(MakeUpdate(lease, kOnes)).ok());
  EXPECT_EQ(recorder_.records.size(), 1u);
}

TEST_F(CoordinatorTest, FetchModel_UnderALease_GivesTheRoundsModel) {
  Start(SmallTask(1));
  const Lease lease = TakeLease(*coordinator_, "a");
  const auto model = coordinator_->FetchModel(lease.lease_id);
  ASSERT_TRUE(model.ok());
  EXPECT_EQ((*model)->hash, lease.base_hash);
  EXPECT_EQ(static_cast<int64_t>((*model)->frame.size()), lease.model_bytes);
  EXPECT_EQ(coordinator_->FetchModel("?").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(CoordinatorTest, Round_WhoseStepIsNotFinite_ChangesNothing) {
  Task task = SmallTask(1);
  task.initial_parameters = {3e38f, 0, 0, 0, 0, 0};
  task.max_update_abs = 1e6f;
  task.max_num_examples = 1000;
  task.optimizer.learning_rate = 1e33f;
  Start(task);
  EXPECT_TRUE(Submit(MakeUpdate(TakeLease(*coordinator_, "a"), {1e6f, 0, 0, 0, 0, 0})).ok());
  EXPECT_FALSE(Last().changed_model);
  EXPECT_THAT(Last().note, HasSubstr("not finite"));
}

TEST_F(CoordinatorTest, Traffic_IsCountedByRoundAndInAll) {
  Start(SmallTask(1));
  coordinator_->CountTraffic({.bytes_up = 5, .bytes_down = 7});
  EXPECT_TRUE(Submit(MakeUpdate(TakeLease(*coordinator_, "a"), kOnes)).ok());
  EXPECT_EQ(Last().traffic.bytes_up, 5);
  coordinator_->CountTraffic({.bytes_up = 1, .bytes_retransmitted = 2});
  EXPECT_TRUE(Submit(MakeUpdate(TakeLease(*coordinator_, "a"), kOnes)).ok());
  EXPECT_EQ(Last().traffic.bytes_up, 1);
  EXPECT_EQ(coordinator_->total_traffic().bytes_up, 6);
  EXPECT_EQ(coordinator_->total_traffic().bytes_retransmitted, 2);
}

}  // namespace
}  // namespace tern::server
