// tern-sim run --record-updates: what devices hand to their encoders.
#include <filesystem>
#include <map>

#include "core/base/files.h"
#include "core/model/parameter_layout.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "simulation/simulator.h"
#include "simulation/updates.h"
#include "tests/simulation/small_task.h"
#include "tests/testing/fake_dataset.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace tern::simulation {
namespace {

using ::tern::testing::IsOk;

constexpr int64_t kParameters = 212;

class RecordUpdatesTest : public ::testing::Test {
 protected:
  // The records of the whole run, round by round.
  std::vector<RecordedUpdate> Run(Simulator::Options options) {
    const auto simulator =
        Simulator::Create(std::move(options), &train_, *PartitionIid(train_.size(), 20, 1), &test_);
    EXPECT_THAT(simulator, IsOk());
    std::vector<RecordedUpdate> updates;
    models_.clear();
    while (!(*simulator)->finished()) {
      const absl::StatusOr<SimulatedRound> round = (*simulator)->RunRound();
      if (!round.ok()) {
        ADD_FAILURE() << round.status();
        break;
      }
      models_.push_back(round->record.model->parameters);
      for (const RecordedUpdate& update : round->recorded_updates) {
        EXPECT_EQ(update.round, round->record.round);
        updates.push_back(update);
      }
    }
    return updates;
  }

  // By the names that they have in the run's directory.
  static std::map<std::string, std::string> Files(const std::vector<RecordedUpdate>& updates) {
    const testing::TemporaryDirectory run;
    EXPECT_THAT(WriteRecordedUpdates(run.path(), updates), IsOk());
    std::map<std::string, std::string> files;
    for (const auto& file :
         std::filesystem::directory_iterator(RecordedUpdatesDirectory(run.path()))) {
      files[file.path().filename()] = ReadTextFile(file.path(), 1 << 20).value();
    }
    return files;
  }

  testing::FakeDataset train_ = testing::FakeDataset::Random({8}, 4, 400);
  testing::FakeDataset test_ = testing::FakeDataset::Random({8}, 4, 100);
  std::vector<std::vector<float>> models_;  // after each round
};

TEST_F(RecordUpdatesTest, WithoutANumber_NothingIsKept) {
  EXPECT_TRUE(Run({.task = SmallTask()}).empty());
}

TEST_F(RecordUpdatesTest, TheFirstOnes_AreKept) {
  const std::vector<RecordedUpdate> updates = Run({.task = SmallTask(), .record_updates = 8});
  ASSERT_EQ(updates.size(), 8u);  // 6 of the first round, 2 of the second
  for (size_t i = 0; i < updates.size(); ++i) {
    EXPECT_EQ(updates[i].round, i < 6 ? 1u : 2u);
    EXPECT_EQ(updates[i].model_version, i < 6 ? 0u : 1u);
    EXPECT_EQ(updates[i].values.size(), static_cast<size_t>(kParameters));
  }
  EXPECT_EQ(Files(updates).size(), 8u);
}

TEST_F(RecordUpdatesTest, MoreThanThereAre_GivesAll) {
  EXPECT_EQ(Run({.task = SmallTask(), .record_updates = 1000}).size(), 30u);
}

TEST_F(RecordUpdatesTest, AreTheSameBytesForAnyNumberOfThreads) {
  server::Task task = SmallTask();
  task.round.over_selection = 1.5;
  const auto one = Files(Run({.task = task, .num_threads = 1, .record_updates = 20}));
  EXPECT_EQ(one.size(), 20u);
  EXPECT_EQ(Files(Run({.task = task, .num_threads = 2, .record_updates = 20})), one);
  EXPECT_EQ(Files(Run({.task = task, .num_threads = 5, .record_updates = 20})), one);
}

// Devices that drop out do not use up the number.
TEST_F(RecordUpdatesTest, OfDevicesThatDropOut_AreTheSameBytesForAnyNumberOfThreads) {
  server::Task task = SmallTask();
  task.round.deadline = absl::Seconds(2);
  Simulator::Options options = {
      .task = task,
      .population = {{.profile = "phone_low", .fraction = 0.5, .network = "3g"},
                     {.profile = "cortex_m7", .fraction = 0.5, .network = "nb_iot"}},
      .num_threads = 1,
      .record_updates = 10};
  const auto one = Files(Run(options));
  EXPECT_EQ(one.size(), 10u);
  options.num_threads = 3;
  EXPECT_EQ(Files(Run(options)), one);
}

// Whatever the codec, what is recorded is what would be sent without one: the first round, whose
// members train from the same model, is recorded alike, and its mean is the step of the model.
TEST_F(RecordUpdatesTest, AreWhatCodecNoneWouldSend) {
  server::Task task = SmallTask();
  task.num_rounds = 1;
  task.codec_up = "topk(0.1)|ternary|rice";
  const std::vector<RecordedUpdate> compressed = Run({.task = task, .record_updates = 6});
  task.codec_up = "none";
  const std::vector<RecordedUpdate> updates = Run({.task = task, .record_updates = 6});
  EXPECT_EQ(Files(updates), Files(compressed));

  ASSERT_EQ(updates.size(), 6u);
  const auto before = InitialParameters(MakeParameterLayout(task.model).value(), task.seed);
  for (size_t i = 0; i < static_cast<size_t>(kParameters); ++i) {
    double mean = 0.0;  // all have 20 examples
    for (const RecordedUpdate& update : updates) mean += update.values[i] / 6.0;
    EXPECT_NEAR(models_[0][i] - before[i], mean, 1e-6) << i;
  }
}

TEST_F(RecordUpdatesTest, OfASubmodel_HoldItsCoordinates) {
  server::Task task = SmallTask();
  task.adapt.widths = {0.5};
  for (const RecordedUpdate& update : Run({.task = task, .record_updates = 3})) {
    EXPECT_EQ(update.values.size(), 8u * 8 + 8 + 8 * 4 + 4);
  }
}

}  // namespace
}  // namespace tern::simulation
