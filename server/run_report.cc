#include "server/run_report.h"

#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"
#include "core/wire/model_file.h"

namespace tern::server {
namespace {

using Json = nlohmann::ordered_json;

template <typename T>
Json OrNull(const std::optional<T>& value) {
  return value.has_value() ? Json(*value) : Json(nullptr);
}

// Devices report 0 for what they did not measure.
Json NullIfZero(int64_t value) { return value == 0 ? Json(nullptr) : Json(value); }

// The text of `value`; text that is not UTF-8 loses the bytes that are not.
std::string Dump(const Json& value, int indent) {
  return value.dump(indent, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

int64_t PeakRssBytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{1024} * usage.ru_maxrss;
}

void AddEvaluation(const std::optional<Evaluation>& evaluation, Json& line) {
  const Evaluation value = evaluation.value_or(Evaluation{});
  const auto set = [&](const char* key, double number) {
    line[key] = evaluation.has_value() ? Json(number) : Json(nullptr);
  };
  set("eval_loss", value.loss);
  set("eval_accuracy", value.accuracy);
  set("eval_precision_macro", value.precision_macro);
  set("eval_recall_macro", value.recall_macro);
  set("eval_f1_macro", value.f1_macro);
}

Json RoundJson(const RoundRecord& record, const std::optional<Evaluation>& evaluation,
               double wall_time_s) {
  Json line;
  line["round"] = record.round;
  line["virtual_time_s"] = nullptr;
  line["wall_time_s"] = wall_time_s;
  line["clients_selected"] = record.clients_selected;
  line["clients_completed"] = record.clients_completed;
  line["clients_dropped"] = Json(record.clients_dropped);
  line["updates_rejected"] = record.updates_rejected;
  line["train_loss"] = record.clients_completed > 0 ? Json(record.train_loss) : Json(nullptr);
  AddEvaluation(evaluation, line);
  line["bytes_up"] = record.traffic.bytes_up;
  line["bytes_down"] = record.traffic.bytes_down;
  line["bytes_retransmitted"] = record.traffic.bytes_retransmitted;
  line["float_bytes_up"] = record.float_bytes_up;
  line["float_bytes_down"] = record.float_bytes_down;
  line["energy_j"] = nullptr;
  line["device_peak_memory_bytes"] = NullIfZero(record.device_peak_memory_bytes);
  line["model_hash"] = absl::BytesToHexString(record.model->hash);
  if (!record.changed_model) line["note"] = record.note;
  return line;
}

// A directory may hold other things, but nothing that a run would overwrite.
absl::Status RefuseRun(const std::string& directory) {
  for (const char* name : {"config.yaml", "metrics.jsonl", "summary.json", "model.tern"}) {
    std::error_code unreadable;
    if (std::filesystem::exists(std::filesystem::path(directory) / name, unreadable)) {
      return absl::AlreadyExistsError(
          absl::StrCat(directory, ": holds a run already (", name,
                       "); give another directory, or remove this one"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<RunReport>> RunReport::Create(const std::string& directory,
                                                             absl::string_view resolved_yaml) {
  TERN_RETURN_IF_ERROR(RefuseRun(directory));
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return absl::ErrnoToStatus(error.value(), directory);
  TERN_RETURN_IF_ERROR(WriteFileAtomically(directory + "/config.yaml", resolved_yaml));
  const std::string path = directory + "/metrics.jsonl";
  std::ofstream metrics(path, std::ios::binary);
  if (!metrics) return absl::UnavailableError(absl::StrCat(path, ": cannot be written"));
  return std::unique_ptr<RunReport>(new RunReport(directory, std::move(metrics)));
}

absl::Status RunReport::AddRound(const RoundRecord& record,
                                 const std::optional<Evaluation>& evaluation, double wall_time_s) {
  ++rounds_;
  updates_ += record.clients_completed;
  if (evaluation.has_value()) {
    final_accuracy_ = evaluation->accuracy;
    best_accuracy_ = std::max(best_accuracy_.value_or(0.0), evaluation->accuracy);
  }
  traffic_.bytes_up += record.traffic.bytes_up;
  traffic_.bytes_down += record.traffic.bytes_down;
  traffic_.bytes_retransmitted += record.traffic.bytes_retransmitted;
  float_bytes_up_ += record.float_bytes_up;
  float_bytes_down_ += record.float_bytes_down;
  device_peak_memory_bytes_ = std::max(device_peak_memory_bytes_, record.device_peak_memory_bytes);

  metrics_ << Dump(RoundJson(record, evaluation, wall_time_s), -1) << '\n' << std::flush;
  if (metrics_) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(directory_, "/metrics.jsonl: cannot be written"));
}

absl::Status RunReport::Finish(const RunOutcome& outcome, const ModelSpec& spec,
                               const Model& model) {
  TERN_RETURN_IF_ERROR(WriteModelFile(model_path(), {spec, model.version, model.parameters}));
  Json summary;
  summary["rounds"] = rounds_;
  summary["final_eval_accuracy"] = OrNull(final_accuracy_);
  summary["best_eval_accuracy"] = OrNull(best_accuracy_);
  summary["total_bytes_up"] = traffic_.bytes_up;
  summary["total_bytes_down"] = traffic_.bytes_down;
  summary["float_bytes_up"] = float_bytes_up_;
  summary["float_bytes_down"] = float_bytes_down_;
  summary["total_energy_j"] = nullptr;
  summary["wall_time_s"] = outcome.wall_time_s;
  summary["virtual_time_s"] = nullptr;
  summary["client_updates_per_second"] = OrNull(outcome.client_updates_per_second);
  summary["peak_rss_bytes"] = PeakRssBytes();
  summary["device_peak_memory_bytes"] = NullIfZero(device_peak_memory_bytes_);
  summary["model_hash"] = absl::BytesToHexString(model.hash);
  summary["seed"] = outcome.seed;
  summary["kernel_target"] = outcome.kernel_target;
  summary["config_hash"] = outcome.config_hash;
  summary["version"] = outcome.version;
  return WriteFileAtomically(directory_ + "/summary.json", Dump(summary, 2) + "\n");
}

std::string RunReport::SummaryText(double wall_time_s) const {
  std::string accuracy = "not evaluated";
  if (final_accuracy_.has_value()) {
    accuracy = absl::StrFormat("accuracy %.4f (best %.4f)", *final_accuracy_, *best_accuracy_);
  }
  return absl::StrFormat(
      "%d round%s, %d update%s in %.1f s: %s\n"
      "up %s, down %s (as 32-bit floats %s, %s)\n"
      "results in %s",
      rounds_, rounds_ == 1 ? "" : "s", updates_, updates_ == 1 ? "" : "s", wall_time_s, accuracy,
      FormatBytes(traffic_.bytes_up), FormatBytes(traffic_.bytes_down),
      FormatBytes(float_bytes_up_), FormatBytes(float_bytes_down_), directory_);
}

std::string DefaultRunDirectory(absl::string_view task_name) {
  // A task's name may hold anything, a directory's should not.
  std::string name(task_name);
  std::replace_if(
      name.begin(), name.end(),
      [](char c) { return !absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '-'; }, '_');
  return absl::StrCat("runs/", name, "-",
                      absl::FormatTime("%Y%m%d-%H%M%S", absl::Now(), absl::LocalTimeZone()));
}

std::string RoundLine(const RoundRecord& record, const std::optional<Evaluation>& evaluation,
                      int64_t num_rounds, double duration_s) {
  std::vector<std::string> dropped;
  for (const auto& [reason, count] : record.clients_dropped) {
    if (count > 0) {
      dropped.push_back(absl::StrCat(count, " ", absl::StrReplaceAll(reason, {{"_", " "}})));
    }
  }
  std::string line =
      absl::StrFormat("[round %d/%d] selected %d of %d, completed %d", record.round, num_rounds,
                      record.clients_selected, record.clients_available, record.clients_completed);
  if (!dropped.empty()) absl::StrAppend(&line, " (", absl::StrJoin(dropped, ", "), ")");
  if (record.updates_rejected > 0) {
    absl::StrAppend(&line, ", rejected ", record.updates_rejected);
  }
  if (evaluation.has_value()) absl::StrAppendFormat(&line, ", accuracy %.3f", evaluation->accuracy);
  absl::StrAppendFormat(&line, ", up %s, %.2f s", FormatBytes(record.traffic.bytes_up), duration_s);
  if (!record.changed_model) absl::StrAppend(&line, "; model unchanged: ", record.note);
  return line;
}

std::string FormatBytes(int64_t bytes) {
  if (bytes < 1000) return absl::StrCat(bytes, " B");
  const char* const units[] = {"kB", "MB", "GB"};
  double value = static_cast<double>(bytes) / 1e3;
  size_t unit = 0;
  // 999,950 B would print as 1000.0 kB.
  while (value >= 999.95 && unit + 1 < std::size(units)) {
    value /= 1e3;
    ++unit;
  }
  return absl::StrFormat("%.1f %s", value, units[unit]);
}

}  // namespace tern::server
