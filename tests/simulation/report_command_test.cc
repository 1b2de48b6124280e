#include "simulation/report_command.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace tern::simulation {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::HasSubstr;

class ReportCommandTest : public ::testing::Test {
 protected:
  std::string Run(const std::string& name) {
    const std::string directory = directory_.File(name);
    std::filesystem::create_directories(directory);
    EXPECT_THAT(WriteFileAtomically(directory + "/config.yaml", "seed: 1\n"), IsOk());
    EXPECT_THAT(WriteFileAtomically(directory + "/metrics.jsonl", "{\"round\": 1}\n"), IsOk());
    return directory;
  }
  static std::string Read(const std::string& path) {
    return ReadTextFile(path, 1 << 20).value_or("unreadable");
  }

  const testing::TemporaryDirectory directory_;
};

TEST_F(ReportCommandTest, OneRun_ItsReportIsInItsDirectory) {
  const std::string run = Run("mine");
  ASSERT_THAT(WriteReport({.directories = {run}}), IsOk());
  EXPECT_THAT(Read(run + "/report.html"), HasSubstr("\"name\":\"mine\""));
  // Again, over the old one.
  EXPECT_THAT(WriteReport({.directories = {run}}), IsOk());
}

TEST_F(ReportCommandTest, SeveralRuns_AreComparedInTheCurrentDirectory) {
  const std::string a = Run("a"), b = Run("b");
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(directory_.path());
  EXPECT_THAT(WriteReport({.directories = {a, b}}), IsOk());
  std::filesystem::current_path(before);
  EXPECT_THAT(Read(directory_.File("comparison.html")), HasSubstr("\"name\":\"b\""));
  EXPECT_FALSE(std::filesystem::exists(a + "/report.html"));
}

TEST_F(ReportCommandTest, Out_IsWhereThePageGoes) {
  const std::string out = directory_.File("page.html");
  ASSERT_THAT(WriteReport({.directories = {Run("mine")}, .out = out}), IsOk());
  EXPECT_THAT(Read(out), HasSubstr("\"name\":\"mine\""));
}

TEST_F(ReportCommandTest, DirectoryThatIsNotThere_IsNotFound) {
  EXPECT_THAT(WriteReport({.directories = {directory_.File("none")}}),
              StatusIs(absl::StatusCode::kNotFound, "/none: no such directory"));
}

}  // namespace
}  // namespace tern::simulation
