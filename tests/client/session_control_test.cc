// Control variates as a session sends and keeps them, round after round: SCAFFOLD and FedDyn.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "core/base/random.h"
#include "core/train/engine_trainer.h"
#include "tests/client/control_session.h"
#include "tests/testing/fake_dataset.h"

namespace tern::client {
namespace {

using ::tern::testing::FakeDataset;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::Not;
using ::testing::Pair;
using ::testing::Pointwise;

using SessionControlTest = ControlSession;

// By hand, without anything kept: c_i becomes (x - y) / (4 * 0.25), which is minus the update, and
// changes by that minus c.
TEST_F(SessionControlTest, Scaffold_SendsWhatTheClientsControlChangesBy) {
  coordinator_.SetRound(PlanOf(ClientMethod::kScaffold), model_, server_);
  Session session = MakeSession(&state_);
  EXPECT_EQ(Round(session, update_), update_);
  EXPECT_EQ(trainer_.given_control, server_);
  EXPECT_THAT(coordinator_.LastControl(), ElementsAre(-1.5, 3.75, -1.5, -0.5, -4, -1.75));
  EXPECT_EQ(coordinator_.LastUpdate().sections.size(), 2u);

  // c_i is what was sent; training gets c - c_i.
  const std::vector<float> kept = coordinator_.LastControl();
  EXPECT_EQ(KeptControl(PlanOf(ClientMethod::kScaffold)), kept);
  const std::vector<float> server = {1, 1, 1, 1, 1, 1};
  coordinator_.SetRound(PlanOf(ClientMethod::kScaffold), model_, server);
  Round(session, {2, 2, 2, 2, 2, 2});
  EXPECT_EQ(trainer_.given_control, Sum(server, kept, -1.0f));
  EXPECT_THAT(coordinator_.LastControl(), Each(-3.0f));
  EXPECT_EQ(KeptControl(PlanOf(ClientMethod::kScaffold)), Sum(kept, std::vector<float>(6, -3.0f)));
}

TEST_F(SessionControlTest, OptionOne_SendsTheGradientMinusWhatIsKept) {
  const Plan plan = PlanOf(ClientMethod::kScaffoldGradient);
  coordinator_.SetRound(plan, model_, server_);
  Session session = MakeSession(&state_);
  trainer_.gradient = {1, 2, 3, 4, 5, 6};
  WholeRound(session);
  EXPECT_EQ(trainer_.given_control, server_);
  EXPECT_EQ(coordinator_.LastControl(), trainer_.gradient);
  trainer_.gradient = {2, 2, 2, 2, 2, 2};
  WholeRound(session);
  EXPECT_THAT(trainer_.given_control, ElementsAre(-0.5, -1.75, -3.5, -4, -4, -4));
  EXPECT_THAT(coordinator_.LastControl(), ElementsAre(1, 0, -1, -2, -3, -4));
  EXPECT_THAT(KeptControl(plan), Each(2.0f));
}

// After one step on all examples: rounding apart, which is divided by the learning rate.
TEST_F(SessionControlTest, BothOptions_AgreeAfterOneStepOnAllExamples) {
  std::vector<std::vector<float>> sent;
  for (const ClientMethod method : {ClientMethod::kScaffold, ClientMethod::kScaffoldGradient}) {
    EngineTrainer trainer;
    MemoryDeviceState state;
    Session session({.client_id = "device"}, {.transport = &coordinator_,
                                              .trainer = &trainer,
                                              .dataset = &dataset_,
                                              .clock = &clock_,
                                              .buffers = &buffers_,
                                              .state = &state});
    Plan plan = PlanOf(method);
    plan.train.batch_size = 20;
    for (int round = 0; round < 2; ++round) {
      coordinator_.SetRound(plan, {0.1f, 0.2f, -0.3f, 0.4f, 0.5f, -0.6f}, server_);
      WholeRound(session);
      ASSERT_THAT(coordinator_.failures, ::testing::IsEmpty());
      sent.push_back(coordinator_.LastControl());
    }
  }
  EXPECT_THAT(sent[0], Pointwise(FloatNear(2e-6f), sent[2]));
  EXPECT_THAT(sent[1], Pointwise(FloatNear(2e-6f), sent[3]));
  EXPECT_THAT(sent[0], Not(Each(FloatNear(0.0f, 1e-2f))));
}

TEST_F(SessionControlTest, FedDyn_KeepsTheSumOfAlphaTimesItsUpdates) {
  const Plan plan = PlanOf(ClientMethod::kFedDyn);
  coordinator_.SetRound(plan, model_);
  Session session = MakeSession(&state_);
  EXPECT_EQ(Round(session, update_), update_);
  EXPECT_THAT(trainer_.given_control, Each(0.0f));
  EXPECT_EQ(coordinator_.LastUpdate().sections.size(), 1u);
  const std::vector<float> kept = {0.5, -2, 1, 0.25, 1.5, -0.125};
  EXPECT_EQ(KeptControl(plan), kept);
  Round(session, {2, 2, 2, 2, 2, 2});
  EXPECT_EQ(trainer_.given_control, kept);
  EXPECT_EQ(KeptControl(plan), Sum(kept, std::vector<float>(6, 1.0f)));
}

// Whatever the codec: all additions are the same, in the same order.
TEST_F(SessionControlTest, WhatIsKept_IsTheSumOfWhatTheCoordinatorDecoded) {
  dataset_ = FakeDataset::Random({99}, 5, 20);
  RandomStream random({.seed = 70});
  const auto draw = [&random] {
    std::vector<float> values(500);
    for (float& value : values) value = random.NextFloat() - 0.5f;
    return values;
  };
  for (const ClientMethod method :
       {ClientMethod::kScaffold, ClientMethod::kScaffoldGradient, ClientMethod::kFedDyn}) {
    for (const char* codec : {"quantize(4, stochastic)", "topk(0.1)|ternary|rice",
                              "randk(0.2, unbiased)", "rotate|eden(2)|rans", "mask|sign"}) {
      for (const bool error_feedback : {false, true}) {
        MemoryDeviceState state;
        Session session = MakeSession(&state);
        Plan plan = PlanOf(method, codec);
        plan.model = DenseModel(99, 5);
        plan.error_feedback = error_feedback;
        std::vector<float> sum(500, 0.0f);
        for (plan.round = 1; plan.round < 5; ++plan.round) {
          coordinator_.SetRound(plan, draw(), draw());
          trainer_.gradient = draw();
          WholeRound(session);
          if (method == ClientMethod::kFedDyn) {
            sum = Sum(sum, coordinator_.LastCoordinates(), 0.5f);
          } else {
            sum = Sum(sum, coordinator_.LastControl());
          }
          ASSERT_EQ(Kept(kStoredControl, plan, state, 500), sum)
              << codec << " method " << static_cast<int>(method);
        }
      }
    }
  }
}

// 2 of 6 coordinates a round. The residual, where training starts from, is no movement of it.
TEST_F(SessionControlTest, WhatALossyCodecLeavesOut_ComesLater) {
  for (const ClientMethod method : {ClientMethod::kScaffold, ClientMethod::kScaffoldGradient}) {
    for (const bool error_feedback : {false, true}) {
      MemoryDeviceState state;
      Session session = MakeSession(&state);
      Plan plan = PlanOf(method, "topk(0.3)");
      plan.error_feedback = error_feedback;
      trainer_.gradient = {1, -4, 2, 0.5, 3, -0.25};
      for (int round = 0; round < 3; ++round) {
        coordinator_.SetRound(plan, model_, server_);
        WholeRound(session);
      }
      EXPECT_THAT(Kept(kStoredControl, plan, state),
                  Pointwise(FloatNear(1e-5f), trainer_.gradient));
      if (error_feedback) {
        EXPECT_THAT(Kept(kStoredResidual, plan, state), Not(Each(0.0f)));
      }
    }
  }
}

TEST_F(SessionControlTest, TheTwoSections_HaveRandomNumbersOfTheirOwn) {
  const Plan plan = PlanOf(ClientMethod::kScaffold, "quantize(2, stochastic)");
  Plan large = plan;
  large.model = DenseModel(99, 5);
  dataset_ = FakeDataset::Random({99}, 5, 20);
  // What the coordinator decodes of the same values.
  trainer_.update.assign(500, 0.3f);
  trainer_.update[0] = 1.0f;
  trainer_.update[256] = 1.0f;
  coordinator_.SetRound(large, std::vector<float>(500, 0.0f));
  Session session = MakeSession(&state_);
  WholeRound(session);
  std::vector<float> control = coordinator_.LastControl();
  for (float& value : control) value = -value;
  EXPECT_NE(coordinator_.LastCoordinates(), control);
}

TEST_F(SessionControlTest, WhatIsNotTrained_IsZeroInBothSections) {
  Plan plan = PlanOf(ClientMethod::kScaffold, "mask|none");
  plan.train.scope.biases_only = true;
  coordinator_.SetRound(plan, model_, server_);
  Session session = MakeSession(&state_);
  Round(session, {0, 0, 0, 0, 3, -0.25});
  EXPECT_THAT(coordinator_.LastControl(), ElementsAre(0, 0, 0, 0, -4, -1.75));
  EXPECT_THAT(KeptControl(plan), ElementsAre(0, 0, 0, 0, -4, -1.75));
  // Also where all is sent.
  plan.codec = "none";
  coordinator_.SetRound(plan, model_, server_);
  Round(session, {0, 0, 0, 0, 3, -0.25});
  EXPECT_THAT(coordinator_.LastControl(), ElementsAre(0, 0, 0, 0, -4, -1.75));
}

TEST_F(SessionControlTest, Metrics_TravelAsTheTrainerReportsThem) {
  coordinator_.SetRound(PlanOf(ClientMethod::kSgd), model_);
  Session session = MakeSession(nullptr);
  trainer_.metrics = {{"start_loss", 2.5}, {"weight", 7.0}};
  Round(session, update_);
  EXPECT_THAT(coordinator_.LastUpdate().report.metrics,
              ElementsAre(Pair("start_loss", 2.5), Pair("weight", 7.0)));
}

}  // namespace
}  // namespace tern::client
