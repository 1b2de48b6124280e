// Rounds whose members train submodels of different widths.
#include <vector>

#include "core/crypto/sha256.h"
#include "core/model/parameter_layout.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/coordinator.h"
#include "server/device_cost.h"
#include "tests/testing/updates.h"

namespace tern::server {
namespace {

using ::tern::testing::MakeUpdate;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// 2 inputs, 4 hidden channels, 2 classes: weights 8 + 8, biases 4 + 2. Half of it: the first two
// hidden channels, coordinates 0-3, 8-9, 12-13, 16-17 and 20-21.
ModelSpec TwoLayers() {
  return {.name = "two",
          .input = {2},
          .layers = {{.name = "fc1", .kind = LayerKind::kDense, .units = 4},
                     {.name = "relu1", .kind = LayerKind::kRelu},
                     {.name = "fc2", .kind = LayerKind::kDense, .units = 2}}};
}

std::vector<float> Ascending() {
  std::vector<float> values(22);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  return values;
}

Task TwoWidths(SubmodelRule rule) {
  return {.model = TwoLayers(),
          .initial_parameters = Ascending(),
          .num_rounds = 4,
          .adapt = {.widths = {1.0, 0.5}, .submodel = rule},
          .max_update_abs = 100.0f,
          .round = {.cohort_size = 2, .deadline = absl::Seconds(60)}};
}

class CoordinatorSubmodelTest : public ::testing::Test {
 protected:
  void Start(const Task& task) {
    auto created = Coordinator::Create(task, {.clock = &clock_, .lease_secret = "secret"});
    ASSERT_TRUE(created.ok()) << created.status();
    coordinator_ = *std::move(created);
    // Memory for the half model, not for the whole.
    small_ram_ = DeviceCost({.model = TwoLayers()}, 10)->peak_bytes() - 1;
  }
  CheckInReply CheckIn(const std::string& id) {
    const int64_t ram = id == "small" ? small_ram_ : 0;
    return coordinator_->CheckIn(
        {.client_id = id, .capabilities = {.ram_bytes = ram}, .num_examples = 10});
  }
  Lease TakeLease(const std::string& id) {
    CheckInReply reply = CheckIn(id);
    return std::get<Lease>(reply);
  }
  absl::Status Submit(const Lease& lease, const std::vector<float>& values, int64_t examples) {
    const Update update = MakeUpdate(lease, values, examples);
    return coordinator_->SubmitUpdate(lease.lease_id, Serialize(update)).status();
  }

  SimulatedClock clock_;
  std::unique_ptr<Coordinator> coordinator_;
  int64_t small_ram_ = 0;
};

TEST_F(CoordinatorSubmodelTest, ASmallDeviceGetsTheWidestModelThatItCanHold) {
  Start(TwoWidths(SubmodelRule::kHeteroFl));
  CheckIn("large");
  const Lease small = TakeLease("small");
  const Lease large = TakeLease("large");
  EXPECT_EQ(large.plan.submodel, "");
  EXPECT_EQ(large.plan.model, TwoLayers());
  EXPECT_EQ(small.plan.submodel, "heterofl(0.5)");
  EXPECT_EQ(MakeParameterLayout(small.plan.model)->size, 12);
  EXPECT_NE(small.base_hash, large.base_hash);
  EXPECT_EQ(large.base_hash, coordinator_->model()->hash);
  const auto fetched = coordinator_->FetchModel(small.lease_id);
  ASSERT_TRUE(fetched.ok());
  EXPECT_THAT((*fetched)->parameters, ElementsAre(0, 1, 2, 3, 8, 9, 12, 13, 16, 17, 20, 21));
  EXPECT_EQ(ModelHash((*fetched)->parameters), small.base_hash);
  EXPECT_EQ(small.model_bytes, static_cast<int64_t>((*fetched)->frame.size()));
}

TEST_F(CoordinatorSubmodelTest, ACoordinateIsTheMeanOfThoseWhoHoldIt) {
  Start(TwoWidths(SubmodelRule::kHeteroFl));
  CheckIn("large");
  const Lease small = TakeLease("small");
  const Lease large = TakeLease("large");
  EXPECT_TRUE(Submit(small, std::vector<float>(12, 4.0f), 30).ok());
  EXPECT_TRUE(Submit(large, std::vector<float>(22, 8.0f), 10).ok());
  const std::vector<float>& next = coordinator_->model()->parameters;
  EXPECT_EQ(next[0], 0.0f + (30 * 4.0f + 10 * 8.0f) / 40);
  EXPECT_EQ(next[4], 4.0f + 8.0f);  // channel 2: only the large device holds it
  EXPECT_EQ(next[21], 21.0f + 5.0f);
}

TEST_F(CoordinatorSubmodelTest, ACoordinateThatNobodyHeldKeepsItsValue) {
  Task task = TwoWidths(SubmodelRule::kHeteroFl);
  task.round.cohort_size = 1;
  Start(task);
  const Lease small = TakeLease("small");
  EXPECT_TRUE(Submit(small, std::vector<float>(12, 1.0f), 10).ok());
  const std::vector<float>& next = coordinator_->model()->parameters;
  EXPECT_EQ(next[3], 4.0f);
  EXPECT_EQ(next[4], 4.0f);
  EXPECT_EQ(next[10], 10.0f);
  EXPECT_EQ(next[12], 13.0f);
}

TEST_F(CoordinatorSubmodelTest, ARollingWindowMovesOnEachRound) {
  Task task = TwoWidths(SubmodelRule::kFedRolex);
  task.round.cohort_size = 1;
  Start(task);
  const Lease first = TakeLease("small");
  EXPECT_THAT((*coordinator_->FetchModel(first.lease_id))->parameters,
              ElementsAre(0, 1, 2, 3, 8, 9, 12, 13, 16, 17, 20, 21));
  EXPECT_TRUE(Submit(first, std::vector<float>(12, 0.0f), 10).ok());
  const Lease second = TakeLease("small");
  EXPECT_NE(second.plan.submodel, first.plan.submodel);
  EXPECT_THAT((*coordinator_->FetchModel(second.lease_id))->parameters,
              ElementsAre(2, 3, 4, 5, 9, 10, 13, 14, 17, 18, 20, 21));
}

TEST_F(CoordinatorSubmodelTest, AnUpdateOfAnotherWidthIsRefused_AndTheLeaseStaysOpen) {
  Start(TwoWidths(SubmodelRule::kHeteroFl));
  CheckIn("large");
  const Lease small = TakeLease("small");
  const absl::Status refused = Submit(small, std::vector<float>(22, 1.0f), 10);
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(refused.message(), HasSubstr("22"));
  EXPECT_TRUE(Submit(small, std::vector<float>(12, 1.0f), 10).ok());
}

TEST_F(CoordinatorSubmodelTest, ADeviceThatHoldsNoSubmodelIsRefusedWithTheNumbers) {
  Start(TwoWidths(SubmodelRule::kHeteroFl));
  const CheckInReply reply = coordinator_->CheckIn(
      {.client_id = "tiny", .capabilities = {.ram_bytes = 100}, .num_examples = 10});
  ASSERT_TRUE(std::holds_alternative<Refusal>(reply));
  EXPECT_EQ(std::get<Refusal>(reply).reason, RefusalReason::kDeviceTooSmall);
  EXPECT_THAT(std::get<Refusal>(reply).message, HasSubstr("the device offers 100"));
  EXPECT_THAT(std::get<Refusal>(reply).message, HasSubstr("0.5"));
}

TEST_F(CoordinatorSubmodelTest, ADeviceThatIsRefusedLater_IsNotSelectedAnyMore) {
  Task task = TwoWidths(SubmodelRule::kHeteroFl);
  task.round.cohort_size = 1;
  task.round.min_available = 2;
  Start(task);
  CheckIn("a");
  coordinator_->CheckIn({.client_id = "a", .capabilities = {.ram_bytes = 100}, .num_examples = 10});
  CheckIn("b");
  EXPECT_EQ(coordinator_->open_round(), 0u);
  CheckIn("a");
  EXPECT_EQ(coordinator_->open_round(), 1u);
}

TEST_F(CoordinatorSubmodelTest, ARefusedUpdate_TakesNothingAwayFromThoseThatWereAccepted) {
  Task task = TwoWidths(SubmodelRule::kHeteroFl);
  task.round = {.cohort_size = 3, .deadline = absl::Seconds(60)};
  Start(task);
  CheckIn("a");
  CheckIn("b");
  const Lease c = TakeLease("c");
  const Lease a = TakeLease("a");
  const Lease b = TakeLease("b");
  EXPECT_TRUE(Submit(a, std::vector<float>(22, 4.0f), 10).ok());
  EXPECT_FALSE(Submit(b, std::vector<float>(22, 1000.0f), 10).ok());
  EXPECT_TRUE(Submit(b, std::vector<float>(22, 8.0f), 10).ok());
  EXPECT_TRUE(Submit(c, std::vector<float>(22, 12.0f), 10).ok());
  EXPECT_EQ(coordinator_->model()->parameters[0], 8.0f);
}

TEST_F(CoordinatorSubmodelTest, ALateUpdateOfTheRoundBefore_TakesNothingAwayFromTheOpenRound) {
  Task task = TwoWidths(SubmodelRule::kHeteroFl);
  task.round = {.cohort_size = 2, .over_selection = 1.5, .deadline = absl::Seconds(60)};
  task.round.min_available = 3;
  Start(task);
  CheckIn("a");
  CheckIn("b");
  CheckIn("c");
  const auto prepared = [&](const Lease& lease, float value) {
    return coordinator_->Prepare(*coordinator_->TermsOf(lease.lease_id),
                                 Serialize(MakeUpdate(lease, std::vector<float>(22, value), 10)));
  };
  const PreparedUpdate late = prepared(TakeLease("a"), 50.0f);
  EXPECT_TRUE(Submit(TakeLease("b"), std::vector<float>(22, 0.0f), 10).ok());
  EXPECT_TRUE(Submit(TakeLease("c"), std::vector<float>(22, 0.0f), 10).ok());
  ASSERT_EQ(coordinator_->open_round(), 2u);
  EXPECT_TRUE(Submit(TakeLease("b"), std::vector<float>(22, 4.0f), 10).ok());
  EXPECT_EQ(coordinator_->SubmitUpdate(late).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(Submit(TakeLease("c"), std::vector<float>(22, 12.0f), 10).ok());
  EXPECT_EQ(coordinator_->model()->parameters[0], 8.0f);
}

TEST_F(CoordinatorSubmodelTest, AMemberThatIsRefusedMeanwhile_DoesNotHoldTheRoundUp) {
  Task task = TwoWidths(SubmodelRule::kHeteroFl);
  Start(task);
  CheckIn("a");
  EXPECT_TRUE(Submit(TakeLease("b"), std::vector<float>(22, 2.0f), 10).ok());
  EXPECT_EQ(coordinator_->open_round(), 1u);
  coordinator_->CheckIn({.client_id = "a", .capabilities = {.ram_bytes = 100}, .num_examples = 10});
  EXPECT_EQ(coordinator_->open_round(), 0u);
  EXPECT_EQ(coordinator_->model()->parameters[0], 2.0f);
}

TEST_F(CoordinatorSubmodelTest, PreparedInParts_AnUpdateCountsAsItDoesWhole) {
  Start(TwoWidths(SubmodelRule::kHeteroFl));
  CheckIn("large");
  const Lease small = TakeLease("small");
  const Lease large = TakeLease("large");
  const auto prepare = [&](const Lease& lease, const std::vector<float>& values) {
    return coordinator_->Prepare(*coordinator_->TermsOf(lease.lease_id),
                                 Serialize(MakeUpdate(lease, values, 10)));
  };
  const PreparedUpdate first = prepare(small, std::vector<float>(12, 2.0f));
  const PreparedUpdate second = prepare(large, std::vector<float>(22, 4.0f));
  EXPECT_TRUE(coordinator_->SubmitUpdate(second).ok());
  EXPECT_TRUE(coordinator_->SubmitUpdate(first).ok());
  EXPECT_EQ(coordinator_->model()->parameters[0], 3.0f);
  // Again, after the round: the receipt.
  EXPECT_TRUE(coordinator_->SubmitUpdate(first).ok());
  EXPECT_EQ(coordinator_->TermsOf(small.lease_id).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace tern::server
