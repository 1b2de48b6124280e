#include "simulation/attacks/attack.h"

#include <algorithm>
#include <numeric>
#include <thread>

#include "core/base/random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/config/load_population.h"
#include "simulation/client_id.h"
#include "simulation/simulator.h"
#include "tests/simulation/small_task.h"
#include "tests/testing/fake_dataset.h"
#include "tests/testing/status_matchers.h"

namespace tern::simulation {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::ElementsAre;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

// Adds the mean label of the examples to every parameter.
class MeanLabelTrainer final : public Trainer {
 public:
  absl::StatusOr<TrainReport> Train(const Plan& /*plan*/, uint64_t /*client*/,
                                    const Dataset& dataset, absl::Span<float> parameters,
                                    absl::Span<float> control) override {
    ++calls;
    if (fails) return absl::AbortedError("diverged");
    double sum = 0.0;
    for (int64_t i = 0; i < dataset.size(); ++i) sum += dataset.label(i);
    const auto mean = static_cast<float>(sum / static_cast<double>(dataset.size()));
    for (float& parameter : parameters) parameter += mean;
    for (float& value : control) value = 7.0f;
    return TrainReport{.num_examples = dataset.size(), .local_steps = 1, .train_loss = mean};
  }
  int calls = 0;
  bool fails = false;
};

// Five clients with one example each, of the classes 0, 1, 2, 3, 3 of 5; the last two attack.
class AttackTest : public ::testing::Test {
 protected:
  AttackTest() {
    partition_ = {.indices = {0, 1, 2, 3, 4}, .offsets = {0, 1, 2, 3, 4, 5}};
    server::Model model;
    model.parameters = {0.5f, -0.5f};
    model_ = std::make_shared<const server::Model>(std::move(model));
  }

  std::unique_ptr<const Attack> Make(server::AttackOptions options) {
    auto attack = Attack::Create(options, task_, &dataset_, &partition_);
    EXPECT_THAT(attack, IsOk());
    return *std::move(attack);
  }
  // What the attacker sends, which trains from the model.
  std::vector<float> Update(RoundAttack& round, int64_t attacker) {
    std::vector<float> parameters = model_->parameters;
    const DatasetView examples(&dataset_, partition_.client(attacker));
    report_ = round.Train(trainer_, {.round = 1}, HashClientId(ClientId(attacker)), examples,
                          absl::MakeSpan(parameters), absl::MakeSpan(control_));
    for (size_t i = 0; i < parameters.size(); ++i) parameters[i] -= model_->parameters[i];
    return parameters;
  }
  static int64_t FirstAttacker(const RoundAttack& round) {
    int64_t client = 0;
    while (!round.IsAttacker(client)) ++client;
    return client;
  }

  testing::FakeDataset dataset_ =
      testing::FakeDataset({1}, 5, {0.0f, 0.0f, 0.0f, 0.0f, 0.0f}, {0, 1, 2, 3, 3});
  server::Task task_ = SmallTask();
  Partition partition_;
  std::shared_ptr<const server::Model> model_;
  MeanLabelTrainer trainer_;
  std::vector<float> control_;
  absl::StatusOr<TrainReport> report_;
};

TEST_F(AttackTest, PartOfThePopulation_TheSameInEveryRound) {
  const auto attack = Make({.kind = "sign_flip", .fraction = 0.4});
  const std::vector<int64_t> all = {0, 1, 2, 3, 4};
  const std::set<int64_t> attackers = attack->AttackersOf(1, all);
  EXPECT_EQ(attackers.size(), 2u);
  EXPECT_EQ(attack->AttackersOf(2, all), attackers);
  const int64_t one = *attackers.begin();
  EXPECT_THAT(attack->AttackersOf(3, {one}), ElementsAre(one));
}

TEST_F(AttackTest, PartOfThePopulation_IsRoundedDownButNotByTheLastBit) {
  std::vector<int32_t> indices(100);
  std::iota(indices.begin(), indices.end(), 0);
  std::vector<int64_t> offsets(101);
  std::iota(offsets.begin(), offsets.end(), int64_t{0});
  partition_ = {.indices = indices, .offsets = offsets};
  std::vector<int64_t> all(100);
  std::iota(all.begin(), all.end(), int64_t{0});
  EXPECT_EQ(Make({.kind = "alie", .fraction = 0.29})->AttackersOf(1, all).size(), 29u);
  EXPECT_EQ(Make({.kind = "alie", .fraction = 0.199})->AttackersOf(1, all).size(), 19u);
}

TEST_F(AttackTest, PartOfTheCohort_IsDrawnForEachRound) {
  const auto attack = Make({.kind = "sign_flip", .fraction = 0.5, .per_cohort = true});
  const std::vector<int64_t> cohort = {4, 2, 0, 1};
  std::set<std::set<int64_t>> different;
  for (uint64_t round = 1; round <= 20; ++round) {
    const std::set<int64_t> attackers = attack->AttackersOf(round, cohort);
    EXPECT_EQ(attackers.size(), 2u);
    EXPECT_FALSE(attackers.contains(3));
    EXPECT_EQ(attack->AttackersOf(round, cohort), attackers);
    different.insert(attackers);
  }
  EXPECT_GT(different.size(), 2u);
}

TEST_F(AttackTest, AnotherSeed_DrawsOthers) {
  const std::vector<int64_t> all = {0, 1, 2, 3, 4};
  std::set<std::set<int64_t>> different;
  for (task_.seed = 1; task_.seed < 20; ++task_.seed) {
    different.insert(Make({.kind = "ipm", .fraction = 0.4})->AttackersOf(1, all));
  }
  EXPECT_GT(different.size(), 2u);
}

TEST_F(AttackTest, LabelFlip_TrainsOnTheOppositeLabels) {
  const auto attack = Make({.kind = "label_flip", .fraction = 1.0});
  RoundAttack round(attack.get(), 1, {0, 1, 2, 3, 4}, model_);
  EXPECT_THAT(Update(round, 0), ElementsAre(4.0f, 4.0f));
  EXPECT_THAT(Update(round, 3), ElementsAre(1.0f, 1.0f));
}

TEST_F(AttackTest, SignFlip_ReportsItsTrainingHonestly) {
  const auto attack = Make({.kind = "sign_flip", .fraction = 1.0, .scale = 2.0});
  RoundAttack round(attack.get(), 1, {0, 1, 2, 3, 4}, model_);
  control_ = {0.0f, 0.0f};
  EXPECT_THAT(Update(round, 2), ElementsAre(-4.0f, -4.0f));
  ASSERT_THAT(report_, IsOk());
  EXPECT_EQ(report_->num_examples, 1);
  EXPECT_EQ(report_->train_loss, 2.0);
  EXPECT_THAT(control_, ElementsAre(7.0f, 7.0f));  // of the training
}

TEST_F(AttackTest, TrainingThatFails_IsItsOwnError) {
  const auto attack = Make({.kind = "sign_flip", .fraction = 1.0});
  RoundAttack round(attack.get(), 1, {0, 1, 2, 3, 4}, model_);
  trainer_.fails = true;
  Update(round, 2);
  EXPECT_THAT(report_, StatusIs(absl::StatusCode::kAborted, "diverged"));
}

TEST_F(AttackTest, Ipm_SendsTheMeanOfTheHonestTurnedRound) {
  const auto attack = Make({.kind = "ipm", .fraction = 0.4, .scale = 2.0});
  RoundAttack round(attack.get(), 1, {0, 1, 2, 3, 4}, model_);
  float sum = 0.0f;
  for (int64_t client = 0; client < 5; ++client) {
    if (!round.IsAttacker(client)) sum += static_cast<float>(dataset_.label(client));
  }
  const std::vector<float> update = Update(round, FirstAttacker(round));
  EXPECT_FLOAT_EQ(update[0], -2.0f * sum / 3.0f);
  EXPECT_EQ(update[0], update[1]);
}

TEST_F(AttackTest, HonestUpdates_AreTrainedOnceForAllAttackersOfARound) {
  const auto attack = Make({.kind = "alie", .fraction = 0.4});
  RoundAttack round(attack.get(), 1, {0, 1, 2, 3, 4}, model_);
  std::vector<std::vector<float>> updates;
  for (int64_t client = 0; client < 5; ++client) {
    if (round.IsAttacker(client)) updates.push_back(Update(round, client));
  }
  ASSERT_EQ(updates.size(), 2u);
  EXPECT_EQ(updates[0], updates[1]);
  EXPECT_EQ(trainer_.calls, 3 + 2);
}

TEST_F(AttackTest, WithoutHonestUpdates_ThereIsNothingToLieAbout) {
  const auto attack = Make({.kind = "ipm", .fraction = 1.0});
  RoundAttack round(attack.get(), 1, {0, 1}, model_);
  Update(round, 0);
  EXPECT_THAT(report_, StatusIs(absl::StatusCode::kFailedPrecondition, "no honest client"));
}

TEST_F(AttackTest, ALie_IsNoLargerThanTheCoordinatorTakes) {
  task_.max_update_abs = 0.7f;
  const auto attack = Make({.kind = "sign_flip", .fraction = 1.0, .scale = 1e6});
  for (const float start : {0.1f, -0.3f, 1e6f, 3.3e-8f}) {
    server::Model model;
    model.parameters = {start, -start};
    model_ = std::make_shared<const server::Model>(std::move(model));
    RoundAttack round(attack.get(), 1, {0, 1, 2, 3, 4}, model_);
    for (const float value : Update(round, 2)) {
      EXPECT_LE(value, 0.0f);
      EXPECT_GE(value, -0.7f);
    }
  }
}

TEST_F(AttackTest, WrongOptions_AreNamed) {
  const auto create = [this](server::AttackOptions options) {
    return Attack::Create(options, task_, &dataset_, &partition_);
  };
  EXPECT_THAT(create({.kind = "lie"}),
              StatusIs(kInvalid, "attack.kind is 'lie', expected one of none, label_flip"));
  EXPECT_THAT(create({.fraction = 1.5}), StatusIs(kInvalid, "attack.fraction is 1.5"));
  EXPECT_THAT(create({.scale = -1.0}), StatusIs(kInvalid, "attack.scale is -1"));
}

TEST_F(AttackTest, KindsThatKnowTheHonest_WantATaskInWhichAllTrainAlike) {
  const auto refuses = [this](const server::Task& task, absl::string_view what) {
    EXPECT_THAT(Attack::Create({.kind = "alie"}, task, &dataset_, &partition_),
                StatusIs(kInvalid, what));
    EXPECT_THAT(Attack::Create({.kind = "sign_flip"}, task, &dataset_, &partition_), IsOk());
  };
  server::Task task = task_;
  task.adapt.widths = {1.0, 0.5};
  refuses(task, "task.adapt.widths");
  task = task_;
  task.adapt.min_local_steps = 1;
  refuses(task, "task.adapt.min_local_steps");
  task = task_;
  task.adapt.min_batch_size = 1;
  refuses(task, "batches");
  task = task_;
  task.train.method = ClientMethod::kScaffold;
  refuses(task, "task.train.method");
  task = task_;
  task.train.personal.biases = true;
  refuses(task, "task.train.personal");
}

// The deployed session and coordinator around it.
class SimulatedAttackTest : public ::testing::Test {
 protected:
  struct Run {
    std::vector<std::string> hashes;  // of the models
    std::vector<RecordedUpdate> updates;
    int64_t rejected = 0;
    double accuracy = 0.0;
  };
  Run Simulate(server::AttackOptions attack, int num_threads) {
    auto simulator = Simulator::Create({.task = task_,
                                        .simulation = {.attack = attack},
                                        .num_threads = num_threads,
                                        .record_updates = 1000},
                                       &train_, *PartitionIid(train_.size(), 20, 1), &test_);
    EXPECT_THAT(simulator, IsOk());
    Run run;
    while (!(*simulator)->finished()) {
      absl::StatusOr<SimulatedRound> round = (*simulator)->RunRound();
      if (!round.ok()) {
        ADD_FAILURE() << round.status();
        break;
      }
      run.hashes.push_back(round->record.model->hash);
      run.rejected += round->record.updates_rejected;
      run.accuracy = round->evaluation->accuracy;
      for (RecordedUpdate& update : round->recorded_updates) {
        run.updates.push_back(std::move(update));
      }
    }
    return run;
  }

  server::Task task_ = SmallTask();
  testing::FakeDataset train_ = testing::FakeDataset::Random({8}, 4, 400);
  testing::FakeDataset test_ = testing::FakeDataset::Random({8}, 4, 100, 1);
};

TEST_F(SimulatedAttackTest, SameBitsForAnyNumberOfThreads) {
  const std::vector<std::string> honest = Simulate({}, 1).hashes;
  for (const std::string& kind : server::AttackNames()) {
    const server::AttackOptions attack = {.kind = kind, .fraction = 0.5, .per_cohort = true};
    const std::vector<std::string> one = Simulate(attack, 1).hashes;
    EXPECT_EQ(Simulate(attack, 2).hashes, one) << kind;
    EXPECT_EQ(Simulate(attack, 4).hashes, one) << kind;
    EXPECT_EQ(one == honest, kind == "none") << kind;
  }
}

// What the attackers take for the honest updates is what honest devices do send.
TEST_F(SimulatedAttackTest, Ipm_IsAgainstTheMeanOfWhatTheHonestSend) {
  task_.num_rounds = 2;
  const Run run = Simulate({.kind = "ipm", .fraction = 0.5, .per_cohort = true, .scale = 3.0}, 2);
  ASSERT_EQ(run.updates.size(), 12u);
  for (uint64_t round = 1; round <= 2; ++round) {
    std::vector<const RecordedUpdate*> of_round;
    for (const RecordedUpdate& update : run.updates) {
      if (update.round == round) of_round.push_back(&update);
    }
    // Attackers are those that send alike, but for the last bits of adding to the model.
    const auto alike = [](const RecordedUpdate* a, const RecordedUpdate* b) {
      return std::equal(a->values.begin(), a->values.end(), b->values.begin(),
                        [](float x, float y) { return std::abs(x - y) < 1e-6f; });
    };
    std::vector<double> mean(of_round[0]->values.size());
    std::vector<const RecordedUpdate*> attackers;
    for (const RecordedUpdate* update : of_round) {
      const auto twins = std::count_if(of_round.begin(), of_round.end(),
                                       [&](const auto* other) { return alike(update, other); });
      if (twins > 1) {
        attackers.push_back(update);
        continue;
      }
      for (size_t i = 0; i < mean.size(); ++i) mean[i] += update->values[i] / 3.0;
    }
    ASSERT_EQ(attackers.size(), 3u);
    for (size_t i = 0; i < mean.size(); ++i) {
      EXPECT_NEAR(attackers[0]->values[i], -3.0 * mean[i], 1e-5);
    }
  }
}

TEST_F(SimulatedAttackTest, HugeLies_AreNotRefusedForTheirSize) {
  task_.num_rounds = 2;
  task_.codec_up = "none";
  const Run run =
      Simulate({.kind = "gaussian", .fraction = 0.3, .per_cohort = true, .scale = 1e6}, 1);
  EXPECT_EQ(run.updates.size(), 12u);
  EXPECT_EQ(run.rejected, 0);
}

TEST_F(SimulatedAttackTest, NoiseFromAThird_RuinsThePlainMean) {
  task_.num_rounds = 40;
  const double honest = Simulate({}, 2).accuracy;
  const double attacked =
      Simulate({.kind = "gaussian", .fraction = 0.34, .per_cohort = true}, 2).accuracy;
  EXPECT_GT(honest, 0.8);
  EXPECT_LT(attacked, honest - 0.2);
}

TEST_F(SimulatedAttackTest, ErrorFeedback_GoesOnWithLies) {
  task_.codec_up = "topk(0.2)";
  for (const char* kind : {"sign_flip", "alie"}) {
    const server::AttackOptions attack = {.kind = kind, .fraction = 0.5, .per_cohort = true};
    EXPECT_EQ(Simulate(attack, 1).hashes, Simulate(attack, 3).hashes);
  }
}

TEST_F(SimulatedAttackTest, OptionsThatDoNotFitTheTask_AreSaidAtOnce) {
  task_.adapt.widths = {1.0, 0.5};
  const auto simulator =
      Simulator::Create({.task = task_, .simulation = {.attack = {.kind = "alie"}}}, &train_,
                        *PartitionIid(train_.size(), 20, 1), &test_);
  EXPECT_THAT(simulator, StatusIs(kInvalid, "attack.kind alie knows"));
}

}  // namespace
}  // namespace tern::simulation
