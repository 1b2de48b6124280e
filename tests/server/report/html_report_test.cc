#include "server/report/html_report.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace tern::server {
namespace {

using ::nlohmann::ordered_json;
using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kRound[] =
    R"({"round": 1, "virtual_time_s": 12.5, "wall_time_s": 0.5, "clients_available": 9,
        "clients_selected": 4, "clients_completed": 2, "clients_dropped": {"late": 1, "odd": 1},
        "updates_rejected": 0, "train_loss": 1.5, "eval_loss": 1.25, "eval_accuracy": 0.5,
        "bytes_up": 10, "bytes_down": 20, "float_bytes_up": 40, "float_bytes_down": 20,
        "energy_j": 1.5, "device_peak_memory_bytes": 4096, "model_hash": "ab",
        "note": "</script><img src=x>"})";
constexpr char kSummary[] =
    R"({"wall_time_s": 1, "model_hash": "ab", "seed": 7, "version": "0.1.0",
        "eval_per_class": [{"precision": 0.5, "recall": 1, "f1": 0.667, "support": 3},
                           {"precision": 0, "recall": 0, "f1": 0, "support": 3}],
        "confusion_matrix": [[3, 0], [3, 0]]})";
constexpr char kPopulation[] =
    R"({"classes": [{"name": "small", "devices": 5, "refused": 1, "refusal": "no RAM",
                     "ram_bytes": 65536, "width": 0.5, "batch_size": 4, "local_steps": 3,
                     "codec": "none", "predicted_peak_bytes": 4096, "measured_peak_bytes": 4096,
                     "predicted_round_s": 2, "selected": 4, "completed": 2, "dropped": {"late": 1},
                     "energy_j": 1.5, "bytes_up": 10, "bytes_down": 20}],
        "partition": {"kind": "iid", "num_clients": 9, "num_classes": 2,
                      "clients": [{"client": 0, "counts": [1, 2]}]}})";

class HtmlReportTest : public ::testing::Test {
 protected:
  std::string Run(const std::string& name, bool has_devices = true) {
    const std::string directory = directory_.File(name);
    std::filesystem::create_directories(directory);
    const auto write = [&](const std::string& file, absl::string_view contents) {
      EXPECT_THAT(WriteFileAtomically(absl::StrCat(directory, "/", file), contents), IsOk());
    };
    write("config.yaml", absl::StrCat("seed: 1\ntask:\n  name: ", name, "\n"));
    write("metrics.jsonl", ordered_json::parse(kRound).dump() + "\n");
    if (!has_devices) return directory;
    write("summary.json", kSummary);
    write("population.json", kPopulation);
    return directory;
  }
  std::string Write(const std::vector<std::string>& runs) {
    EXPECT_THAT(WriteHtmlReport(runs, page_), IsOk());
    return ReadTextFile(page_, 1 << 22).value_or("unreadable");
  }
  // The data that the page carries.
  static ordered_json DataOf(const std::string& page) {
    const std::vector<std::string> parts =
        absl::StrSplit(page, "<script type=\"application/json\" id=\"data\">");
    const std::vector<std::string> data = absl::StrSplit(parts.at(1), "</script>");
    return ordered_json::parse(data.at(0));
  }

  const testing::TemporaryDirectory directory_;
  const std::string page_ = directory_.File("report.html");
};

TEST_F(HtmlReportTest, PageHoldsAllThatItNeeds) {
  const std::string page = Write({Run("mine")});
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  EXPECT_THAT(page, HasSubstr("Chart.js v"));
  EXPECT_THAT(page, HasSubstr("drawPage(runs);"));
  EXPECT_THAT(page, HasSubstr("prefers-color-scheme"));
  for (const char* reference : {"<link", "<img", " src=\"", "@import", "url("}) {
    EXPECT_THAT(page, Not(HasSubstr(reference)));
  }
}

TEST_F(HtmlReportTest, DataAreThoseOfTheDirectory_AndCannotEndTheScript) {
  const ordered_json data = DataOf(Write({Run("mine")}));
  const ordered_json& run = data.at("runs").at(0);
  EXPECT_EQ(run.at("name"), "mine");
  EXPECT_EQ(run.at("rounds").at(0), ordered_json::parse(kRound));
  EXPECT_EQ(run.at("summary"), ordered_json::parse(kSummary));
  EXPECT_EQ(run.at("population"), ordered_json::parse(kPopulation));
}

TEST_F(HtmlReportTest, RunsThatAreNamedAlike_AreToldApartByTheirPaths) {
  const std::string a = Run("a/run"), b = Run("b/run"), c = Run("c");
  const ordered_json data = DataOf(Write({a, b, c}));
  EXPECT_EQ(data.at("runs").at(0).at("name"), a);
  EXPECT_EQ(data.at("runs").at(1).at("name"), b);
  EXPECT_EQ(data.at("runs").at(2).at("name"), "c");
}

TEST_F(HtmlReportTest, Errors_LeaveNoPage) {
  EXPECT_THAT(WriteHtmlReport({}, page_),
              StatusIs(absl::StatusCode::kInvalidArgument, "no run to report"));
  EXPECT_THAT(WriteHtmlReport({Run("mine"), directory_.File("none")}, page_),
              StatusIs(absl::StatusCode::kNotFound, "none: no such directory"));
  EXPECT_FALSE(std::filesystem::exists(page_));
  const auto status = WriteHtmlReport({Run("mine")}, directory_.File("none/report.html"));
  EXPECT_THAT(status, Not(IsOk()));
  EXPECT_THAT(std::string(status.message()), HasSubstr("none/report.html"));
}

// The scripts, in a browser, where there is one.
class HtmlReportInBrowserTest : public HtmlReportTest {
 protected:
  static constexpr char kBrowser[] = "/usr/bin/chromium";

  void SetUp() override {
    if (!std::filesystem::exists(kBrowser)) GTEST_SKIP() << kBrowser << " is not installed";
  }
  // The page as its scripts made it when every button was pressed; they must not complain.
  std::string Draw(const std::vector<std::string>& runs) {
    constexpr char kPress[] =
        "<script>document.querySelectorAll('button').forEach((one) => one.click());</script>";
    EXPECT_THAT(WriteFileAtomically(page_, Write(runs) + kPress), IsOk());
    const testing::Finished finished = testing::RunToEnd(
        {kBrowser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
         "--user-data-dir=" + directory_.File("profile"), "--dump-dom", "file://" + page_});
    EXPECT_THAT(finished.output, Not(HasSubstr("CONSOLE")));
    const std::vector<std::string> body = absl::StrSplit(finished.output, "<main id=\"report\">");
    if (body.size() != 2) return finished.output;
    return std::string(body[1].substr(0, body[1].find("</main>")));
  }
};

TEST_F(HtmlReportInBrowserTest, SimulatedRun_HasAllSections) {
  const std::string page = Draw({Run("mine")});
  for (const char* part :
       {"<h1>mine</h1>", "50.0 %", "25.0 % of float32", "1.5 J", "<h2>Learning</h2>",
        "virtual time</button>", "joules</button>", "<h2>Rounds</h2>", "<h2>Classes</h2>",
        "class 1, predicted 0: 3 (100.0 %)", "<h2>Devices</h2>", "5 (1 refused)", "no RAM",
        "<h2>Data of the clients</h2>", "iid; 1 of 9 clients", "name: mine"}) {
    EXPECT_THAT(page, HasSubstr(part));
  }
  EXPECT_THAT(page, Not(HasSubstr("class=\"error\"")));
  // Text, not an element.
  EXPECT_THAT(page, HasSubstr("round 1: &lt;/script&gt;&lt;img src=x&gt;"));
}

TEST_F(HtmlReportInBrowserTest, RunThatGoesOn_LeavesOutWhatIsNotKnown) {
  const std::string page = Draw({Run("mine", /*has_devices=*/false)});
  EXPECT_THAT(page, HasSubstr("accuracy so far"));
  EXPECT_THAT(page, HasSubstr("<h2>Rounds</h2>"));
  for (const char* part : {"<h2>Classes", "<h2>Devices", "<h2>Data", "class=\"error\""}) {
    EXPECT_THAT(page, Not(HasSubstr(part)));
  }
}

TEST_F(HtmlReportInBrowserTest, SeveralRuns_AreComparedSideBySide) {
  const std::string page = Draw({Run("first"), Run("second", /*has_devices=*/false)});
  for (const char* part : {"Comparison of 2 runs", "second (not finished)", "task.name",
                           "<h2>Cohorts</h2>", "Configuration of second"}) {
    EXPECT_THAT(page, HasSubstr(part));
  }
  EXPECT_THAT(page, Not(HasSubstr("class=\"error\"")));
}

}  // namespace
}  // namespace tern::server
