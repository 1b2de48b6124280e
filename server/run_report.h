// The directory of a run: config.yaml, metrics.jsonl with one object per round, and at the end
// summary.json and model.tern. The coordinator and the simulator write the same one. A value that
// is not known is null, never invented.
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
#include "core/model/model_spec.h"
#include "core/train/evaluator.h"
#include "server/round_record.h"

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

// One thread at a time.
class RunReport {
 public:
  // Makes `directory` and writes its config.yaml. ALREADY_EXISTS: it holds a run. Otherwise as the
  // system's; the message begins with the path.
  static absl::StatusOr<std::unique_ptr<RunReport>> Create(const std::string& directory,
                                                           absl::string_view resolved_yaml);

  // Appends the round to metrics.jsonl. `evaluation`: of the model after the round, if it was
  // evaluated; `wall_time_s`: since the run began. UNAVAILABLE: cannot be written.
  absl::Status AddRound(const RoundRecord& record, const std::optional<Evaluation>& evaluation,
                        double wall_time_s);

  // Writes summary.json and model.tern with `model`, the last one. Errors as the system's.
  absl::Status Finish(const RunOutcome& outcome, const ModelSpec& spec, const Model& model);

  // The run as people read it, two or three lines: accuracy, bytes, where the results are.
  std::string SummaryText(double wall_time_s) const;

  const std::string& directory() const { return directory_; }
  std::string model_path() const { return directory_ + "/model.tern"; }
  int64_t rounds() const { return rounds_; }
  int64_t updates() const { return updates_; }

 private:
  RunReport(std::string directory, std::ofstream metrics)
      : directory_(std::move(directory)), metrics_(std::move(metrics)) {}

  const std::string directory_;
  std::ofstream metrics_;
  int64_t rounds_ = 0;
  int64_t updates_ = 0;
  std::optional<double> final_accuracy_;
  std::optional<double> best_accuracy_;
  Traffic traffic_;
  int64_t float_bytes_up_ = 0;
  int64_t float_bytes_down_ = 0;
  int64_t device_peak_memory_bytes_ = 0;  // 0: no device said
};

// "runs/quickstart-20240131-142501": where a run's results go by default, in local time.
std::string DefaultRunDirectory(absl::string_view task_name);

// "[round 3/20] selected 100 of 1000, completed 97 (2 late, 1 failed), accuracy 0.812, up 1.2 MB,
// 0.84 s". `duration_s`: of the round.
std::string RoundLine(const RoundRecord& record, const std::optional<Evaluation>& evaluation,
                      int64_t num_rounds, double duration_s);

// "999 B", "1.2 kB", "3.4 MB", "5.6 GB": powers of 1000.
std::string FormatBytes(int64_t bytes);

}  // namespace tern::server

#endif  // TERN_SERVER_RUN_REPORT_H_
