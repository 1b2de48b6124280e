// What becomes of a control variate when something goes wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "tests/client/control_session.h"
#include "tests/testing/fake_dataset.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace tern::client {
namespace {

using ::tern::testing::FakeDataset;
using ::tern::testing::IsOk;
using ::tern::testing::TemporaryDirectory;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

using SessionControlFailureTest = ControlSession;

TEST_F(SessionControlFailureTest, AnythingButAnAcknowledgement_LeavesTheControlAsItWas) {
  for (const ClientMethod method :
       {ClientMethod::kScaffold, ClientMethod::kScaffoldGradient, ClientMethod::kFedDyn}) {
    MemoryDeviceState state;
    const Plan plan = PlanOf(method);
    coordinator_.SetRound(plan, model_, server_);
    coordinator_.answer = absl::OkStatus();
    trainer_.gradient = update_;
    Session session = MakeSession(&state);
    WholeRound(session);
    const std::vector<float> kept = Kept(kStoredControl, plan, state);
    EXPECT_THAT(kept, Not(Each(0.0f)));
    trainer_.gradient = {9, 9, 9, 9, 9, 9};
    for (const absl::Status& answer :
         {absl::FailedPreconditionError("late"), absl::InvalidArgumentError("refused")}) {
      coordinator_.answer = answer;
      WholeRound(session);
      EXPECT_EQ(session.state(), State::kCheckIn);
      EXPECT_EQ(Kept(kStoredControl, plan, state), kept) << answer;
    }
    StepToSubmit(session);
    clock_.Advance(absl::Seconds(60));
    EXPECT_THAT(session.Step().message, HasSubstr("deadline has passed"));
    EXPECT_EQ(Kept(kStoredControl, plan, state), kept);
    {
      Session crashes = MakeSession(&state);
      StepToSubmit(crashes);
    }
    EXPECT_EQ(Kept(kStoredControl, plan, state), kept);
    // The next one trains as the first of them did.
    coordinator_.answer = absl::OkStatus();
    Session again = MakeSession(&state);
    const std::vector<float> given = trainer_.given_control;
    WholeRound(again);
    EXPECT_EQ(trainer_.given_control, given);
    EXPECT_NE(Kept(kStoredControl, plan, state), kept);
  }
}

TEST_F(SessionControlFailureTest, ALostAcknowledgement_CountsOnce) {
  const Plan plan = PlanOf(ClientMethod::kScaffold);
  coordinator_.SetRound(plan, model_, server_);
  Session session = MakeSession(&state_);
  coordinator_.answer = absl::UnavailableError("connection reset");
  trainer_.update = update_;
  WholeRound(session);
  EXPECT_EQ(session.state(), State::kSubmit);
  EXPECT_EQ(*state_.Size(kStoredControl.name), 0);
  const std::string first = coordinator_.submitted;
  coordinator_.answer = absl::OkStatus();
  EXPECT_EQ(session.Step().next, State::kCheckIn);
  EXPECT_EQ(coordinator_.submitted, first);
  EXPECT_EQ(KeptControl(plan), coordinator_.LastControl());
}

// Only the coordinator knows whether the update counted before its answer was lost.
TEST_F(SessionControlFailureTest, AnAnswerThatIsLostUntilAfterTheDeadline_IsAskedForAgain) {
  for (const bool counted : {true, false}) {
    const Plan plan = PlanOf(ClientMethod::kScaffold);
    coordinator_.SetRound(plan, model_, server_);
    MemoryDeviceState state;
    Session session = MakeSession(&state);
    coordinator_.answer = absl::UnavailableError("connection reset");
    trainer_.update = update_;
    WholeRound(session);
    clock_.Advance(absl::Hours(1));
    coordinator_.answer =
        counted ? absl::OkStatus() : absl::FailedPreconditionError("the round is closed");
    EXPECT_EQ(session.Step().next, State::kCheckIn);
    EXPECT_EQ(*state.Size(kStoredControl.name) > 0, counted);
  }
}

TEST_F(SessionControlFailureTest, TheControl_SurvivesTheProcess) {
  const TemporaryDirectory directory;
  const Plan plan = PlanOf(ClientMethod::kScaffold);
  for (int process = 0; process < 2; ++process) {
    coordinator_.SetRound(plan, model_, server_);
    buffers_ = SessionBuffers();
    const auto state = *OpenDirectoryDeviceState(directory.path());
    Session session = MakeSession(state.get());
    Round(session, update_);
  }
  EXPECT_EQ(trainer_.given_control, Sum(server_, coordinator_.LastControl(), -1.0f));
}

TEST_F(SessionControlFailureTest, AnotherTaskOrSubmodel_BeginsFromZero) {
  const Plan plan = PlanOf(ClientMethod::kScaffold);
  Session session = MakeSession(&state_);
  coordinator_.SetRound(plan, model_, server_);
  Round(session, update_);
  Plan other = plan;
  other.submodel = "heterofl(0.5)";
  coordinator_.SetRound(other, model_, server_);
  Round(session, update_);
  EXPECT_EQ(trainer_.given_control, server_);
  coordinator_.task = "another";
  Round(session, update_);
  EXPECT_EQ(trainer_.given_control, server_);
  EXPECT_EQ(KeptControl(other), coordinator_.LastControl());
}

TEST_F(SessionControlFailureTest, ADamagedControl_IsAWarningAndBeginsFromZero) {
  for (const ClientMethod method :
       {ClientMethod::kScaffold, ClientMethod::kScaffoldGradient, ClientMethod::kFedDyn}) {
    const Plan plan = PlanOf(method);
    coordinator_.SetRound(plan, model_, server_);
    trainer_.gradient = update_;
    MemoryDeviceState state;
    Session session = MakeSession(&state);
    WholeRound(session);
    std::string stored(88, '\0');
    ASSERT_THAT(state.Read("control", 0, absl::MakeSpan(stored)), IsOk());
    stored[70] ^= 1;
    ASSERT_THAT(state.Write("control", stored), IsOk());
    EXPECT_THAT(StepToSubmit(session).message,
                HasSubstr("warning: the control variate begins from zero: the value 'control' is "
                          "damaged: its checksum"));
    EXPECT_EQ(trainer_.given_control,
              method == ClientMethod::kFedDyn ? std::vector<float>(6, 0.0f) : server_);
    EXPECT_THAT(session.Step().message, Not(HasSubstr("warning")));
    // It has healed.
    const auto sent = method == ClientMethod::kFedDyn
                          ? Sum(std::vector<float>(6, 0.0f), coordinator_.LastCoordinates(), 0.5f)
                          : coordinator_.LastControl();
    EXPECT_EQ(Kept(kStoredControl, plan, state), sent);
    EXPECT_THAT(StepToSubmit(session).message, Not(HasSubstr("warning")));
  }
}

TEST_F(SessionControlFailureTest, AStateThatCannotBeReadOrWritten_IsAWarningAndKeepsTheOldControl) {
  const Plan plan = PlanOf(ClientMethod::kScaffold);
  coordinator_.SetRound(plan, model_, server_);
  FailingState state;
  Session session = MakeSession(&state);
  Round(session, update_);
  const std::vector<float> kept = Kept(kStoredControl, plan, state.inner);

  state.fails = true;
  trainer_.update = update_;
  Session::Progress submitted = WholeRound(session);
  EXPECT_THAT(submitted.message, HasSubstr("update accepted"));
  EXPECT_THAT(submitted.message,
              HasSubstr("warning: the control variate is as it was: control: disk full"));
  EXPECT_EQ(Kept(kStoredControl, plan, state.inner), kept);
  state.fails = false;

  // A header and a block twice at the beginning; then nothing, or but half of it.
  for (const int reads : {3, 5}) {
    state.reads_left = reads;
    submitted = WholeRound(session);
    EXPECT_THAT(submitted.message,
                HasSubstr("warning: the control variate is as it was: cannot read"));
    EXPECT_EQ(Kept(kStoredControl, plan, state.inner), kept);
    state.reads_left = -1;
  }
  for (const int reads : {0, 1, 2}) {
    state.reads_left = reads;
    EXPECT_THAT(StepToSubmit(session).message,
                HasSubstr("warning: the control variate begins from zero: cannot read"));
    EXPECT_EQ(trainer_.given_control, server_);
    clock_.Advance(absl::Seconds(60));
    session.Step();
    state.reads_left = -1;
  }
}

// Two blocks: after a header and both for their checksum, the first of them.
TEST_F(SessionControlFailureTest, AControlThatCanBeReadInPartOnly_IsNotUsed) {
  dataset_ = FakeDataset::Random({99}, 50, 20);
  for (const ClientMethod method : {ClientMethod::kScaffold, ClientMethod::kFedDyn}) {
    Plan plan = PlanOf(method);
    plan.model = DenseModel(99, 50);
    const std::vector<float> zeros(5000, 0.0f);
    coordinator_.SetRound(plan, zeros);
    FailingState state;
    Session session = MakeSession(&state);
    Round(session, std::vector<float>(5000, 1.0f));
    state.reads_left = 4;
    EXPECT_THAT(StepToSubmit(session).message,
                HasSubstr("warning: the control variate begins from zero: cannot read"));
    EXPECT_EQ(trainer_.given_control, zeros);
  }
}

TEST_F(SessionControlFailureTest, AResidualThatCannotBeReadASecondTime_IsReported) {
  Plan plan = PlanOf(ClientMethod::kScaffold, "topk(0.3)");
  plan.error_feedback = true;
  coordinator_.SetRound(plan, model_, server_);
  FailingState state;
  Session session = MakeSession(&state);
  Round(session, update_);
  session.Step();
  session.Step();
  state.reads_left = 3 + 3;  // of the residual and of the control variate
  EXPECT_EQ(session.Step().next, State::kCheckIn);
  EXPECT_THAT(coordinator_.failures, ElementsAre("cannot read"));
}

TEST_F(SessionControlFailureTest, ADeviceWithoutState_ReportsThatItCannot) {
  for (const ClientMethod method : {ClientMethod::kScaffold, ClientMethod::kFedDyn}) {
    coordinator_.SetRound(PlanOf(method), model_);
    Session session = MakeSession(nullptr);
    session.Step();
    EXPECT_EQ(session.Step().next, State::kCheckIn);
    EXPECT_THAT(coordinator_.failures.back(), HasSubstr("no state to keep a control variate in"));
    EXPECT_TRUE(buffers_.transfer.empty());
  }
}

TEST_F(SessionControlFailureTest, AControlVariateThatIsDamagedOrMissing_IsReportedNotTrained) {
  const auto failure = [&](const std::function<void(std::string&)>& change) {
    coordinator_.SetRound(PlanOf(ClientMethod::kScaffold), model_, server_);
    coordinator_.change_fetched = change;
    Session session = MakeSession(&state_);
    session.Step();
    EXPECT_EQ(session.Step().next, State::kCheckIn);
    return coordinator_.failures.empty() ? "" : coordinator_.failures.back();
  };
  EXPECT_THAT(failure([](std::string& bytes) { bytes[bytes.size() - 2] ^= 1; }),
              HasSubstr("the control variate behind the model: frame: checksum"));
  EXPECT_THAT(failure([](std::string& bytes) { bytes.resize(40); }),
              HasSubstr("the control variate behind the model: frame: truncated: 0 bytes"));
  EXPECT_THAT(failure([](std::string& bytes) { bytes.resize(30); }), HasSubstr("frame: checksum"));
  // Two frames of the model: the second has the version, too. One of another round has not.
  const std::string other = [&] {
    FakeCoordinator one;
    one.SetRound(PlanOf(ClientMethod::kScaffold), model_, server_);
    std::string bytes;
    EXPECT_THAT(one.FetchModel("", 0, bytes), IsOk());
    return bytes.substr(40);
  }();
  EXPECT_THAT(failure([&](std::string& bytes) { bytes.replace(40, 40, other); }),
              HasSubstr("the control variate behind the model is of version 1, expected 4"));
}

// As by a coordinator that sends none.
TEST_F(SessionControlFailureTest, ALeaseOfTheModelAlone_IsNotFetched) {
  coordinator_.SetRound(PlanOf(ClientMethod::kScaffold), model_, server_);
  coordinator_.change_lease = [](Lease& lease) { lease.model_bytes = 16 + 6 * 4; };
  Session session = MakeSession(&state_);
  session.Step();
  EXPECT_EQ(session.Step().next, State::kCheckIn);
  EXPECT_THAT(coordinator_.failures,
              ElementsAre("the lease offers a model of 40 bytes, the plan's has 80"));
  EXPECT_TRUE(buffers_.transfer.empty());
}

TEST_F(SessionControlFailureTest, ATrainerWithoutSteps_IsReported) {
  coordinator_.SetRound(PlanOf(ClientMethod::kScaffold), model_, server_);
  Session session = MakeSession(&state_);
  trainer_.update = update_;
  trainer_.local_steps = 0;
  for (int step = 0; step < 3; ++step) session.Step();
  EXPECT_EQ(session.state(), State::kCheckIn);
  ASSERT_EQ(coordinator_.failures.size(), 1u);
  EXPECT_THAT(coordinator_.failures[0], HasSubstr("the trainer reports 0 steps"));
}

}  // namespace
}  // namespace tern::client
