#include "server/run_report.h"

#include <sys/resource.h>

#include <algorithm>
#include <cmath>
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
std::string Dump(const Json& value) {
  return value.dump(/*indent=*/-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
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

Json SecondsOrNull(const std::optional<absl::Duration>& time) {
  return time.has_value() ? Json(absl::ToDoubleSeconds(*time)) : Json(nullptr);
}

Json RoundJson(const RoundRecord& record, const std::optional<Evaluation>& evaluation,
               const std::optional<absl::Duration>& virtual_time, double wall_time_s) {
  Json line;
  line["round"] = record.round;
  line["virtual_time_s"] = SecondsOrNull(virtual_time);
  line["wall_time_s"] = wall_time_s;
  line["clients_available"] = record.clients_available;
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
  line["update_bytes"] = record.update_bytes;
  line["energy_j"] = OrNull(record.energy_j);
  line["device_peak_memory_bytes"] = NullIfZero(record.device_peak_memory_bytes);
  line["model_hash"] = absl::BytesToHexString(record.model->hash);
  if (!record.changed_model) line["note"] = record.note;
  return line;
}

// Null without an evaluation.
Json PerClassJson(const std::optional<Evaluation>& evaluation) {
  if (!evaluation.has_value()) return nullptr;
  Json classes = Json::array();
  for (const ClassMetrics& metrics : evaluation->per_class) {
    classes.push_back({{"precision", metrics.precision},
                       {"recall", metrics.recall},
                       {"f1", metrics.f1},
                       {"support", metrics.support}});
  }
  return classes;
}

// One line per key: short enough to be read, also where a value is a matrix.
std::string DumpByKey(const Json& object) {
  std::vector<std::string> lines;
  for (const auto& [key, value] : object.items()) {
    lines.push_back(absl::StrCat("  ", Dump(key), ": ", Dump(value)));
  }
  return absl::StrCat("{\n", absl::StrJoin(lines, ",\n"), "\n}\n");
}

std::vector<Scalar> Scalars(const RoundRecord& record,
                            const std::optional<Evaluation>& evaluation) {
  std::vector<Scalar> scalars;
  if (evaluation.has_value()) {
    scalars.push_back({"eval/accuracy", evaluation->accuracy});
    scalars.push_back({"eval/loss", evaluation->loss});
  }
  if (record.clients_completed > 0) scalars.push_back({"train/loss", record.train_loss});
  scalars.push_back({"bytes/up", static_cast<double>(record.traffic.bytes_up)});
  scalars.push_back({"bytes/down", static_cast<double>(record.traffic.bytes_down)});
  if (record.energy_j.has_value()) scalars.push_back({"devices/energy_j", *record.energy_j});
  scalars.push_back({"devices/completed", static_cast<double>(record.clients_completed)});
  return scalars;
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
                                                             absl::string_view resolved_yaml,
                                                             RunReportOptions options) {
  TERN_RETURN_IF_ERROR(RefuseRun(directory));
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return absl::ErrnoToStatus(error.value(), directory);
  TERN_RETURN_IF_ERROR(WriteFileAtomically(directory + "/config.yaml", resolved_yaml));
  const std::string path = directory + "/metrics.jsonl";
  std::ofstream metrics(path, std::ios::binary);
  if (!metrics) return absl::UnavailableError(absl::StrCat(path, ": cannot be written"));
  TERN_ASSIGN_OR_RETURN(TensorBoardWriter events,
                        TensorBoardWriter::Create(directory, absl::Now()));
  return std::unique_ptr<RunReport>(
      new RunReport(directory, options, std::move(metrics), std::move(events)));
}

absl::Status RunReport::AddRound(const RoundRecord& record,
                                 const std::optional<Evaluation>& evaluation, double wall_time_s) {
  AddToTotals(record, evaluation);
  metrics_ << Dump(RoundJson(record, evaluation, virtual_time_, wall_time_s)) << '\n' << std::flush;
  if (!metrics_) {
    return absl::UnavailableError(absl::StrCat(directory_, "/metrics.jsonl: cannot be written"));
  }
  return events_.Add(static_cast<int64_t>(record.round), absl::Now(), Scalars(record, evaluation));
}

void RunReport::AddToTotals(const RoundRecord& record,
                            const std::optional<Evaluation>& evaluation) {
  ++rounds_;
  updates_ += record.clients_completed;
  if (evaluation.has_value()) {
    last_evaluation_ = evaluation;
    best_accuracy_ = std::max(best_accuracy_, evaluation->accuracy);
  }
  traffic_ += record.traffic;
  float_bytes_up_ += record.float_bytes_up;
  float_bytes_down_ += record.float_bytes_down;
  update_bytes_ += record.update_bytes;
  device_peak_memory_bytes_ = std::max(device_peak_memory_bytes_, record.device_peak_memory_bytes);
  if (record.energy_j.has_value()) energy_j_ = energy_j_.value_or(0.0) + *record.energy_j;
  if (options_.virtual_time) virtual_time_ = record.closed_at;
}

absl::Status RunReport::Finish(const RunOutcome& outcome, const ModelSpec& spec,
                               const Model& model) {
  TERN_RETURN_IF_ERROR(WriteModelFile(model_path(), {spec, model.version, model.parameters}));
  Json summary;
  summary["rounds"] = rounds_;
  const bool evaluated = last_evaluation_.has_value();
  summary["final_eval_accuracy"] = evaluated ? Json(last_evaluation_->accuracy) : Json(nullptr);
  summary["best_eval_accuracy"] = evaluated ? Json(best_accuracy_) : Json(nullptr);
  summary["total_bytes_up"] = traffic_.bytes_up;
  summary["total_bytes_down"] = traffic_.bytes_down;
  summary["float_bytes_up"] = float_bytes_up_;
  summary["float_bytes_down"] = float_bytes_down_;
  summary["update_bytes"] = update_bytes_;
  summary["total_energy_j"] = OrNull(energy_j_);
  summary["wall_time_s"] = outcome.wall_time_s;
  summary["virtual_time_s"] = SecondsOrNull(virtual_time_);
  summary["client_updates_per_second"] = OrNull(outcome.client_updates_per_second);
  summary["peak_rss_bytes"] = PeakRssBytes();
  summary["device_peak_memory_bytes"] = NullIfZero(device_peak_memory_bytes_);
  summary["model_hash"] = absl::BytesToHexString(model.hash);
  summary["seed"] = outcome.seed;
  summary["kernel_target"] = outcome.kernel_target;
  summary["config_hash"] = outcome.config_hash;
  summary["version"] = outcome.version;
  summary["eval_per_class"] = PerClassJson(last_evaluation_);
  summary["confusion_matrix"] =
      evaluated ? Json(last_evaluation_->confusion_matrix) : Json(nullptr);
  return WriteFileAtomically(directory_ + "/summary.json", DumpByKey(summary));
}

std::string RunReport::SummaryText(double wall_time_s) const {
  std::string accuracy = "not evaluated";
  if (last_evaluation_.has_value()) {
    accuracy =
        absl::StrFormat("accuracy %.4f (best %.4f)", last_evaluation_->accuracy, best_accuracy_);
  }
  std::string cost =
      absl::StrFormat("up %s, down %s (as 32-bit floats %s, %s)", FormatBytes(traffic_.bytes_up),
                      FormatBytes(traffic_.bytes_down), FormatBytes(float_bytes_up_),
                      FormatBytes(float_bytes_down_));
  if (energy_j_.has_value()) absl::StrAppend(&cost, ", ", FormatEnergy(*energy_j_));
  if (virtual_time_.has_value()) absl::StrAppend(&cost, ", t ", FormatElapsed(*virtual_time_));
  return absl::StrFormat("%d round%s, %d update%s in %.1f s: %s\n%s\nresults in %s", rounds_,
                         rounds_ == 1 ? "" : "s", updates_, updates_ == 1 ? "" : "s", wall_time_s,
                         accuracy, cost, directory_);
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
                      int64_t num_rounds, const RoundTimes& times) {
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
  absl::StrAppend(&line, ", up ", FormatBytes(record.traffic.bytes_up));
  if (record.energy_j.has_value()) absl::StrAppend(&line, ", ", FormatEnergy(*record.energy_j));
  if (times.virtual_time.has_value()) {
    absl::StrAppend(&line, ", t ", FormatElapsed(*times.virtual_time));
  }
  absl::StrAppendFormat(&line, ", %.2f s", times.duration_s);
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

std::string FormatEnergy(double joules) {
  if (joules >= 999.95) return absl::StrFormat("%.1f kJ", joules / 1e3);
  if (joules >= 0.99995 || joules == 0.0) return absl::StrFormat("%.1f J", joules);
  return absl::StrFormat("%.1f mJ", joules * 1e3);
}

std::string FormatElapsed(absl::Duration duration) {
  const double exact_s = absl::ToDoubleSeconds(duration);
  if (exact_s < 59.95) return absl::StrFormat("%.1f s", exact_s);
  const int64_t seconds = std::llround(exact_s);
  const int64_t minutes = (seconds + 30) / 60;
  const int64_t hours = (seconds + 1800) / 3600;
  if (seconds < 3600) return absl::StrFormat("%d min %02d s", seconds / 60, seconds % 60);
  if (minutes < 24 * 60) return absl::StrFormat("%d h %02d min", minutes / 60, minutes % 60);
  return absl::StrFormat("%d d %02d h", hours / 24, hours % 24);
}

}  // namespace tern::server
