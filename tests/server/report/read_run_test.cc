#include "server/report/read_run.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace tern::server {
namespace {

using ::nlohmann::ordered_json;
using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kNotFound = absl::StatusCode::kNotFound;

class ReadRunTest : public ::testing::Test {
 protected:
  ReadRunTest() {
    Write("config.yaml", "seed: 1\n");
    Write("metrics.jsonl", "{\"round\": 1, \"train_loss\": null}\n{\"round\": 2}\n");
  }
  void Write(const std::string& name, absl::string_view contents) {
    EXPECT_THAT(WriteFileAtomically(directory_.File(name), contents), IsOk());
  }

  const testing::TemporaryDirectory directory_;
};

TEST_F(ReadRunTest, RunThatGoesOn_HasNoSummary) {
  const auto run = ReadRun(directory_.path());
  ASSERT_THAT(run, IsOk());
  const ordered_json expected = {
      {"name", std::filesystem::path(directory_.path()).filename().string()},
      {"config", "seed: 1\n"},
      {"rounds", {{{"round", 1}, {"train_loss", nullptr}}, {{"round", 2}}}},
      {"summary", nullptr},
      {"population", nullptr}};
  EXPECT_EQ(*run, expected);
}

TEST_F(ReadRunTest, FinishedSimulation_HasItsSummaryAndPopulation) {
  Write("summary.json", "{\n\"rounds\": 2\n}\n");
  Write("population.json", "{\"classes\": []}");
  const auto run = ReadRun(directory_.path());
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(run->at("summary").at("rounds"), 2);
  EXPECT_EQ(run->at("population").at("classes"), ordered_json::array());
}

TEST_F(ReadRunTest, DirectoryWithASlashAtItsEnd_IsNamedAlike) {
  const auto run = ReadRun(directory_.path() + "/");
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(run->at("name"), std::filesystem::path(directory_.path()).filename().string());
}

TEST_F(ReadRunTest, LineThatIsBeingWritten_IsLeftOut) {
  Write("metrics.jsonl", "{\"round\": 1}\n{\"roun");
  const auto run = ReadRun(directory_.path());
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(run->at("rounds").size(), 1u);
}

TEST_F(ReadRunTest, RunWithoutRounds_IsFine) {
  Write("metrics.jsonl", "");
  const auto run = ReadRun(directory_.path());
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(run->at("rounds"), ordered_json::array());
}

TEST_F(ReadRunTest, NoRun_IsNotFound) {
  EXPECT_THAT(ReadRun(directory_.File("none")),
              StatusIs(kNotFound, directory_.File("none") + ": no such directory"));
  EXPECT_THAT(ReadRun(directory_.File("config.yaml")),
              StatusIs(kNotFound, "config.yaml: no such directory"));
  std::filesystem::remove(directory_.File("metrics.jsonl"));
  EXPECT_THAT(ReadRun(directory_.path()),
              StatusIs(kNotFound, directory_.path() + ": holds no run (metrics.jsonl is missing)"));
}

TEST_F(ReadRunTest, RunWithoutConfiguration_NamesTheFile) {
  std::filesystem::remove(directory_.File("config.yaml"));
  EXPECT_THAT(ReadRun(directory_.path()), StatusIs(kNotFound, directory_.File("config.yaml")));
}

TEST_F(ReadRunTest, MalformedLine_IsNamed) {
  Write("metrics.jsonl", "{\"round\": 1}\n{\"round\": 2,}\n{\"round\": 3}\n");
  EXPECT_THAT(ReadRun(directory_.path()),
              StatusIs(kInvalid, directory_.File("metrics.jsonl") + ":2: not JSON: column 13: "));
  Write("metrics.jsonl", "{\"round\": 1}\n\n");
  EXPECT_THAT(ReadRun(directory_.path()), StatusIs(kInvalid, "metrics.jsonl:2: not JSON"));
  Write("metrics.jsonl", "[1]\n");
  EXPECT_THAT(ReadRun(directory_.path()),
              StatusIs(kInvalid, "metrics.jsonl:1: expected a JSON object"));
  Write("metrics.jsonl", "{\"round\": \"1\"}\n");
  EXPECT_THAT(ReadRun(directory_.path()),
              StatusIs(kInvalid, "metrics.jsonl:1: expected \"round\": a number"));
}

TEST_F(ReadRunTest, MalformedFile_IsNamedWithItsLine) {
  Write("summary.json", "{\n  \"rounds\": 2,\n  \"seed\" 1\n}\n");
  EXPECT_THAT(ReadRun(directory_.path()), StatusIs(kInvalid, "summary.json:3: not JSON: column "));
  Write("summary.json", "{\n");
  EXPECT_THAT(ReadRun(directory_.path()), StatusIs(kInvalid, "summary.json:2: not JSON"));
}

TEST_F(ReadRunTest, DeepNesting_IsRefused) {
  Write("summary.json",
        absl::StrCat("{\"a\": ", std::string(100000, '['), std::string(100000, ']'), "}"));
  EXPECT_THAT(
      ReadRun(directory_.path()),
      StatusIs(kInvalid, "summary.json:1: expected a JSON object nested less than 32 deep"));
}

}  // namespace
}  // namespace tern::server
