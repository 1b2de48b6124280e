#include "server/report/html_report.h"

#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "core/base/embedded_file.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"
#include "server/report/read_run.h"

namespace tern::server {

// Made by tern_embed: the style sheet, and the scripts in the order in which they run.
absl::Span<const EmbeddedFile> ReportFiles();

namespace {

using Json = nlohmann::ordered_json;

// The page says itself that it loads nothing.
constexpr absl::string_view kHead = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
      content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>Tern</title>
)";
constexpr absl::string_view kBody = R"(</head>
<body>
<main id="report"><noscript>This report is drawn by scripts that are part of it.</noscript></main>
)";

// An element of the file's kind with its contents.
std::string Element(const EmbeddedFile& file) {
  if (absl::EndsWith(file.name, ".css")) {
    return absl::StrCat("<style>\n", file.contents, "</style>\n");
  }
  return absl::StrCat("<script>\n", file.contents, "\n</script>\n");
}

// In a script, "<" could begin what ends it; in JSON it stands in strings only, where this means
// the same.
std::string DataElement(const Json& data) {
  const std::string text =
      data.dump(/*indent=*/-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
  return absl::StrCat("<script type=\"application/json\" id=\"data\">",
                      absl::StrReplaceAll(text, {{"<", "\\u003c"}}), "</script>\n");
}

// Runs that are named alike are told apart by their whole paths.
void MakeNamesDistinct(const std::vector<std::string>& directories, Json& runs) {
  std::map<std::string, int> count;
  for (const Json& run : runs) ++count[run["name"].get<std::string>()];
  for (size_t i = 0; i < directories.size(); ++i) {
    if (count[runs[i]["name"].get<std::string>()] > 1) runs[i]["name"] = directories[i];
  }
}

}  // namespace

absl::Status WriteHtmlReport(const std::vector<std::string>& run_directories,
                             const std::string& path) {
  if (run_directories.empty()) return absl::InvalidArgumentError("no run to report");
  Json runs = Json::array();
  for (const std::string& directory : run_directories) {
    TERN_ASSIGN_OR_RETURN(Json run, ReadRun(directory));
    runs.push_back(std::move(run));
  }
  MakeNamesDistinct(run_directories, runs);
  std::string style, scripts;
  for (const EmbeddedFile& file : ReportFiles()) {
    (absl::EndsWith(file.name, ".css") ? style : scripts) += Element(file);
  }
  Json data;
  data["runs"] = std::move(runs);
  return WriteFileAtomically(
      path, absl::StrCat(kHead, style, kBody, DataElement(data), scripts, "</body>\n</html>\n"));
}

}  // namespace tern::server
