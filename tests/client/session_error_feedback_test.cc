// Error feedback as a session does it, round after round.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <utility>

#include "client/error_feedback.h"
#include "core/base/random.h"
#include "tests/client/session_tools.h"
#include "tests/testing/fake_dataset.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace tern::client {
namespace {

using ::tern::testing::FakeDataset;
using ::tern::testing::IsOk;
using ::tern::testing::TemporaryDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class SessionErrorFeedbackTest : public SessionTools {
 protected:
  // 2 of 6 coordinates are kept.
  const Plan plan_ = {
      .model = DenseModel(2, 2), .codec = "topk(0.3)", .round = 1, .error_feedback = true};
  const std::vector<float> model_ = {1, 2, 3, 4, 5, 6};
  const std::vector<float> update_ = {1, -4, 2, 0.5, 3, -0.25};
};

// By hand: the second update is {1, -4, 2, 0.5, 3, -0.25} + {1, 0, 2, 0.5, 0, -0.25}.
TEST_F(SessionErrorFeedbackTest, WhatIsLeftOut_IsAddedToTheNextUpdate) {
  coordinator_.SetRound(plan_, model_);
  Session session = MakeSession(&state_);
  EXPECT_THAT(Round(session, update_), ElementsAre(0, -4, 0, 0, 3, 0));
  EXPECT_THAT(Round(session, update_), ElementsAre(0, -4, 4, 0, 0, 0));
  EXPECT_THAT(Round(session, std::vector<float>(6, 0)), ElementsAre(2, 0, 0, 0, 3, 0));
  EXPECT_THAT(Round(session, std::vector<float>(6, 0)), ElementsAre(0, 0, 0, 1, 0, -0.5));
  EXPECT_EQ(session.updates_accepted(), 4);
}

TEST_F(SessionErrorFeedbackTest, WithoutErrorFeedback_NothingIsKept) {
  Plan plan = plan_;
  plan.error_feedback = false;
  coordinator_.SetRound(plan, model_);
  Session session = MakeSession(nullptr);
  EXPECT_THAT(Round(session, update_), ElementsAre(0, -4, 0, 0, 3, 0));
  EXPECT_THAT(Round(session, update_), ElementsAre(0, -4, 0, 0, 3, 0));
}

// The quantization error of one round, too, is made good in the next.
TEST_F(SessionErrorFeedbackTest, ADenseCodecsError_IsKeptToo) {
  Plan plan = plan_;
  plan.codec = "quantize(8)";
  coordinator_.SetRound(plan, std::vector<float>(6, 0.0f));
  Session session = MakeSession(&state_);
  const std::vector<float> update = {127, 0.25, 0.25, 0.25, 0.25, 0.25};
  EXPECT_THAT(Round(session, update), ElementsAre(127, 0, 0, 0, 0, 0));
  EXPECT_THAT(Round(session, update), ElementsAre(127, 0, 0, 0, 0, 0));
  EXPECT_THAT(Round(session, update), ElementsAre(127, 1, 1, 1, 1, 1));
  EXPECT_THAT(Round(session, update), ElementsAre(127, 0, 0, 0, 0, 0));
}

TEST_F(SessionErrorFeedbackTest, AnythingButAnAcknowledgement_LeavesTheResidualAsItWas) {
  coordinator_.SetRound(plan_, model_);
  Session session = MakeSession(&state_);
  const std::vector<float> zero(6, 0);
  Round(session, update_);  // the residual is {1, 0, 2, 0.5, 0, -0.25}
  for (const absl::Status& answer :
       {absl::FailedPreconditionError("late"), absl::InvalidArgumentError("refused")}) {
    coordinator_.answer = answer;
    EXPECT_THAT(Round(session, zero), ElementsAre(1, 0, 2, 0, 0, 0)) << answer;
    EXPECT_EQ(session.state(), State::kCheckIn);
  }
  EXPECT_THAT(coordinator_.failures, ElementsAre("refused"));

  trainer_.update = zero;
  StepToSubmit(session);
  clock_.Advance(absl::Seconds(60));
  EXPECT_THAT(session.Step().message, HasSubstr("deadline has passed"));

  coordinator_.answer = absl::UnavailableError("connection reset");
  EXPECT_THAT(Round(session, zero), ElementsAre(1, 0, 2, 0, 0, 0));
  {
    Session after_crash = MakeSession(&state_);
    EXPECT_THAT(Round(after_crash, zero), ElementsAre(1, 0, 2, 0, 0, 0));
  }
  coordinator_.answer = absl::OkStatus();
  Session again = MakeSession(&state_);
  EXPECT_THAT(Round(again, zero), ElementsAre(1, 0, 2, 0, 0, 0));
  EXPECT_THAT(Round(again, zero), ElementsAre(0, 0, 0, 0.5, 0, -0.25));
}

TEST_F(SessionErrorFeedbackTest, ALostAcknowledgement_CommitsWhenTheSameUpdateIsAcknowledged) {
  coordinator_.SetRound(plan_, model_);
  Session session = MakeSession(&state_);
  coordinator_.answer = absl::UnavailableError("connection reset");
  Round(session, update_);
  EXPECT_EQ(session.state(), State::kSubmit);
  EXPECT_EQ(*state_.Size(kStoredResidual.name), 0);
  const std::string first = coordinator_.submitted;
  coordinator_.answer = absl::OkStatus();
  EXPECT_EQ(session.Step().next, State::kCheckIn);
  EXPECT_EQ(coordinator_.submitted, first);
  EXPECT_EQ(*state_.Size(kStoredResidual.name), 64 + 6 * 4);
}

TEST_F(SessionErrorFeedbackTest, TheResidual_SurvivesTheProcess) {
  const TemporaryDirectory directory;
  coordinator_.SetRound(plan_, model_);
  {
    const auto state = *OpenDirectoryDeviceState(directory.path());
    Session session = MakeSession(state.get());
    Round(session, update_);
  }
  buffers_ = SessionBuffers();
  coordinator_.SetRound(plan_, model_);
  const auto state = *OpenDirectoryDeviceState(directory.path());
  Session session = MakeSession(state.get());
  EXPECT_THAT(Round(session, update_), ElementsAre(0, -4, 4, 0, 0, 0));
}

TEST_F(SessionErrorFeedbackTest, AnotherSubmodelOrTask_StartsFromZero) {
  Session session = MakeSession(&state_);
  coordinator_.SetRound(plan_, model_);
  Round(session, update_);
  Plan other = plan_;
  other.submodel = "heterofl(0.5)";
  coordinator_.SetRound(other, model_);
  EXPECT_THAT(Round(session, update_), ElementsAre(0, -4, 0, 0, 3, 0));
  coordinator_.task = "another";
  EXPECT_THAT(Round(session, update_), ElementsAre(0, -4, 0, 0, 3, 0));
  EXPECT_THAT(Round(session, update_), ElementsAre(0, -4, 4, 0, 0, 0));
}

TEST_F(SessionErrorFeedbackTest, ADeviceWithoutState_ReportsThatItCannot) {
  coordinator_.SetRound(plan_, model_);
  Session session = MakeSession(nullptr);
  session.Step();
  EXPECT_EQ(session.Step().next, State::kCheckIn);
  ASSERT_EQ(coordinator_.failures.size(), 1u);
  EXPECT_THAT(coordinator_.failures[0], HasSubstr("no state to keep a residual in"));
  EXPECT_TRUE(buffers_.transfer.empty());
}

TEST_F(SessionErrorFeedbackTest, ADamagedResidual_IsAWarningAndStartsFromZero) {
  coordinator_.SetRound(plan_, model_);
  Session session = MakeSession(&state_);
  trainer_.update = update_;
  EXPECT_THAT(StepToSubmit(session).message, Not(HasSubstr("warning")));
  session.Step();
  std::string stored(88, '\0');
  ASSERT_THAT(state_.Read(kStoredResidual.name, 0, absl::MakeSpan(stored)), IsOk());
  stored[70] ^= 1;
  ASSERT_THAT(state_.Write(kStoredResidual.name, stored), IsOk());
  EXPECT_THAT(StepToSubmit(session).message, HasSubstr("warning: the residual is not made up for"));
  session.Step();
  EXPECT_THAT(coordinator_.LastCoordinates(), ElementsAre(0, -4, 0, 0, 3, 0));
}

// Two blocks: after a header and both for their checksum, the first of them.
TEST_F(SessionErrorFeedbackTest, AResidualThatCanBeReadInPartOnly_IsNotUsed) {
  dataset_ = FakeDataset::Random({99}, 50, 20);
  Plan plan = plan_;
  plan.model = DenseModel(99, 50);
  const std::vector<float> model(5000, 2.0f);
  coordinator_.SetRound(plan, model);
  FailingState state;
  Session session = MakeSession(&state);
  Round(session, std::vector<float>(5000, 1.0f));
  state.reads_left = 4;
  EXPECT_THAT(StepToSubmit(session).message,
              HasSubstr("warning: the residual is not made up for: cannot read"));
  EXPECT_EQ(trainer_.start, model);
}

TEST_F(SessionErrorFeedbackTest, AStateThatCannotBeWritten_IsAWarningAndTheOldResidualIsGone) {
  coordinator_.SetRound(plan_, model_);
  FailingState state;
  Session session = MakeSession(&state);
  Round(session, update_);
  state.fails = true;
  trainer_.update = update_;
  StepToSubmit(session);
  const Session::Progress submitted = session.Step();
  EXPECT_EQ(submitted.next, State::kCheckIn);
  EXPECT_THAT(submitted.message, HasSubstr("update accepted"));
  EXPECT_THAT(submitted.message, HasSubstr("warning: what it left out is lost: residual: disk"));
  EXPECT_EQ(session.updates_accepted(), 2);
  // What was sent is not sent again.
  EXPECT_EQ(*state.Size(kStoredResidual.name), 0);
}

// Nothing is lost over the rounds: what was sent and what is still kept add up to what was trained.
// Each of 200 roundings is off by at most half a unit in the last place of values below 8.
TEST_F(SessionErrorFeedbackTest, WhatIsSentAndWhatIsKept_AddUpToWhatWasTrained) {
  const Plan plan = {
      .model = DenseModel(99, 5), .codec = "topk(0.1)", .round = 1, .error_feedback = true};
  dataset_ = FakeDataset::Random({99}, 5, 20);
  coordinator_.SetRound(plan, std::vector<float>(500, 0.0f));
  Session session = MakeSession(&state_);
  RandomStream random({.seed = 70});
  std::vector<double> trained(500);
  std::vector<double> sent(500);
  for (int round = 0; round < 200; ++round) {
    std::vector<float> update(500);
    for (size_t i = 0; i < update.size(); ++i) {
      update[i] = 0.1f * (random.NextFloat() - 0.5f) * (i % 7 == 0 ? 5.0f : 1.0f);
      trained[i] += static_cast<double>(update[i]);
    }
    const std::vector<float> arrived = Round(session, update);
    for (size_t i = 0; i < arrived.size(); ++i) sent[i] += static_cast<double>(arrived[i]);
  }
  std::vector<float> residual(500, 0.0f);
  Lease lease{.task = "task", .plan = plan, .model_version = 1};
  ASSERT_THAT(AddResidual(lease, state_, absl::MakeSpan(residual)), IsOk());
  double largest_residual = 0.0;
  for (size_t i = 0; i < residual.size(); ++i) {
    EXPECT_NEAR(sent[i] + static_cast<double>(residual[i]), trained[i], 200 * 0x1p-22);
    largest_residual = std::max(largest_residual, std::abs(static_cast<double>(residual[i])));
  }
  // What is kept does not pile up: each coordinate's turn comes.
  EXPECT_GT(largest_residual, 0.0);
  EXPECT_LT(largest_residual, 1.0);
}

}  // namespace
}  // namespace tern::client
