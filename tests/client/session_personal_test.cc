// Personal parameters as a session trains and keeps them, round after round.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "core/base/status_macros.h"
#include "tests/client/session_tools.h"
#include "tests/testing/status_matchers.h"

namespace tern::client {
namespace {

using ::tern::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// Weights 0 to 3, biases 4 and 5, which are personal.
class SessionPersonalTest : public SessionTools {
 protected:
  std::vector<float> KeptPersonal(DeviceState& state) const {
    return Kept(kStoredPersonal, plan_, state, 2);
  }

  Plan plan_ = {.model = DenseModel(2, 2),
                .train = {.learning_rate = 1.0f, .personal = {.biases = true}},
                .codec = "mask|none",
                .round = 1};
  const std::vector<float> model_ = {1, 2, 3, 4, 5, 6};
  const std::vector<float> update_ = {1, -4, 2, 0.5, 3, -0.25};
};

class RecordingObserver final : public UpdateObserver {
 public:
  void OnUpdate(const Lease&, absl::Span<const float> update) override {
    seen.assign(update.begin(), update.end());
  }
  std::vector<float> seen;
};

TEST_F(SessionPersonalTest, PersonalParameters_AreTrainedAndKeptButNotSent) {
  coordinator_.SetRound(plan_, model_);
  Session session = MakeSession(&state_);
  EXPECT_THAT(Round(session, update_), ElementsAre(1, -4, 2, 0.5, 0, 0));
  EXPECT_EQ(trainer_.start, model_);
  EXPECT_THAT(KeptPersonal(state_), ElementsAre(8, 5.75));
}

TEST_F(SessionPersonalTest, TheNextTraining_StartsFromThemWhateverTheModelHas) {
  coordinator_.SetRound(plan_, model_);
  Session session = MakeSession(&state_);
  Round(session, update_);
  coordinator_.SetRound(plan_, {10, 20, 30, 40, 50, 60});
  EXPECT_THAT(Round(session, update_), ElementsAre(1, -4, 2, 0.5, 0, 0));
  EXPECT_THAT(trainer_.start, ElementsAre(10, 20, 30, 40, 8, 5.75));
  EXPECT_THAT(KeptPersonal(state_), ElementsAre(11, 5.5));
}

TEST_F(SessionPersonalTest, NoBytesOfThem_LeaveTheDevice) {
  for (const char* codec : {"mask|none", "mask|topk(1)", "mask|quantize(8)", "mask|none|zstd"}) {
    for (const bool error_feedback : {false, true}) {
      plan_.codec = codec;
      plan_.error_feedback = error_feedback;
      std::string submitted[2];
      for (const float own : {0.0f, 1234.5678f}) {
        MemoryDeviceState state;
        FakeCoordinator coordinator;
        RecordingObserver observer;
        Session session({.client_id = "device"}, {.transport = &coordinator,
                                                  .trainer = &trainer_,
                                                  .dataset = &dataset_,
                                                  .clock = &clock_,
                                                  .buffers = &buffers_,
                                                  .state = &state,
                                                  .observer = &observer});
        trainer_.update = {1, -4, 2, 0.5, own, -own};
        for (int round = 0; round < 3; ++round) {
          coordinator.SetRound(plan_, model_);
          WholeRound(session);
          EXPECT_EQ(observer.seen.at(4), 0.0f);
          EXPECT_EQ(observer.seen.at(5), 0.0f);
        }
        submitted[own == 0.0f ? 0 : 1] = coordinator.submitted;
      }
      // What the client trains for itself makes no difference to what is sent.
      EXPECT_EQ(submitted[0], submitted[1]) << codec;
    }
  }
}

TEST_F(SessionPersonalTest, AnythingButAnAcknowledgement_LeavesThemAsTheyWere) {
  coordinator_.SetRound(plan_, model_);
  Session session = MakeSession(&state_);
  Round(session, update_);
  const std::vector<float> nines(6, 9.0f);
  for (const absl::Status& answer :
       {absl::FailedPreconditionError("late"), absl::InvalidArgumentError("refused")}) {
    coordinator_.answer = answer;
    Round(session, nines);
    EXPECT_THAT(KeptPersonal(state_), ElementsAre(8, 5.75)) << answer;
  }
  {
    Session crashes = MakeSession(&state_);
    StepToSubmit(crashes);
  }
  EXPECT_THAT(KeptPersonal(state_), ElementsAre(8, 5.75));
  coordinator_.answer = absl::UnavailableError("connection reset");
  Session again = MakeSession(&state_);
  Round(again, nines);
  EXPECT_THAT(trainer_.start, ElementsAre(1, 2, 3, 4, 8, 5.75));
  EXPECT_THAT(KeptPersonal(state_), ElementsAre(8, 5.75));
  coordinator_.answer = absl::OkStatus();
  EXPECT_EQ(again.Step().next, State::kCheckIn);
  EXPECT_THAT(KeptPersonal(state_), ElementsAre(17, 14.75));
}

// With a lossy codec: neither the residual nor the control variate has them.
TEST_F(SessionPersonalTest, ResidualAndControl_DoNotCoverThem) {
  for (const ClientMethod method :
       {ClientMethod::kScaffold, ClientMethod::kScaffoldGradient, ClientMethod::kFedDyn}) {
    MemoryDeviceState state;
    Session session = MakeSession(&state);
    plan_.codec = "mask|topk(0.3)";
    plan_.error_feedback = true;
    plan_.train.method = method;
    plan_.train.proximal_mu = method == ClientMethod::kFedDyn ? 0.5f : 0.0f;
    trainer_.gradient = {1, -4, 2, 0.5, 3, -0.25};
    for (int round = 0; round < 3; ++round) {
      // The coordinator's control variate should be 0 there; what if it is not?
      coordinator_.SetRound(plan_, model_, {1, 1, 1, 1, 0, 0});
      WholeRound(session);
      EXPECT_THAT(coordinator_.failures, ::testing::IsEmpty());
      for (const StoredVector& which : {kStoredResidual, kStoredControl}) {
        const std::vector<float> kept = Kept(which, plan_, state);
        EXPECT_EQ(kept[4], 0.0f);
        EXPECT_EQ(kept[5], 0.0f);
        if (round == 0) {
          EXPECT_THAT(kept, Not(::testing::Each(0.0f)));
        }
      }
    }
    EXPECT_THAT(KeptPersonal(state), ElementsAre(5 - 3 * 3, 6 + 3 * 0.25));
  }
}

TEST_F(SessionPersonalTest, AnotherTaskOrSubmodel_BeginsAsTheModel) {
  coordinator_.SetRound(plan_, model_);
  Session session = MakeSession(&state_);
  Round(session, update_);
  Plan other = plan_;
  other.submodel = "heterofl(0.5)";
  coordinator_.SetRound(other, model_);
  Round(session, update_);
  EXPECT_EQ(trainer_.start, model_);
  coordinator_.task = "another";
  Round(session, update_);
  EXPECT_EQ(trainer_.start, model_);
}

TEST_F(SessionPersonalTest, OtherPersonalLayers_BeginAsTheModel) {
  coordinator_.SetRound(plan_, model_);
  Session session = MakeSession(&state_);
  Round(session, update_);
  plan_.train.personal.biases = false;
  plan_.codec = "none";
  coordinator_.SetRound(plan_, model_);
  EXPECT_EQ(Round(session, update_), update_);
  EXPECT_EQ(trainer_.start, model_);
  EXPECT_EQ(buffers_.personal.size(), 0);
}

TEST_F(SessionPersonalTest, DamagedOnes_AreAWarningAndBeginAsTheModel) {
  coordinator_.SetRound(plan_, model_);
  FailingState state;
  Session session = MakeSession(&state);
  Round(session, update_);
  std::string stored(72, '\0');
  ASSERT_THAT(state.inner.Read("personal", 0, absl::MakeSpan(stored)), IsOk());
  stored[70] ^= 1;
  ASSERT_THAT(state.inner.Write("personal", stored), IsOk());
  EXPECT_THAT(StepToSubmit(session).message,
              HasSubstr("warning: personal parameters begin as the model's: the value 'personal' "
                        "is damaged"));
  EXPECT_EQ(trainer_.start, model_);
  session.Step();
  EXPECT_THAT(KeptPersonal(state.inner), ElementsAre(8, 5.75));
  // All but the last block can be read: none is used.
  state.reads_left = 2;
  EXPECT_THAT(StepToSubmit(session).message, HasSubstr("begin as the model's: cannot read"));
  EXPECT_EQ(trainer_.start, model_);
}

TEST_F(SessionPersonalTest, AStateThatCannotBeWritten_IsAWarningAndKeepsTheOldOnes) {
  coordinator_.SetRound(plan_, model_);
  FailingState state;
  Session session = MakeSession(&state);
  Round(session, update_);
  state.fails = true;
  EXPECT_THAT(WholeRound(session).message,
              HasSubstr("warning: personal parameters are as they were: personal: disk full"));
  EXPECT_THAT(KeptPersonal(state.inner), ElementsAre(8, 5.75));
  EXPECT_EQ(session.updates_accepted(), 2);
}

TEST_F(SessionPersonalTest, PlansThatCannotBe_AreReportedBeforeAnythingIsFetched) {
  const auto failure = [&](DeviceState* state) {
    coordinator_.SetRound(plan_, model_);
    Session session = MakeSession(state);
    session.Step();
    EXPECT_EQ(session.Step().next, State::kCheckIn);
    EXPECT_TRUE(buffers_.transfer.empty());
    return coordinator_.failures.empty() ? "" : coordinator_.failures.back();
  };
  EXPECT_THAT(failure(nullptr), HasSubstr("no state to keep personal parameters in"));
  plan_.codec = "none";
  EXPECT_THAT(failure(&state_), HasSubstr("codec 'none' would send personal parameters"));
  plan_.codec = "mask|none";
  plan_.train.personal.layers = {"fc7"};
  EXPECT_THAT(failure(&state_), HasSubstr("personal.layers has 'fc7', expected a layer"));
  plan_.train.personal.layers = {"fc"};
  EXPECT_THAT(failure(&state_), HasSubstr("no trained parameter left to send"));
}

}  // namespace
}  // namespace tern::client
