// The simulator with devices that have limits: time, memory, energy, availability.
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "simulation/simulator.h"
#include "tests/simulation/small_task.h"
#include "tests/testing/fake_dataset.h"
#include "tests/testing/temporary_directory.h"

namespace tern::simulation {
namespace {

using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::Not;

constexpr int64_t kClients = 20;

server::Task TimedTask() {
  server::Task task = SmallTask();
  task.num_rounds = 6;
  task.round = {
      .cohort_size = 6, .over_selection = 1.5, .min_available = 15, .deadline = absl::Seconds(100)};
  return task;
}

// What a run came to, round by round.
struct Outcome {
  std::vector<std::string> hashes;
  std::vector<SimulatedRound> rounds;
  std::map<std::string, int64_t> dropped;
  server::Traffic traffic;
  std::vector<ClassReport> classes;
  absl::Status status;
};

class DevicesTest : public ::testing::Test {
 protected:
  // A profile file; returns its path.
  std::string File(const std::string& name, const std::string& yaml) {
    const std::string path = absl::StrCat(directory_.path(), "/", name, ".yaml");
    std::ofstream(path) << yaml;
    return path;
  }

  Outcome Run(const server::Task& task, const std::vector<server::DeviceGroupOptions>& population,
              int num_threads = 2, server::SimulationOptions simulation = {}) {
    Outcome outcome;
    auto simulator = Simulator::Create({.task = task,
                                        .population = population,
                                        .simulation = simulation,
                                        .num_threads = num_threads,
                                        .evaluate_every = 0},
                                       &train_, *PartitionIid(train_.size(), kClients, 1), nullptr);
    outcome.status = simulator.status();
    while (outcome.status.ok() && !(*simulator)->finished()) {
      absl::StatusOr<SimulatedRound> round = (*simulator)->RunRound();
      outcome.status = round.status();
      if (!round.ok()) break;
      for (const auto& [reason, count] : round->record.clients_dropped) {
        outcome.dropped[reason] += count;
      }
      outcome.hashes.push_back(round->record.model->hash);
      outcome.rounds.push_back(*std::move(round));
    }
    if (simulator.ok()) {
      outcome.traffic = (*simulator)->total_traffic();
      outcome.classes = (*simulator)->population_report().classes();
    }
    return outcome;
  }

  // Devices of three kinds: fast ones, ones that are often too late, and ones that go off.
  std::vector<server::DeviceGroupOptions> Mixture() {
    const std::string link = File("link",
                                  "downlink_bytes_per_second: 1000\n"
                                  "uplink_bytes_per_second: 100\n"
                                  "round_trip_s: 0.1\nspeed_variation: 0.5\nloss: 0.01\n"
                                  "joules_per_byte_down: 1e-3\njoules_per_byte_up: 2e-3\n");
    const std::string fast =
        File("fast", "fp32_flops_per_second: 2000\njoules_per_flop: 1e-4\nnetwork: " + link);
    const std::string slow =
        File("slow",
             "fp32_flops_per_second: 400\nround_variation: 0.6\njoules_per_flop: 1e-4\nnetwork: " +
                 link);
    return {{.profile = fast, .fraction = 0.4},
            {.profile = slow, .fraction = 0.3},
            {.profile = fast,
             .fraction = 0.3,
             .availability = {.kind = "markov", .mean_on_s = 15, .mean_off_s = 200}}};
  }

  testing::TemporaryDirectory directory_;
  testing::FakeDataset train_ = testing::FakeDataset::Random({8}, 4, 400);
};

void ExpectTheSame(const Outcome& a, const Outcome& b) {
  EXPECT_EQ(a.hashes, b.hashes);
  EXPECT_EQ(a.dropped, b.dropped);
  EXPECT_EQ(a.traffic.bytes_up, b.traffic.bytes_up);
  EXPECT_EQ(a.traffic.bytes_down, b.traffic.bytes_down);
  EXPECT_EQ(a.traffic.bytes_retransmitted, b.traffic.bytes_retransmitted);
  ASSERT_EQ(a.rounds.size(), b.rounds.size());
  for (size_t i = 0; i < a.rounds.size(); ++i) {
    EXPECT_EQ(a.rounds[i].record.closed_at, b.rounds[i].record.closed_at);
    EXPECT_EQ(a.rounds[i].record.energy_j, b.rounds[i].record.energy_j);
    EXPECT_EQ(a.rounds[i].record.train_loss, b.rounds[i].record.train_loss);
  }
}

TEST_F(DevicesTest, AnyNumberOfThreads_GivesTheSameModelsTimesBytesAndJoules) {
  server::Task task = TimedTask();
  task.codec_up = "topk(0.1)";
  task.round.over_selection = 1.0;
  const Outcome one = Run(task, Mixture(), 1);
  ASSERT_TRUE(one.status.ok()) << one.status;
  EXPECT_EQ(one.hashes.size(), 6u);
  EXPECT_THAT(one.dropped, ::testing::Contains(::testing::Key("late")));
  EXPECT_THAT(one.dropped, ::testing::Contains(::testing::Key("offline")));
  ExpectTheSame(Run(task, Mixture(), 2), one);
  ExpectTheSame(Run(task, Mixture(), 5), one);
}

TEST_F(DevicesTest, TrainingWhatWillNotCount_ChangesNothing) {
  server::Task task = TimedTask();
  task.codec_up = "topk(0.1)";
  task.round.over_selection = 1.0;
  ExpectTheSame(Run(task, Mixture(), 2, {.train_dropped = true}), Run(task, Mixture(), 2));
}

TEST_F(DevicesTest, TrainingThatDiverges_IsTheSameForAnyNumberOfThreads) {
  server::Task task = TimedTask();
  task.train.learning_rate = 900.0f;  // some clients' losses, not all, stop being finite
  task.round.cohort_size = 2;
  task.round.over_selection = 5.0;
  const auto with_threads = [&](int num_threads, bool train_dropped) {
    return Run(task, Mixture(), num_threads, {.train_dropped = train_dropped});
  };
  const Outcome one = with_threads(1, false);
  for (const Outcome& other :
       {with_threads(2, false), with_threads(5, false), with_threads(2, true)}) {
    ExpectTheSame(other, one);
    EXPECT_EQ(other.status, one.status);
  }
}

TEST_F(DevicesTest, ADeadlineOfAnyLength_ClosesItsRound) {
  server::Task task = TimedTask();
  task.round.deadline = absl::Seconds(100.3333333333);
  task.round.over_selection = 1.0;
  const Outcome run = Run(task, Mixture());
  EXPECT_EQ(run.hashes.size(), 6u);
  EXPECT_THAT(run.dropped, ::testing::Contains(::testing::Key("late")));
}

TEST_F(DevicesTest, ARoundTakesItsDownloadItsTrainingAndItsUpload) {
  const std::string link = File("link",
                                "downlink_bytes_per_second: 1000\nuplink_bytes_per_second: 100\n"
                                "round_trip_s: 0.5\n"
                                "joules_per_byte_down: 0.001\njoules_per_byte_up: 0.01\n");
  const std::string device =
      File("device", "fp32_flops_per_second: 19360\njoules_per_flop: 1e-5\nnetwork: " + link);
  server::Task task = TimedTask();
  task.num_rounds = 1;
  task.round = {.cohort_size = 20, .min_available = 20, .deadline = absl::Seconds(200)};
  const Outcome run = Run(task, {{.profile = device, .fraction = 1.0}}, 2,
                          {.check_in_spread = absl::ZeroDuration()});
  ASSERT_TRUE(run.status.ok()) << run.status;
  ASSERT_EQ(run.rounds.size(), 1u);
  const server::RoundRecord& record = run.rounds[0].record;
  EXPECT_EQ(record.clients_completed, 20);
  const ClassReport& report = run.classes[0];
  // Every device has 20 examples: one second of training, 0.1936 J.
  const double down_s = 0.5 + static_cast<double>(report.traffic.bytes_down) / 20 / 1000;
  const double up_s = 0.5 + static_cast<double>(record.update_bytes) / 20 / 100;
  const double work_s = down_s + 1.0 + up_s;
  // Nineteen of them come for their lease when they were told to: within two minutes.
  EXPECT_GE(absl::ToDoubleSeconds(record.closed_at), work_s);
  EXPECT_LE(absl::ToDoubleSeconds(record.closed_at), work_s + 120.0);
  const double energy_j = 20 * 0.1936 + 0.001 * static_cast<double>(report.traffic.bytes_down) +
                          0.01 * static_cast<double>(report.traffic.bytes_up);
  EXPECT_NEAR(*record.energy_j, energy_j, 1e-6 * energy_j);
}

TEST_F(DevicesTest, ADeviceThatCannotHoldTheModel_TrainsANarrowerOne_InTheMemoryThatWasPredicted) {
  server::Task task = TimedTask();
  task.adapt.widths = {1.0, 0.5, 0.25};
  const auto all =
      Run(task, {{.profile = File("any", "fp32_flops_per_second: 1e6\n"), .fraction = 1.0}});
  ASSERT_TRUE(all.status.ok()) << all.status;
  const int64_t full = all.classes[0].predicted_peak_bytes;
  EXPECT_EQ(all.classes[0].measured_peak_bytes, full);
  const std::string small =
      File("small", absl::StrFormat("ram_bytes: %d\nfp32_flops_per_second: 1e6\n", full * 3 / 4));
  const std::string large = File("large", "fp32_flops_per_second: 1e6\n");
  const Outcome run =
      Run(task, {{.profile = small, .fraction = 0.5}, {.profile = large, .fraction = 0.5}});
  ASSERT_TRUE(run.status.ok()) << run.status;
  const ClassReport& narrow = run.classes[0];
  EXPECT_LT(narrow.plan.width, 1.0);
  EXPECT_GT(narrow.completed, 0);
  EXPECT_THAT(narrow.measured_peak_bytes, Le(full * 3 / 4));
  EXPECT_EQ(narrow.measured_peak_bytes, narrow.predicted_peak_bytes);
  EXPECT_EQ(run.classes[1].measured_peak_bytes, full);
  EXPECT_EQ(narrow.peak_mismatches + run.classes[1].peak_mismatches, 0);
  EXPECT_LT(run.rounds.back().record.train_loss, run.rounds.front().record.train_loss);
}

TEST_F(DevicesTest, ADeviceWithLessMemory_TrainsTheSameBatchInIt_InTheMemoryThatWasPredicted) {
  server::Task task = TimedTask();
  task.train.batch_size = 20;
  task.model.layers.clear();
  for (int i = 0; i < 8; ++i) {
    task.model.layers.push_back(
        {.name = absl::StrCat("fc", i), .kind = LayerKind::kDense, .units = i < 7 ? 8 : 4});
  }
  const std::string speed = "fp32_flops_per_second: 1e6\n";
  const Outcome plain = Run(task, {{.profile = File("any", speed), .fraction = 1.0}});
  ASSERT_TRUE(plain.status.ok()) << plain.status;
  const int64_t full = plain.classes[0].predicted_peak_bytes;
  const std::string tight = File("tight", absl::StrFormat("%sram_bytes: %d\n", speed, full - 1));
  const server::AdaptOptions ways[] = {{.memory = {MemoryMode::kFast, MemoryMode::kSmall}},
                                       {.micro_batch_sizes = {4}}};
  for (const server::AdaptOptions& way : ways) {
    task.adapt = way;
    const Outcome run = Run(task, {{.profile = tight, .fraction = 1.0}});
    ASSERT_TRUE(run.status.ok()) << run.status;
    const ClassReport& report = run.classes[0];
    EXPECT_EQ(report.plan.train.batch_size, 20);
    EXPECT_GT(report.completed, 0);
    EXPECT_LT(report.predicted_peak_bytes, full);
    EXPECT_EQ(report.measured_peak_bytes, report.predicted_peak_bytes);
    EXPECT_EQ(report.peak_mismatches, 0);
  }
}

TEST_F(DevicesTest, NoDeviceThatCanHoldTheModel_IsAnErrorWithTheNumbersBeforeAnythingIsTrained) {
  const std::string tiny = File("tiny", "ram_bytes: 1000\n");
  const Outcome run = Run(TimedTask(), {{.profile = tiny, .fraction = 1.0}});
  EXPECT_EQ(run.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(run.status.message(), HasSubstr("the device offers 1000"));
  EXPECT_THAT(run.status.message(), HasSubstr("of 20 devices can take part"));
  EXPECT_TRUE(run.rounds.empty());
}

TEST_F(DevicesTest, ABatteryThatRunsEmpty_DropsItsDevice_AndNotForEver) {
  // The plan takes about 2.3 J by its operations, and idling, which no plan counts, as much again.
  const std::string device =
      File("device",
           "fp32_flops_per_second: 2288\njoules_per_flop: 1e-4\nidle_watts: 0.3\n"
           "battery: {capacity_j: 8, initial_level: 0.3, charge_watts: 0.31, charge_from_hour: 0, "
           "charge_to_hour: 24}\n");
  server::Task task = TimedTask();
  task.round.min_available = 6;
  task.round.over_selection = 1.0;
  Outcome run = Run(task, {{.profile = device, .fraction = 1.0}});
  ASSERT_TRUE(run.status.ok()) << run.status;
  EXPECT_GT(run.dropped["battery"], 0);
  EXPECT_EQ(run.hashes.size(), 6u);
}

TEST_F(DevicesTest, DevicesThatAreNeverOnTogether_EndWithAnError) {
  const std::string trace = absl::StrCat(directory_.path(), "/trace.csv");
  std::ofstream file(trace);
  file << "client,start_s,end_s\n";
  // Each of twenty is on for ten minutes of its own; a round needs fifteen that were there.
  for (int i = 0; i < 20; ++i) file << i << "," << 600 * i << "," << 600 * i + 300 << "\n";
  file.close();
  server::Task task = TimedTask();
  task.round.deadline = absl::Seconds(30);
  const Outcome run = Run(
      task,
      {{.profile = "laptop", .fraction = 1.0, .availability = {.kind = "trace", .file = trace}}});
  // They check in one after the other until a round opens, which nearly all of them then miss.
  ASSERT_TRUE(run.status.ok()) << run.status;
  EXPECT_GT(run.dropped.at("offline"), run.dropped.size());
}

TEST_F(DevicesTest, WithoutLimits_NoVirtualTimePassesAndNoEnergyIsKnown) {
  server::Task task = TimedTask();
  const Outcome run = Run(task, {});
  ASSERT_TRUE(run.status.ok()) << run.status;
  EXPECT_EQ(run.rounds.back().record.closed_at, absl::ZeroDuration());
  EXPECT_FALSE(run.rounds.back().record.energy_j.has_value());
  EXPECT_THAT(run.dropped, Not(::testing::Contains(::testing::Key("late"))));
}

}  // namespace
}  // namespace tern::simulation
