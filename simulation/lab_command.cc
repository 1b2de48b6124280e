#include "simulation/lab_command.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/clock.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"
#include "server/run_report.h"
#include "simulation/lab_report.h"

namespace tern::simulation {
namespace {

absl::Status CreateDirectory(const std::string& directory) {
  for (const char* name : {"config.yaml", "attack_lab.json", "metrics.jsonl"}) {
    std::error_code unreadable;
    if (std::filesystem::exists(std::filesystem::path(directory) / name, unreadable)) {
      return absl::AlreadyExistsError(
          absl::StrCat(directory, ": holds results already (", name,
                       "); give another directory, or remove this one"));
    }
  }
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (!error) return absl::OkStatus();
  return absl::ErrnoToStatus(error.value(), directory);
}

// "[12/210] alie x krum(f=5), seed 1: accuracy 0.712, 8.2 s, about 12 min 05 s left".
std::string CellLine(const server::LabOptions& lab, const LabCell& cell, int64_t done,
                     int64_t num_cells, absl::Duration elapsed) {
  std::string line =
      absl::StrCat("[", done, "/", num_cells, "] ", lab.attacks[cell.attack].name, " x ",
                   lab.defences[cell.defence].name, ", seed ", lab.seeds[cell.seed], ": ");
  if (cell.status.ok()) {
    absl::StrAppendFormat(&line, "accuracy %.3f", cell.accuracy());
  } else {
    absl::StrAppend(&line, "failed: ", cell.status.message());
  }
  absl::StrAppend(&line, ", ", server::FormatElapsed(cell.time));
  if (done == num_cells) return line;
  const absl::Duration left =
      elapsed * (static_cast<double>(num_cells - done) / static_cast<double>(done));
  return absl::StrCat(line, ", about ", server::FormatElapsed(left), " left");
}

}  // namespace

absl::Status RunLabInto(const std::string& directory, const LabInputs& inputs, int num_threads) {
  const server::LoadedConfig& config = *inputs.config;
  const server::LabOptions& lab = config.lab;
  TERN_RETURN_IF_ERROR(CreateDirectory(directory));
  TERN_RETURN_IF_ERROR(WriteFileAtomically(directory + "/config.yaml", config.resolved_yaml));
  const MonotonicClock clock;
  const absl::Duration started = clock.Now();
  const auto num_cells =
      static_cast<int64_t>(lab.attacks.size() * lab.defences.size() * lab.seeds.size());
  int64_t done = 0;
  TERN_ASSIGN_OR_RETURN(
      const LabResult result, RunLab(inputs, num_threads, [&](const LabCell& cell) {
        ++done;
        std::printf("%s\n", CellLine(lab, cell, done, num_cells, clock.Now() - started).c_str());
        std::fflush(stdout);
      }));
  if (std::none_of(result.cells.begin(), result.cells.end(),
                   [](const LabCell& cell) { return cell.status.ok(); })) {
    return {result.cells.front().status.code(),
            absl::StrCat("every run of the lab failed, the first one: ",
                         result.cells.front().status.message())};
  }
  const std::string& name = config.task.name;
  TERN_RETURN_IF_ERROR(WriteFileAtomically(directory + "/attack_lab.json", LabJson(result)));
  TERN_RETURN_IF_ERROR(WriteFileAtomically(directory + "/attack_lab.svg", LabSvg(result, name)));
  TERN_RETURN_IF_ERROR(WriteFileAtomically(directory + "/report.html", LabHtml(result, name)));
  std::printf("\n%s\n", LabTable(result).c_str());
  for (const std::string& note : LabNotes(result)) std::printf("%s\n", note.c_str());
  std::printf("%s: attack_lab.json, attack_lab.svg, report.html\n", directory.c_str());
  return absl::OkStatus();
}

}  // namespace tern::simulation
