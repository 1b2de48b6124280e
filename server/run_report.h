// The directory of a run: config.yaml, metrics.jsonl with one object per round, the same rounds for
// TensorBoard, and at the end summary.json and model.tern. The coordinator and the simulator write
// the same one. A value that is not known is null, never invented.
#ifndef TERN_SERVER_RUN_REPORT_H_
#define TERN_SERVER_RUN_REPORT_H_

#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "core/model/model_spec.h"
#include "core/train/evaluator.h"
#include "server/round_record.h"
#include "server/tensorboard.h"

namespace tern::server {

// What only the caller of Finish knows.
struct RunOutcome {
  double wall_time_s = 0.0;
  // Of training and aggregation, without evaluation.
  std::optional<double> client_updates_per_second;
  uint64_t seed = 0;
  std::string kernel_target;  // KernelTarget()
  std::string config_hash;
  std::string version;  // TERN_VERSION
};

struct RunReportOptions {
  // The clock of the rounds is a simulated one that began at zero: its time is worth telling.
  bool virtual_time = false;
};

// One thread at a time.
class RunReport {
 public:
  // Makes `directory` and writes its config.yaml. ALREADY_EXISTS: it holds a run. Otherwise as the
  // system's; the message begins with the path.
  static absl::StatusOr<std::unique_ptr<RunReport>> Create(const std::string& directory,
                                                           absl::string_view resolved_yaml,
                                                           RunReportOptions options = {});

  // Appends the round to metrics.jsonl and the events for TensorBoard. `evaluation`: of the model
  // after the round, if it was evaluated; `wall_time_s`: since the run began. UNAVAILABLE: cannot
  // be written.
  absl::Status AddRound(const RoundRecord& record, const std::optional<Evaluation>& evaluation,
                        double wall_time_s);

  // Writes summary.json and model.tern with `model`, the last one. Errors as the system's.
  absl::Status Finish(const RunOutcome& outcome, const ModelSpec& spec, const Model& model);

  // The run as people read it, two or three lines: accuracy, bytes, energy and virtual time where
  // they are known, where the results are.
  std::string SummaryText(double wall_time_s) const;

  const std::string& directory() const { return directory_; }
  std::string model_path() const { return directory_ + "/model.tern"; }
  int64_t rounds() const { return rounds_; }
  int64_t updates() const { return updates_; }

 private:
  RunReport(std::string directory, RunReportOptions options, std::ofstream metrics,
            TensorBoardWriter events)
      : directory_(std::move(directory)),
        options_(options),
        metrics_(std::move(metrics)),
        events_(std::move(events)) {}

  void AddToTotals(const RoundRecord& record, const std::optional<Evaluation>& evaluation);

  const std::string directory_;
  const RunReportOptions options_;
  std::ofstream metrics_;
  TensorBoardWriter events_;
  int64_t rounds_ = 0;
  int64_t updates_ = 0;
  std::optional<Evaluation> last_evaluation_;
  double best_accuracy_ = 0.0;  // if there was an evaluation
  Traffic traffic_;
  int64_t float_bytes_up_ = 0;
  int64_t float_bytes_down_ = 0;
  int64_t update_bytes_ = 0;
  int64_t device_peak_memory_bytes_ = 0;  // 0: no device said
  std::optional<double> energy_j_;        // of the rounds that know theirs
  std::optional<absl::Duration> virtual_time_;
};

// "runs/quickstart-20240131-142501": where a run's results go by default, in local time.
std::string DefaultRunDirectory(absl::string_view task_name);

struct RoundTimes {
  double duration_s = 0.0;                     // on the wall
  std::optional<absl::Duration> virtual_time;  // when it closed
};

// "[round 3/20] selected 100 of 1000, completed 97 (2 late, 1 failed), accuracy 0.812, up 1.2 MB,
// 3.4 J, t 1 h 03 min, 0.84 s".
std::string RoundLine(const RoundRecord& record, const std::optional<Evaluation>& evaluation,
                      int64_t num_rounds, const RoundTimes& times);

// "999 B", "1.2 kB", "3.4 MB", "5.6 GB": powers of 1000.
std::string FormatBytes(int64_t bytes);

// "3.4 J", "1.2 kJ", "5.6 mJ".
std::string FormatEnergy(double joules);

// "0.8 s", "59.9 s", "4 min 05 s", "1 h 03 min", "2 d 05 h".
std::string FormatElapsed(absl::Duration duration);

}  // namespace tern::server

#endif  // TERN_SERVER_RUN_REPORT_H_
