#include "simulation/attack_lab.h"

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/base/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "simulation/lab_command.h"
#include "simulation/lab_report.h"
#include "tests/simulation/small_task.h"
#include "tests/simulation/svg_tools.h"
#include "tests/testing/fake_dataset.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace tern::simulation {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Two attacks and none, two defences, two seeds.
class AttackLabTest : public ::testing::Test {
 protected:
  AttackLabTest() {
    config_.num_clients = 20;
    config_.task = SmallTask();
    config_.task.name = "small";
    config_.resolved_yaml = "seed: 1\n";
    server::Task median = config_.task;
    median.aggregator.name = "median";
    config_.lab = {
        .attacks = {{.name = "none"},
                    {.name = "sign_flip",
                     .options = {.kind = "sign_flip", .fraction = 0.34, .per_cohort = true}},
                    {.name = "alie",
                     .options = {.kind = "alie", .fraction = 0.34, .per_cohort = true}}},
        .defences = {{.name = "mean", .task = config_.task}, {.name = "median", .task = median}},
        .seeds = {1, 2}};
  }

  LabInputs Inputs() const { return {.config = &config_, .train = &train_, .test = &test_}; }
  LabResult Run(int num_threads) {
    absl::StatusOr<LabResult> result = RunLab(Inputs(), num_threads, nullptr);
    EXPECT_THAT(result, IsOk());
    return *std::move(result);
  }

  testing::FakeDataset train_ = testing::FakeDataset::Random({8}, 4, 400);
  testing::FakeDataset test_ = testing::FakeDataset::Random({8}, 4, 100);
  server::LoadedConfig config_;
};

// As RunLab would give it, with these accuracies of the seeds.
LabResult Result(std::vector<std::vector<std::vector<double>>> by_attack_and_defence) {
  LabResult result;
  const size_t num_seeds = by_attack_and_defence[0][0].size();
  for (size_t seed = 0; seed < num_seeds; ++seed) result.seeds.push_back(seed + 1);
  const std::vector<std::string> attacks = {"none", "alie"};
  const std::vector<std::string> defences = {"mean", "krum(f=5)"};
  for (size_t a = 0; a < by_attack_and_defence.size(); ++a) {
    result.attacks.push_back(attacks[a]);
    for (size_t d = 0; d < by_attack_and_defence[a].size(); ++d) {
      if (a == 0) result.defences.push_back(defences[d]);
      for (size_t seed = 0; seed < num_seeds; ++seed) {
        result.cells.push_back({.attack = a,
                                .defence = d,
                                .seed = seed,
                                .rounds = {1},
                                .accuracies = {by_attack_and_defence[a][d][seed]}});
      }
    }
  }
  return result;
}

TEST_F(AttackLabTest, EveryCellIsASimulation) {
  const LabResult result = Run(1);
  EXPECT_THAT(result.attacks, ElementsAre("none", "sign_flip", "alie"));
  EXPECT_THAT(result.defences, ElementsAre("mean", "median"));
  ASSERT_EQ(result.cells.size(), 12u);
  for (const LabCell& cell : result.cells) {
    EXPECT_THAT(cell.status, IsOk());
    EXPECT_THAT(cell.rounds, ElementsAre(1, 2, 3, 4, 5));
    EXPECT_EQ(cell.accuracies.size(), 5u);
  }
  EXPECT_NE(result.cells[0].accuracies, result.cells[1].accuracies);  // the defence
  EXPECT_NE(result.cells[0].accuracies, result.cells[2].accuracies);  // the attack
  EXPECT_NE(result.cells[0].accuracies, result.cells[6].accuracies);  // the seed
}

TEST_F(AttackLabTest, GivesTheSameForAnyNumberOfThreads) {
  const LabResult one = Run(1);
  for (const int num_threads : {2, 4}) {
    const LabResult other = Run(num_threads);
    ASSERT_EQ(other.cells.size(), one.cells.size());
    for (size_t i = 0; i < one.cells.size(); ++i) {
      EXPECT_EQ(other.cells[i].accuracies, one.cells[i].accuracies) << i;
    }
  }
}

TEST_F(AttackLabTest, ACellThatFails_SaysWhyAndTheLabGoesOn) {
  config_.lab.defences[1].task.adapt.widths = {1.0, 0.5};  // alie wants one width
  config_.lab.defences[1].task.aggregator.name = "mean";
  const LabResult result = Run(2);
  EXPECT_EQ(Summarize(result, 1, 1).runs, 2);
  EXPECT_EQ(Summarize(result, 2, 0).runs, 2);
  EXPECT_EQ(Summarize(result, 2, 1).runs, 0);
  EXPECT_THAT(LabTable(result), HasSubstr("failed"));
  EXPECT_THAT(LabNotes(result).back(), HasSubstr("Failed: alie x median, seed 1 and 1 more: "
                                                 "attack.kind alie"));
  EXPECT_TRUE(IsWellFormed(LabSvg(result, "small")));
}

// Clients differ in their examples, and the coordinator believes none that has more than 12.
TEST_F(AttackLabTest, RoundsThatAllChangeNothing_AreACellThatFailed) {
  config_.partition = {.kind = "quantity", .min_examples = 2};
  for (auto& defence : config_.lab.defences) {
    defence.task.max_num_examples = 12;
    defence.task.round.min_updates = 6;
  }
  const LabResult result = Run(1);
  EXPECT_EQ(result.cells[0].rounds_without_step, 5);
  EXPECT_THAT(result.cells[0].status,
              StatusIs(absl::StatusCode::kFailedPrecondition, "no round changed the model: "));
}

TEST_F(AttackLabTest, ClientsThatAllFail_AreACellThatFailed) {
  for (auto& defence : config_.lab.defences) defence.task.max_update_abs = 1e-9f;
  const LabResult result = Run(1);
  EXPECT_THAT(result.cells[0].status, StatusIs(absl::StatusCode::kAborted, "client 'client-"));
  EXPECT_EQ(Summarize(result, 0, 0).runs, 0);
}

TEST_F(AttackLabTest, Directory_HoldsNumbersPictureAndPage) {
  const testing::TemporaryDirectory directory;
  const std::string out = directory.File("lab");
  ASSERT_THAT(RunLabInto(out, Inputs(), 2), IsOk());
  const auto read = [&](const char* name) {
    return ReadTextFile(out + "/" + name, 1 << 22).value_or("unreadable");
  };
  EXPECT_EQ(read("config.yaml"), "seed: 1\n");
  const auto json = nlohmann::json::parse(read("attack_lab.json"));
  EXPECT_EQ(json["cells"].size(), 12u);
  EXPECT_EQ(json["summaries"].size(), 6u);
  EXPECT_EQ(json["cells"][3]["attack"], "sign_flip");
  EXPECT_EQ(json["cells"][3]["defence"], "median");
  EXPECT_EQ(json["cells"][3]["seed"], 1);
  EXPECT_EQ(json["cells"][3]["rounds"].size(), 5u);
  EXPECT_TRUE(json["cells"][3]["error"].is_null());
  EXPECT_GT(json["noise"]["difference"], 0.0);
  EXPECT_TRUE(IsWellFormed(read("attack_lab.svg")));
  const std::string page = read("report.html");
  EXPECT_THAT(page, HasSubstr("<svg"));
  EXPECT_THAT(page, HasSubstr("<th>median</th>"));
  EXPECT_THAT(page, HasSubstr("Noise: without attackers"));
  EXPECT_THAT(RunLabInto(out, Inputs(), 2),
              StatusIs(absl::StatusCode::kAlreadyExists, "holds results already"));
}

TEST(LabCell, AccuracyIsTheMeanOfTheLastFive) {
  EXPECT_DOUBLE_EQ((LabCell{.accuracies = {0.0, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5}}).accuracy(), 0.3);
  EXPECT_DOUBLE_EQ((LabCell{.accuracies = {0.2, 0.4}}).accuracy(), 0.3);
}

TEST(LabReport, TableHoldsMeansAndDeviations) {
  const LabResult result = Result({{{0.8, 0.9}, {0.7, 0.7}}, {{0.1, 0.2}, {0.6, 0.62}}});
  EXPECT_EQ(LabTable(result),
            "      mean           krum(f=5)\n"
            "none  0.850 (0.071)  0.700 (0.000)\n"
            "alie  0.150 (0.071)  0.610 (0.014)\n");
}

TEST(LabReport, OfSomeSeeds_SaysOfHowMany) {
  LabResult result = Result({{{0.8, 0.9}, {0.7, 0.7}}});
  result.cells[0].status = absl::AbortedError("diverged");
  EXPECT_THAT(LabTable(result), HasSubstr("none  0.900 (1 of 2)  0.700 (0.000)"));
  EXPECT_THAT(LabNotes(result).back(), HasSubstr("Failed: none x mean, seed 1: diverged"));
  EXPECT_THAT(LabSvg(result, "small"), HasSubstr(">1 of 2<"));
}

TEST(LabReport, NoiseIsPooledOverTheDefencesWithoutAttackers) {
  const LabResult result = Result({{{0.8, 0.9}, {0.7, 0.74}}, {{0.1, 0.9}, {0.1, 0.9}}});
  const auto noise = MeasureNoise(result);
  ASSERT_TRUE(noise.has_value());
  EXPECT_EQ(noise->degrees_of_freedom, 2);
  const double variance = (0.1 * 0.1 / 2 + 0.04 * 0.04 / 2) / 2;
  EXPECT_NEAR(noise->standard_deviation, std::sqrt(variance), 1e-12);
  EXPECT_NEAR(noise->difference, 2 * std::sqrt(variance), 1e-12);  // sqrt(2 / 2 seeds)
}

TEST(LabReport, SaysWhetherADefenceBeatsTheMeanWithoutAttackers) {
  const auto note = [](const LabResult& result) { return LabNotes(result)[2]; };
  EXPECT_THAT(note(Result({{{0.80, 0.82}, {0.81, 0.82}}})),
              HasSubstr("krum(f=5), +0.0050 against it: within the noise"));
  EXPECT_THAT(note(Result({{{0.80, 0.81}, {0.90, 0.91}}})),
              HasSubstr("more than two standard errors"));
  EXPECT_THAT(note(Result({{{0.80, 0.81}, {0.70, 0.71}}})), HasSubstr("all cost accuracy"));
}

TEST(LabReport, OneSeed_TellsNothingOfTheNoise) {
  const LabResult result = Result({{{0.8}, {0.7}}});
  EXPECT_FALSE(MeasureNoise(result).has_value());
  EXPECT_THAT(LabNotes(result)[1], HasSubstr("Noise: unknown"));
  EXPECT_EQ(LabTable(result), "      mean   krum(f=5)\nnone  0.800  0.700\n");
  EXPECT_TRUE(nlohmann::json::parse(LabJson(result))["noise"].is_null());
}

}  // namespace
}  // namespace tern::simulation
