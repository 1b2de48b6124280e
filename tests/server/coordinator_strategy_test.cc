// What strategies besides the mean take from the coordinator.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/train/trainer.h"
#include "server/coordinator.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"
#include "tests/testing/updates.h"

namespace tern::server {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::MakeUpdate;
using ::tern::testing::SmallestModel;
using ::tern::testing::StatusIs;
using ::tern::testing::TemporaryDirectory;
using ::testing::Each;
using ::testing::FloatEq;
using ::testing::FloatNear;
using ::testing::HasSubstr;

class Recorder final : public RoundObserver {
 public:
  void OnRoundClosed(const RoundRecord& record) override { records.push_back(record); }
  std::vector<RoundRecord> records;
};

Task TaskOf(const std::string& aggregator, int64_t cohort_size) {
  return {.model = SmallestModel(),
          .initial_parameters = {0, 0, 0, 0, 0, 0},
          .num_rounds = 3,
          .aggregator = {.name = aggregator},
          .round = {.cohort_size = cohort_size, .deadline = absl::Seconds(60)}};
}

std::vector<float> All(float value) { return std::vector<float>(6, value); }

class CoordinatorStrategyTest : public ::testing::Test {
 protected:
  void Start(const Task& task, Coordinator::Parts parts = {}) {
    parts.clock = &clock_;
    parts.observer = &recorder_;
    auto created = Coordinator::Create(task, parts);
    ASSERT_THAT(created, IsOk());
    coordinator_ = *std::move(created);
  }
  absl::Status Submit(const Update& update) {
    return coordinator_->SubmitUpdate(update.lease_id, Serialize(update)).status();
  }
  static std::string Id(size_t client) { return "client-" + std::to_string(client); }
  // A round with these updates, all coordinates of one the same.
  void RunRound(const std::vector<float>& values) {
    for (size_t i = 0; i < values.size(); ++i) {
      coordinator_->CheckIn({.client_id = Id(i), .num_examples = 10});
    }
    for (size_t i = 0; i < values.size(); ++i) {
      const Lease lease = tern::testing::TakeLease(*coordinator_, Id(i));
      EXPECT_THAT(Submit(MakeUpdate(lease, All(values[i]))), IsOk());
    }
  }
  const RoundRecord& Last() { return recorder_.records.back(); }

  SimulatedClock clock_;
  Recorder recorder_;
  std::unique_ptr<Coordinator> coordinator_;
};

TEST_F(CoordinatorStrategyTest, AMedianIsUnmovedByOneThatLies) {
  Start(TaskOf("median", 3));
  RunRound({1.0f, 3.0f, -16.0f});
  EXPECT_THAT(Last().model->parameters, Each(1.0f));
  RunRound({1.0f, 2.0f, 16.0f});
  EXPECT_THAT(Last().model->parameters, Each(3.0f)) << "the first round's updates are gone";
}

TEST_F(CoordinatorStrategyTest, ARoundWithFewerUpdatesThanTheRuleNeeds_ChangesNothingAndSaysWhy) {
  Task task = TaskOf("krum", 5);
  task.aggregator.attackers = 1;
  task.round.min_available = 4;
  Start(task);
  RunRound({1.0f, 1.0f, 1.0f, 1.0f});
  EXPECT_FALSE(Last().changed_model);
  EXPECT_THAT(Last().note, HasSubstr("krum needs n >= 2f + 3: n = 4, f = 1"));
}

TEST_F(CoordinatorStrategyTest, AnUpdateThatCannotBeKept_MayComeAgain) {
  const auto directory = std::make_unique<TemporaryDirectory>();
  const std::string path = directory->File("journals");
  std::filesystem::create_directory(path);
  Start(TaskOf("median", 1), {.journal_directory = path});
  std::filesystem::remove(path);
  const Lease lease = tern::testing::TakeLease(*coordinator_, "a");
  EXPECT_THAT(Submit(MakeUpdate(lease, All(1.0f))), StatusIs(absl::StatusCode::kUnavailable, path));
  EXPECT_THAT(coordinator_->MayUpload(lease.lease_id), IsOk());
  EXPECT_TRUE(recorder_.records.empty());
  std::filesystem::create_directory(path);
  EXPECT_THAT(Submit(MakeUpdate(lease, All(1.0f))), IsOk());
  EXPECT_THAT(Last().model->parameters, Each(1.0f));
}

TEST_F(CoordinatorStrategyTest, ADirectoryThatIsNotThere_IsFoundOutBeforeAnyUpdate) {
  EXPECT_THAT(Coordinator::Create(TaskOf("median", 1),
                                  {.clock = &clock_, .journal_directory = "/no/such/directory"}),
              StatusIs(absl::StatusCode::kNotFound, "/no/such/directory"));
}

TEST_F(CoordinatorStrategyTest, CenteredClipStartsFromTheLastRoundsStep) {
  Task task = TaskOf("centered_clip", 1);
  task.aggregator.clip_norm = 0.5f;
  Start(task);
  const float per_coordinate = 0.5f / std::sqrt(6.0f);
  RunRound({10.0f});
  EXPECT_THAT(Last().model->parameters, Each(FloatNear(per_coordinate, 1e-6f)));
  RunRound({10.0f});
  EXPECT_THAT(Last().model->parameters, Each(FloatNear(3 * per_coordinate, 1e-6f)))
      << "the second step is that of the first, and as much again";
}

TEST_F(CoordinatorStrategyTest, FlTrustFollowsTheCoordinatorsOwnUpdate) {
  const auto reference = [](const Model& model, uint64_t round) {
    EXPECT_EQ(model.version + 1, round);
    return std::vector<float>(6, 0.5f);
  };
  Start(TaskOf("fltrust", 2), {.reference_update = reference});
  RunRound({4.0f, -16.0f});
  EXPECT_THAT(Last().model->parameters, Each(FloatNear(0.5f, 1e-6f)));
}

TEST_F(CoordinatorStrategyTest, FlTrustWithoutAnUpdateOfTheCoordinators_IsRefused) {
  EXPECT_THAT(Coordinator::Create(TaskOf("fltrust", 2), {.clock = &clock_}),
              StatusIs(absl::StatusCode::kFailedPrecondition, "cannot train"));
}

TEST_F(CoordinatorStrategyTest, CustomWeightsAreWhatClientsSayUpToTheCap) {
  Task task = TaskOf("mean", 2);
  task.weights = {.kind = WeightKind::kCustom, .max_weight = 3.0};
  Start(task);
  coordinator_->CheckIn({.client_id = "a", .num_examples = 10});
  coordinator_->CheckIn({.client_id = "b", .num_examples = 10});
  Update a = MakeUpdate(tern::testing::TakeLease(*coordinator_, "a"), All(4.0f));
  EXPECT_THAT(Submit(a), StatusIs(absl::StatusCode::kInvalidArgument, "has no 'weight'"));
  a.report.metrics = {{kWeightMetric, 1e6}};
  EXPECT_THAT(Submit(a), IsOk());
  Update b = MakeUpdate(tern::testing::TakeLease(*coordinator_, "b"), All(0.0f));
  b.report.metrics = {{kWeightMetric, 1.0}};
  EXPECT_THAT(Submit(b), IsOk());
  EXPECT_THAT(Last().model->parameters, Each(3.0f));
}

TEST_F(CoordinatorStrategyTest, QFedAvgNeedsTheLossAtTheStart) {
  Task task = TaskOf("qfedavg", 1);
  Start(task);
  const Lease lease = tern::testing::TakeLease(*coordinator_, "a");
  EXPECT_TRUE(lease.plan.train.measure_start_loss);
  Update update = MakeUpdate(lease, All(1.0f));
  EXPECT_THAT(Submit(update),
              StatusIs(absl::StatusCode::kInvalidArgument, "metrics['start_loss'] is missing"));
  update.report.metrics = {{kStartLossMetric, -1.0}};
  EXPECT_THAT(Submit(update),
              StatusIs(absl::StatusCode::kInvalidArgument, "metrics['start_loss'] is -1"));
  update.report.metrics = {{kStartLossMetric, 2.0}};
  EXPECT_THAT(Submit(update), IsOk());
  // F^q u / (F^q + q F^(q - 1) L |u|^2), L = 1 / 0.05
  EXPECT_THAT(Last().model->parameters, Each(FloatNear(2.0f / (2.0f + 20.0f * 6.0f), 1e-5f)));
}

TEST_F(CoordinatorStrategyTest, AnUpdateThatClaimsStepsWhichItsPlanDoesNotHave_IsRefused) {
  Start(TaskOf("fednova", 1));
  Update update = MakeUpdate(tern::testing::TakeLease(*coordinator_, "a"), All(1.0f));
  for (const int64_t steps : {0, 2}) {
    update.report.local_steps = steps;
    EXPECT_THAT(Submit(update), StatusIs(absl::StatusCode::kInvalidArgument,
                                         "expected 1 to 1 of the plan on 10 examples"));
  }
}

TEST_F(CoordinatorStrategyTest, SchedulesChangeTheRatesOfClientsAndOfTheCoordinator) {
  Task task = TaskOf("mean", 1);
  task.train.learning_rate = 0.5f;
  task.client_schedule = {.kind = "exponential", .decay = 0.5f};
  task.server_schedule = {.kind = "inverse_sqrt", .every = 1};
  Start(task);
  EXPECT_EQ(tern::testing::TakeLease(*coordinator_, "client-0").plan.train.learning_rate, 0.5f);
  RunRound({1.0f});
  EXPECT_THAT(Last().model->parameters, Each(1.0f));
  EXPECT_EQ(tern::testing::TakeLease(*coordinator_, "client-0").plan.train.learning_rate, 0.25f);
  RunRound({1.0f});
  EXPECT_THAT(Last().model->parameters, Each(FloatEq(1.0f + std::sqrt(0.5f))));
}

TEST_F(CoordinatorStrategyTest, ScaffoldSendsItsControlBehindTheModelAndTakesTwoSections) {
  Task task = TaskOf("mean", 1);
  task.train.method = ClientMethod::kScaffold;
  task.population_size = 4;
  Start(task);
  Lease lease = tern::testing::TakeLease(*coordinator_, "client-0");
  EXPECT_EQ(lease.model_bytes, 2 * (16 + 24));
  Update update = MakeUpdate(lease, All(1.0f));
  EXPECT_THAT(Submit(update), StatusIs(absl::StatusCode::kInvalidArgument,
                                       "has sections 'parameters', expected 'parameters', "
                                       "'control'"));
  update.sections.push_back(MakeUpdate(lease, All(2.0f)).sections[0]);
  update.sections[1].name = kControlSection;
  EXPECT_THAT(Submit(update), IsOk());
  EXPECT_THAT(Last().model->parameters, Each(1.0f));
  EXPECT_THAT(Last().model->control, Each(0.5f)) << "one of four clients changed its own by 2";
}

// The clients have their acknowledgements, and have changed their own.
TEST_F(CoordinatorStrategyTest, ScaffoldsControlFollowsTheClientsEvenIfTheModelDoesNot) {
  Task task = TaskOf("mean", 2);
  task.train.method = ClientMethod::kScaffold;
  task.round.min_updates = 2;
  Start(task);
  coordinator_->CheckIn({.client_id = "client-0", .num_examples = 10});
  coordinator_->CheckIn({.client_id = "client-1", .num_examples = 10});
  const Lease lease = tern::testing::TakeLease(*coordinator_, "client-0");
  Update update = MakeUpdate(lease, All(1.0f));
  update.sections.push_back(MakeUpdate(lease, All(2.0f)).sections[0]);
  update.sections[1].name = kControlSection;
  EXPECT_THAT(Submit(update), IsOk());
  clock_.Advance(absl::Seconds(61));
  coordinator_->Tick();
  EXPECT_FALSE(Last().changed_model);
  EXPECT_THAT(Last().model->parameters, Each(0.0f));
  EXPECT_THAT(Last().model->control, Each(1.0f));
}

TEST_F(CoordinatorStrategyTest, PersonalParametersNeverTravel) {
  Task task = TaskOf("mean", 1);
  task.train.personal.biases = true;
  Start(task);
  const Lease lease = tern::testing::TakeLease(*coordinator_, "client-0");
  EXPECT_EQ(lease.plan.codec, "mask|none");
}

}  // namespace
}  // namespace tern::server
