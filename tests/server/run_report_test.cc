#include "server/run_report.h"

#include <unistd.h>

#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/files.h"
#include "core/wire/model_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/updates.h"

namespace tern::server {
namespace {

using ::nlohmann::ordered_json;
using ::tern::testing::IsOk;
using ::tern::testing::SmallestModel;
using ::tern::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

RoundRecord ThirdRound() {
  auto model = std::make_shared<Model>();
  model->version = 2;
  model->parameters = {1, 2, 3, 4, 5, 6};
  model->hash = std::string("\x00\x01\xab\xff", 4);
  return {.round = 3,
          .changed_model = true,
          .clients_available = 1000,
          .clients_selected = 100,
          .clients_completed = 97,
          .clients_dropped = {{"failed", 1}, {"late", 2}},
          .train_loss = 0.5,
          .device_peak_memory_bytes = 4096,
          .traffic = {.bytes_up = 1234567, .bytes_down = 7000, .bytes_retransmitted = 11},
          .float_bytes_up = 5000000,
          .float_bytes_down = 6000,
          .duration = absl::Milliseconds(840),
          .closed_at = absl::Seconds(3780),
          .update_bytes = 1200000,
          .model = std::move(model)};
}

const Evaluation kEvaluation{
    .num_examples = 10,
    .loss = 0.25,
    .accuracy = 0.8123,
    .precision_macro = 0.5,
    .recall_macro = 0.625,
    .f1_macro = 0.75,
    .per_class = {{.precision = 0.75, .recall = 0.5, .f1 = 0.625, .support = 6},
                  {.precision = 0.25, .recall = 0.75, .f1 = 0.875, .support = 4}},
    .confusion_matrix = {{3, 3}, {1, 3}}};

std::vector<std::string> Keys(const ordered_json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

class RunReportTest : public ::testing::Test {
 protected:
  ~RunReportTest() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<RunReport> Create(RunReportOptions options = {}) {
    auto report = RunReport::Create(directory_, "seed: 1\n", options);
    EXPECT_THAT(report, IsOk());
    return *std::move(report);
  }
  std::string Read(const std::string& name) {
    return ReadTextFile(absl::StrCat(directory_, "/", name), 1 << 20).value_or("unreadable");
  }
  std::vector<ordered_json> Metrics() {
    std::vector<ordered_json> lines;
    for (const absl::string_view line :
         absl::StrSplit(Read("metrics.jsonl"), '\n', absl::SkipEmpty())) {
      lines.push_back(ordered_json::parse(line.begin(), line.end()));
    }
    return lines;
  }
  std::string EventsFile() {
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      const std::string path = entry.path().string();
      if (absl::StrContains(path, "/events.out.tfevents.")) return path;
    }
    return "no events";
  }
  ordered_json Summary() { return ordered_json::parse(Read("summary.json")); }

  // Two levels of which neither exists.
  const std::string directory_ =
      absl::StrCat(::testing::TempDir(), "run_report_test_", ::getpid(), "/runs");
};

TEST_F(RunReportTest, Create_MakesTheDirectoryAndKeepsTheConfiguration) {
  const auto report = Create();
  EXPECT_EQ(report->directory(), directory_);
  EXPECT_EQ(Read("config.yaml"), "seed: 1\n");
}

TEST_F(RunReportTest, Create_WhereARunIs_IsAlreadyExists) {
  Create();
  EXPECT_THAT(RunReport::Create(directory_, "seed: 2\n"),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       absl::StrCat(directory_,
                                    ": holds a run already (config.yaml); give "
                                    "another directory, or remove this one")));
  EXPECT_EQ(Read("config.yaml"), "seed: 1\n");
}

TEST_F(RunReportTest, Create_InADirectoryWithoutARun_IsFine) {
  std::filesystem::create_directories(directory_);
  ASSERT_THAT(WriteFileAtomically(directory_ + "/notes.txt", "mine"), IsOk());
  Create();
  EXPECT_EQ(Read("notes.txt"), "mine");
}

TEST_F(RunReportTest, Create_WhereAFileIs_NamesThePath) {
  std::filesystem::create_directories(directory_);
  const std::string file = directory_ + "/file";
  ASSERT_THAT(WriteFileAtomically(file, "x"), IsOk());
  const auto report = RunReport::Create(file, "");
  ASSERT_FALSE(report.ok());
  EXPECT_THAT(std::string(report.status().message()), ::testing::StartsWith(file));
}

TEST_F(RunReportTest, AddRound_WritesOneObjectWithTheKeysOfTheFormat) {
  const auto report = Create();
  ASSERT_THAT(report->AddRound(ThirdRound(), kEvaluation, 2.5), IsOk());
  const std::vector<ordered_json> lines = Metrics();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_THAT(Keys(lines[0]),
              ElementsAre("round", "virtual_time_s", "wall_time_s", "clients_available",
                          "clients_selected", "clients_completed", "clients_dropped",
                          "updates_rejected", "train_loss", "eval_loss", "eval_accuracy",
                          "eval_precision_macro", "eval_recall_macro", "eval_f1_macro", "bytes_up",
                          "bytes_down", "bytes_retransmitted", "float_bytes_up", "float_bytes_down",
                          "update_bytes", "energy_j", "device_peak_memory_bytes", "model_hash"));
  EXPECT_EQ(lines[0], ordered_json::parse(R"({
      "round": 3, "virtual_time_s": null, "wall_time_s": 2.5,
      "clients_available": 1000, "clients_selected": 100,
      "clients_completed": 97, "clients_dropped": {"failed": 1, "late": 2},
      "updates_rejected": 0, "train_loss": 0.5, "eval_loss": 0.25, "eval_accuracy": 0.8123,
      "eval_precision_macro": 0.5, "eval_recall_macro": 0.625, "eval_f1_macro": 0.75,
      "bytes_up": 1234567, "bytes_down": 7000, "bytes_retransmitted": 11,
      "float_bytes_up": 5000000, "float_bytes_down": 6000,
      "update_bytes": 1200000, "energy_j": null,
      "device_peak_memory_bytes": 4096, "model_hash": "0001abff"})"));
}

TEST_F(RunReportTest, AddRound_OfASimulation_TellsVirtualTimeAndEnergy) {
  const auto report = Create({.virtual_time = true});
  RoundRecord record = ThirdRound();
  record.energy_j = 12.5;
  ASSERT_THAT(report->AddRound(record, std::nullopt, 2.5), IsOk());
  EXPECT_EQ(Metrics().at(0).at("virtual_time_s"), 3780.0);
  EXPECT_EQ(Metrics().at(0).at("energy_j"), 12.5);
}

TEST_F(RunReportTest, AddRound_WritesEventsBeside) {
  const auto report = Create();
  const std::string events = EventsFile();
  const auto size_before = std::filesystem::file_size(events);
  ASSERT_THAT(report->AddRound(ThirdRound(), std::nullopt, 1.0), IsOk());
  const std::string text = ReadTextFile(events, 1 << 20).value();
  EXPECT_GT(text.size(), size_before);
  for (const char* tag : {"train/loss", "bytes/up", "bytes/down", "devices/completed"}) {
    EXPECT_THAT(text, HasSubstr(tag));
  }
  // Not known, so not drawn as zero.
  EXPECT_THAT(text, Not(HasSubstr("eval/")));
  EXPECT_THAT(text, Not(HasSubstr("energy")));
  RoundRecord record = ThirdRound();
  record.energy_j = 1.0;
  ASSERT_THAT(report->AddRound(record, kEvaluation, 2.0), IsOk());
  for (const char* tag : {"eval/accuracy", "eval/loss", "devices/energy_j"}) {
    EXPECT_THAT(ReadTextFile(events, 1 << 20).value(), HasSubstr(tag));
  }
}

TEST_F(RunReportTest, AddRound_WhatIsNotKnown_IsNull) {
  RoundRecord record = ThirdRound();
  record.changed_model = false;
  record.note = "only 0 of the 8 updates needed arrived, says \"\xff\"";
  record.clients_completed = 0;
  record.clients_dropped = {};
  record.train_loss = 0.0;
  record.device_peak_memory_bytes = 0;
  const auto report = Create();
  ASSERT_THAT(report->AddRound(record, std::nullopt, 1.0), IsOk());
  const ordered_json line = Metrics().at(0);
  for (const char* key : {"train_loss", "eval_loss", "eval_accuracy", "eval_precision_macro",
                          "eval_recall_macro", "eval_f1_macro", "device_peak_memory_bytes"}) {
    EXPECT_TRUE(line.at(key).is_null()) << key;
  }
  EXPECT_EQ(line.at("clients_dropped"), ordered_json::object());
  // Bytes that are not UTF-8 are replaced: a file that no reader of JSON takes would be worse.
  EXPECT_EQ(line.at("note"), "only 0 of the 8 updates needed arrived, says \"\xEF\xBF\xBD\"");
}

TEST_F(RunReportTest, AddRound_LossThatIsNotFinite_IsNull) {
  RoundRecord record = ThirdRound();
  record.train_loss = std::numeric_limits<double>::infinity();
  const auto report = Create();
  ASSERT_THAT(report->AddRound(record, std::nullopt, 1.0), IsOk());
  EXPECT_TRUE(Metrics().at(0).at("train_loss").is_null());
}

TEST_F(RunReportTest, Finish_WritesTotalsAndTheModel) {
  const auto report = Create();
  RoundRecord first = ThirdRound();
  first.round = 1;
  RoundRecord second = ThirdRound();
  second.device_peak_memory_bytes = 8192;
  Evaluation better = kEvaluation;
  better.accuracy = 0.9;
  ASSERT_THAT(report->AddRound(first, better, 1.0), IsOk());
  ASSERT_THAT(report->AddRound(second, kEvaluation, 2.0), IsOk());
  ASSERT_THAT(report->AddRound(first, std::nullopt, 3.0), IsOk());
  EXPECT_EQ(report->rounds(), 3);
  EXPECT_EQ(report->updates(), 3 * 97);
  ASSERT_THAT(report->Finish({.wall_time_s = 4.5,
                              .client_updates_per_second = 32.5,
                              .seed = 7,
                              .kernel_target = "AVX2",
                              .config_hash = "c0ffee",
                              .version = "1.2.3"},
                             SmallestModel(), *first.model),
              IsOk());

  ordered_json summary = Summary();
  EXPECT_GT(summary.at("peak_rss_bytes").get<int64_t>(), 1 << 20);
  summary["peak_rss_bytes"] = 0;
  EXPECT_EQ(summary, ordered_json::parse(R"({
      "rounds": 3, "final_eval_accuracy": 0.8123, "best_eval_accuracy": 0.9,
      "total_bytes_up": 3703701, "total_bytes_down": 21000, "float_bytes_up": 15000000,
      "float_bytes_down": 18000, "update_bytes": 3600000, "total_energy_j": null,
      "wall_time_s": 4.5, "virtual_time_s": null, "client_updates_per_second": 32.5, "peak_rss_bytes": 0,
      "device_peak_memory_bytes": 8192, "model_hash": "0001abff", "seed": 7,
      "kernel_target": "AVX2", "config_hash": "c0ffee", "version": "1.2.3",
      "eval_per_class": [{"precision": 0.75, "recall": 0.5, "f1": 0.625, "support": 6},
                         {"precision": 0.25, "recall": 0.75, "f1": 0.875, "support": 4}],
      "confusion_matrix": [[3, 3], [1, 3]]})"));
  // One key per line, between two braces.
  const std::vector<std::string> lines =
      absl::StrSplit(Read("summary.json"), '\n', absl::SkipEmpty());
  EXPECT_EQ(lines.size(), summary.size() + 2);

  const auto file = ReadModelFile(report->model_path());
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(file->spec, SmallestModel());
  EXPECT_EQ(file->version, 2u);
  EXPECT_EQ(file->parameters, first.model->parameters);
}

TEST_F(RunReportTest, Finish_OfASimulation_TellsVirtualTimeAndTheEnergyThatIsKnown) {
  const auto report = Create({.virtual_time = true});
  RoundRecord record = ThirdRound();
  record.energy_j = 2.5;
  ASSERT_THAT(report->AddRound(record, std::nullopt, 1.0), IsOk());
  record.energy_j = std::nullopt;
  ASSERT_THAT(report->AddRound(record, std::nullopt, 2.0), IsOk());
  record.energy_j = 0.25;
  record.closed_at = absl::Milliseconds(4000500);
  ASSERT_THAT(report->AddRound(record, std::nullopt, 3.0), IsOk());
  ASSERT_THAT(report->Finish({}, SmallestModel(), *record.model), IsOk());
  EXPECT_EQ(Summary().at("total_energy_j"), 2.75);
  EXPECT_EQ(Summary().at("virtual_time_s"), 4000.5);
  EXPECT_THAT(report->SummaryText(1.0), HasSubstr("18.0 kB), 2.8 J, t 1 h 07 min\nresults in "));
}

TEST_F(RunReportTest, Finish_WithoutRounds_HasNoAccuracy) {
  const auto report = Create();
  ASSERT_THAT(report->Finish({}, SmallestModel(), *ThirdRound().model), IsOk());
  const ordered_json summary = Summary();
  EXPECT_EQ(summary.at("rounds"), 0);
  for (const char* key : {"final_eval_accuracy", "best_eval_accuracy", "total_energy_j",
                          "virtual_time_s", "client_updates_per_second", "device_peak_memory_bytes",
                          "eval_per_class", "confusion_matrix"}) {
    EXPECT_TRUE(summary.at(key).is_null()) << key;
  }
}

TEST_F(RunReportTest, SummaryText_SaysWhatPeopleAskFirst) {
  const auto report = Create();
  EXPECT_EQ(report->SummaryText(0.5), absl::StrCat("0 rounds, 0 updates in 0.5 s: not evaluated\n"
                                                   "up 0 B, down 0 B (as 32-bit floats 0 B, 0 B)\n"
                                                   "results in ",
                                                   directory_));
  ASSERT_THAT(report->AddRound(ThirdRound(), kEvaluation, 1.0), IsOk());
  EXPECT_EQ(report->SummaryText(12.34),
            absl::StrCat("1 round, 97 updates in 12.3 s: accuracy 0.8123 (best 0.8123)\n"
                         "up 1.2 MB, down 7.0 kB (as 32-bit floats 5.0 MB, 6.0 kB)\n"
                         "results in ",
                         directory_));
}

TEST(RoundLineTest, ReadsLikeTheLogsOfTheField) {
  EXPECT_EQ(RoundLine(ThirdRound(), kEvaluation, 20, {.duration_s = 0.84}),
            "[round 3/20] selected 100 of 1000, completed 97 (1 failed, 2 late), accuracy 0.812, "
            "up 1.2 MB, 0.84 s");
}

TEST(RoundLineTest, WithoutEvaluationAndDrops_IsShorter) {
  RoundRecord record = ThirdRound();
  record.clients_dropped = {{"late", 0}};
  EXPECT_EQ(RoundLine(record, std::nullopt, 20, {.duration_s = 12.0}),
            "[round 3/20] selected 100 of 1000, completed 97, up 1.2 MB, 12.00 s");
}

TEST(RoundLineTest, OfASimulation_TellsEnergyAndVirtualTime) {
  RoundRecord record = ThirdRound();
  record.energy_j = 12.34;
  EXPECT_EQ(
      RoundLine(record, kEvaluation, 20, {.duration_s = 0.84, .virtual_time = record.closed_at}),
      "[round 3/20] selected 100 of 1000, completed 97 (1 failed, 2 late), accuracy 0.812, "
      "up 1.2 MB, 12.3 J, t 1 h 03 min, 0.84 s");
}

TEST(RoundLineTest, RejectedUpdatesAndARoundThatChangedNothing_AreSaid) {
  RoundRecord record = ThirdRound();
  record.clients_completed = 1;
  record.clients_dropped = {{"not_needed", 3}};
  record.updates_rejected = 2;
  record.changed_model = false;
  record.note = "only 1 of the 8 updates needed arrived";
  EXPECT_EQ(RoundLine(record, std::nullopt, 20, {.duration_s = 0.5}),
            "[round 3/20] selected 100 of 1000, completed 1 (3 not needed), rejected 2, up 1.2 MB, "
            "0.50 s; model unchanged: only 1 of the 8 updates needed arrived");
}

TEST(FormatBytesTest, UsesDecimalUnits) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(999), "999 B");
  EXPECT_EQ(FormatBytes(1000), "1.0 kB");
  EXPECT_EQ(FormatBytes(999949), "999.9 kB");
  EXPECT_EQ(FormatBytes(999950), "1.0 MB");
  EXPECT_EQ(FormatBytes(1234567890), "1.2 GB");
  EXPECT_EQ(FormatBytes(std::numeric_limits<int64_t>::max()), "9223372036.9 GB");
}

TEST(FormatEnergyTest, KeepsOneDigitAfterThePoint) {
  EXPECT_EQ(FormatEnergy(0.0), "0.0 J");
  EXPECT_EQ(FormatEnergy(0.0123), "12.3 mJ");
  EXPECT_EQ(FormatEnergy(0.99999), "1.0 J");
  EXPECT_EQ(FormatEnergy(999.9), "999.9 J");
  EXPECT_EQ(FormatEnergy(999.96), "1.0 kJ");
  EXPECT_EQ(FormatEnergy(1234567), "1234.6 kJ");
}

TEST(FormatElapsedTest, UsesTheTwoLargestUnits) {
  EXPECT_EQ(FormatElapsed(absl::ZeroDuration()), "0.0 s");
  EXPECT_EQ(FormatElapsed(absl::Milliseconds(59940)), "59.9 s");
  EXPECT_EQ(FormatElapsed(absl::Milliseconds(59960)), "1 min 00 s");
  EXPECT_EQ(FormatElapsed(absl::Seconds(245)), "4 min 05 s");
  EXPECT_EQ(FormatElapsed(absl::Milliseconds(3599600)), "1 h 00 min");
  EXPECT_EQ(FormatElapsed(absl::Minutes(63)), "1 h 03 min");
  EXPECT_EQ(FormatElapsed(absl::Seconds(86399)), "1 d 00 h");
  EXPECT_EQ(FormatElapsed(absl::Hours(53)), "2 d 05 h");
}

TEST(DefaultRunDirectoryTest, KeepsOnlyCharactersThatSuitADirectory) {
  EXPECT_THAT(DefaultRunDirectory("../my task-1"),
              MatchesRegex("runs/___my_task-1-[0-9]{8}-[0-9]{6}"));
}

}  // namespace
}  // namespace tern::server
