#include "server/report/read_run.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"

namespace tern::server {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kMaxMetricsBytes = int64_t{256} << 20;
constexpr int64_t kMaxFileBytes = int64_t{64} << 20;
// A matrix in an object is 2; who writes a file by hand may go further, but not without end.
constexpr int kMaxDepth = 32;

// "PATH:LINE: " of the byte at `offset`, from 1.
std::string Place(const std::string& path, absl::string_view text, size_t offset, int64_t line) {
  const absl::string_view before = text.substr(0, std::min(offset, text.size()));
  return absl::StrCat(path, ":", line + std::count(before.begin(), before.end(), '\n'), ": ");
}

// The object that is `text`, which begins at `line` of the file `path`.
absl::StatusOr<Json> ParseObject(const std::string& path, absl::string_view text, int64_t line) {
  bool is_too_deep = false;
  const auto limit_depth = [&](int depth, Json::parse_event_t, Json&) {
    is_too_deep |= depth > kMaxDepth;
    return !is_too_deep;
  };
  Json value;
  try {
    value = Json::parse(text.begin(), text.end(), limit_depth);
  } catch (const Json::parse_error& error) {
    const size_t offset = error.byte == 0 ? 0 : error.byte - 1;
    // "[json.exception.parse_error.101] parse error at line 1, column 5: syntax error ...": the
    // place is said already.
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(error.what(), absl::MaxSplits("column ", 1));
    const std::pair<absl::string_view, absl::string_view> column_and_reason =
        absl::StrSplit(parts.second, absl::MaxSplits(": ", 1));
    return absl::InvalidArgumentError(absl::StrCat(Place(path, text, offset, line),
                                                   "not JSON: column ", column_and_reason.first,
                                                   ": ", column_and_reason.second));
  } catch (const Json::exception& error) {  // a number that no double holds
    return absl::InvalidArgumentError(
        absl::StrCat(Place(path, text, 0, line), "not JSON: ", error.what()));
  }
  if (is_too_deep || !value.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(Place(path, text, 0, line), "expected a JSON object",
                     is_too_deep ? absl::StrCat(" nested less than ", kMaxDepth, " deep") : ""));
  }
  return value;
}

// Null if there is no such file.
absl::StatusOr<Json> ReadObjectIfThere(const std::string& path) {
  absl::StatusOr<std::string> text = ReadTextFile(path, kMaxFileBytes);
  if (absl::IsNotFound(text.status())) return Json(nullptr);
  TERN_RETURN_IF_ERROR(text.status());
  return ParseObject(path, *text, 1);
}

absl::StatusOr<Json> ReadRounds(const std::string& path) {
  TERN_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path, kMaxMetricsBytes));
  std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  // What follows the last newline: nothing, or the beginning of a line.
  lines.pop_back();
  Json rounds = Json::array();
  for (size_t i = 0; i < lines.size(); ++i) {
    const auto number = static_cast<int64_t>(i) + 1;
    TERN_ASSIGN_OR_RETURN(Json round, ParseObject(path, lines[i], number));
    if (!round.contains("round") || !round["round"].is_number()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ":", number, ": expected \"round\": a number"));
    }
    rounds.push_back(std::move(round));
  }
  return rounds;
}

std::string NameOf(const std::string& directory) {
  std::error_code error;
  std::filesystem::path path = std::filesystem::canonical(directory, error);
  if (error) path = directory;
  return path.filename().string();
}

}  // namespace

absl::StatusOr<Json> ReadRun(const std::string& directory) {
  std::error_code error;
  if (!std::filesystem::is_directory(directory, error)) {
    return absl::NotFoundError(absl::StrCat(directory, ": no such directory"));
  }
  const std::string metrics = directory + "/metrics.jsonl";
  if (!std::filesystem::exists(metrics, error)) {
    return absl::NotFoundError(
        absl::StrCat(directory,
                     ": holds no run (metrics.jsonl is missing); give the directory "
                     "that tern-sim run or tern-server wrote"));
  }
  Json run;
  run["name"] = NameOf(directory);
  TERN_ASSIGN_OR_RETURN(run["config"], ReadTextFile(directory + "/config.yaml", kMaxFileBytes));
  TERN_ASSIGN_OR_RETURN(run["rounds"], ReadRounds(metrics));
  TERN_ASSIGN_OR_RETURN(run["summary"], ReadObjectIfThere(directory + "/summary.json"));
  TERN_ASSIGN_OR_RETURN(run["population"], ReadObjectIfThere(directory + "/population.json"));
  return run;
}

}  // namespace tern::server
