#include "simulation/lab_report.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "simulation/heat_map_svg.h"
#include "simulation/svg.h"

namespace tern::simulation {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kHtmlHead[] = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Tern: attack lab</title>
<style>
body { margin: 0; background: #f6f7f8; color: #1d2329; font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1480px; margin: 0 auto; padding: 28px 20px 60px; }
section { background: #fff; border: 1px solid #e2e6ea; border-radius: 10px; margin-top: 18px;
  padding: 18px 20px; overflow-x: auto; }
h1 { font-size: 26px; margin: 0; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 5px 16px 5px 0; border-bottom: 1px solid #e2e6ea;
  white-space: nowrap; font-weight: normal; }
thead th { color: #5d6771; }
</style>
</head>
<body>
<main>
)";

constexpr absl::string_view kFailed = "failed";
constexpr absl::string_view kPlainMean = "mean";  // as a defence without options is called

std::string AccuracyText(double accuracy) { return absl::StrFormat("%.3f", accuracy); }

// "0.003", or how many of the seeds there are if not all; empty for a single seed.
std::string SpreadText(const LabResult& result, const LabSummary& summary) {
  const auto seeds = static_cast<int64_t>(result.seeds.size());
  if (summary.runs < seeds) return absl::StrCat(summary.runs, " of ", seeds);
  if (!summary.standard_deviation.has_value()) return "";
  return absl::StrFormat("%.3f", *summary.standard_deviation);
}

std::string CellText(const LabResult& result, const LabSummary& summary) {
  if (summary.runs == 0) return std::string(kFailed);
  const std::string spread = SpreadText(result, summary);
  const std::string mean = AccuracyText(summary.mean);
  return spread.empty() ? mean : absl::StrCat(mean, " (", spread, ")");
}

// Of all cells that failed, by their reason: where.
std::map<std::string, std::vector<std::string>> Failures(const LabResult& result) {
  std::map<std::string, std::vector<std::string>> failures;
  for (const LabCell& cell : result.cells) {
    if (cell.status.ok()) continue;
    failures[std::string(cell.status.message())].push_back(
        absl::StrCat(result.attacks[cell.attack], " x ", result.defences[cell.defence], ", seed ",
                     result.seeds[cell.seed]));
  }
  return failures;
}

std::string NoiseNote(const LabResult& result) {
  const std::optional<LabNoise> noise = MeasureNoise(result);
  if (!noise.has_value()) {
    return "Noise: unknown, it takes several seeds without attackers; small differences mean "
           "nothing.";
  }
  return absl::StrFormat(
      "Noise: without attackers the seeds of a defence differ with a standard deviation of %.4f "
      "(%d degrees of freedom); there, means over %d seeds that differ by less than %.4f (two "
      "standard errors) may do so by chance. Under attack they can differ by more: see each cell's "
      "own deviation.",
      noise->standard_deviation, noise->degrees_of_freedom, result.seeds.size(), noise->difference);
}

// How the best defence without attackers compares with the plain mean; empty: nothing to compare.
std::string WithoutAttackersNote(const LabResult& result) {
  const auto mean = std::find(result.defences.begin(), result.defences.end(), kPlainMean);
  const std::optional<LabNoise> noise = MeasureNoise(result);
  if (mean == result.defences.end() || !noise.has_value()) return "";
  const LabSummary plain =
      Summarize(result, 0, static_cast<size_t>(mean - result.defences.begin()));
  std::string best;
  double lead = 0.0;
  for (size_t defence = 0; defence < result.defences.size(); ++defence) {
    const LabSummary summary = Summarize(result, 0, defence);
    if (result.defences[defence] == kPlainMean || summary.runs == 0) continue;
    if (!best.empty() && summary.mean - plain.mean <= lead) continue;
    best = result.defences[defence];
    lead = summary.mean - plain.mean;
  }
  if (best.empty() || plain.runs == 0) return "";
  return absl::StrFormat(
      "Without attackers: mean %.3f; the best of the others is %s, %+.4f against it: %s.",
      plain.mean, best, lead,
      lead > noise->difference ? "more than two standard errors, which the best of several may be "
                                 "by chance"
      : lead > -noise->difference ? "within the noise"
                                  : "all cost accuracy");
}

Json CellJson(const LabResult& result, const LabCell& cell) {
  Json json;
  json["attack"] = result.attacks[cell.attack];
  json["defence"] = result.defences[cell.defence];
  json["seed"] = result.seeds[cell.seed];
  json["accuracy"] = cell.status.ok() ? Json(cell.accuracy()) : Json(nullptr);
  json["error"] = cell.status.ok() ? Json(nullptr) : Json(std::string(cell.status.message()));
  json["rounds"] = cell.rounds;
  json["accuracies"] = cell.accuracies;
  json["rounds_without_step"] = cell.rounds_without_step;
  json["wall_time_s"] = absl::ToDoubleSeconds(cell.time);
  return json;
}

Json SummaryJson(const LabResult& result, size_t attack, size_t defence) {
  const LabSummary summary = Summarize(result, attack, defence);
  const auto or_null = [](bool known, double value) { return known ? Json(value) : Json(nullptr); };
  return {{"attack", result.attacks[attack]},
          {"defence", result.defences[defence]},
          {"runs", summary.runs},
          {"mean", or_null(summary.runs > 0, summary.mean)},
          {"standard_deviation", or_null(summary.standard_deviation.has_value(),
                                         summary.standard_deviation.value_or(0.0))}};
}

std::string TableHtml(const LabResult& result) {
  std::string html = "<table>\n<thead><tr><th>attack</th>";
  for (const std::string& defence : result.defences) {
    absl::StrAppend(&html, "<th>", EscapedXml(defence), "</th>");
  }
  absl::StrAppend(&html, "</tr></thead>\n<tbody>\n");
  for (size_t attack = 0; attack < result.attacks.size(); ++attack) {
    absl::StrAppend(&html, "<tr><th>", EscapedXml(result.attacks[attack]), "</th>");
    for (size_t defence = 0; defence < result.defences.size(); ++defence) {
      absl::StrAppend(&html, "<td>", CellText(result, Summarize(result, attack, defence)), "</td>");
    }
    absl::StrAppend(&html, "</tr>\n");
  }
  return absl::StrCat(html, "</tbody>\n</table>\n");
}

}  // namespace

std::string LabTable(const LabResult& result) {
  // Column 0 holds the attacks' names.
  std::vector<std::vector<std::string>> lines(1 + result.attacks.size());
  lines[0].push_back("");
  for (const std::string& defence : result.defences) lines[0].push_back(defence);
  for (size_t attack = 0; attack < result.attacks.size(); ++attack) {
    lines[1 + attack].push_back(result.attacks[attack]);
    for (size_t defence = 0; defence < result.defences.size(); ++defence) {
      lines[1 + attack].push_back(CellText(result, Summarize(result, attack, defence)));
    }
  }
  std::string table;
  for (const std::vector<std::string>& line : lines) {
    for (size_t column = 0; column < line.size(); ++column) {
      size_t width = 0;
      for (const auto& other : lines) width = std::max(width, other[column].size());
      const bool is_last = column + 1 == line.size();
      absl::StrAppendFormat(&table, "%-*s%s", is_last ? 0 : width, line[column],
                            is_last ? "\n" : "  ");
    }
  }
  return table;
}

std::vector<std::string> LabNotes(const LabResult& result) {
  std::vector<std::string> notes = {
      absl::StrCat("Accuracy on the test data: mean of a run's last ", kLabEvaluations,
                   " evaluations; mean of ", result.seeds.size(),
                   result.seeds.size() > 1 ? " seeds, and their standard deviation." : " seed.")};
  notes.push_back(NoiseNote(result));
  const std::string without_attackers = WithoutAttackersNote(result);
  if (!without_attackers.empty()) notes.push_back(without_attackers);
  for (const auto& [reason, where] : Failures(result)) {
    notes.push_back(absl::StrCat(
        "Failed: ", where.front(),
        where.size() == 1 ? std::string() : absl::StrCat(" and ", where.size() - 1, " more"), ": ",
        reason));
  }
  return notes;
}

std::string LabJson(const LabResult& result) {
  Json json;
  json["attacks"] = result.attacks;
  json["defences"] = result.defences;
  json["seeds"] = result.seeds;
  const std::optional<LabNoise> noise = MeasureNoise(result);
  json["noise"] = nullptr;
  if (noise.has_value()) {
    json["noise"] = {{"standard_deviation", noise->standard_deviation},
                     {"degrees_of_freedom", noise->degrees_of_freedom},
                     {"difference", noise->difference}};
  }
  json["summaries"] = Json::array();
  for (size_t attack = 0; attack < result.attacks.size(); ++attack) {
    for (size_t defence = 0; defence < result.defences.size(); ++defence) {
      json["summaries"].push_back(SummaryJson(result, attack, defence));
    }
  }
  json["cells"] = Json::array();
  for (const LabCell& cell : result.cells) json["cells"].push_back(CellJson(result, cell));
  return json.dump(/*indent=*/1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) +
         "\n";
}

std::string LabSvg(const LabResult& result, const std::string& task_name) {
  HeatMap map = {.title = absl::StrCat("What accuracy is left: ", task_name),
                 .row_title = "attack",
                 .column_title = "defence",
                 .key_title = "accuracy",
                 .rows = result.attacks,
                 .columns = result.defences,
                 .notes = LabNotes(result)};
  for (size_t attack = 0; attack < result.attacks.size(); ++attack) {
    for (size_t defence = 0; defence < result.defences.size(); ++defence) {
      const LabSummary summary = Summarize(result, attack, defence);
      HeatMap::Cell& cell = map.cells.emplace_back();
      cell.tooltip = absl::StrCat(result.attacks[attack], " x ", result.defences[defence], ": ",
                                  CellText(result, summary));
      cell.text = std::string(kFailed);
      if (summary.runs == 0) continue;
      cell.value = summary.mean;
      cell.text = AccuracyText(summary.mean);
      cell.detail = SpreadText(result, summary);
      if (summary.runs == static_cast<int64_t>(result.seeds.size()) && !cell.detail.empty()) {
        cell.detail = absl::StrCat("± ", cell.detail);
      }
    }
  }
  return HeatMapSvg(map);
}

std::string LabHtml(const LabResult& result, const std::string& task_name) {
  std::string html =
      absl::StrCat(kHtmlHead, "<h1>Attack lab: ", EscapedXml(task_name), "</h1>\n<section>\n",
                   LabSvg(result, task_name), "</section>\n<section>\n", TableHtml(result),
                   "</section>\n<section>\n");
  for (const std::string& note : LabNotes(result)) {
    absl::StrAppend(&html, "<p>", EscapedXml(note), "</p>\n");
  }
  return absl::StrCat(html, "</section>\n</main>\n</body>\n</html>\n");
}

}  // namespace tern::simulation
