// Takes the rounds that the coordinator closes, evaluates their models, writes the run report and
// prints a line for each; in a thread of its own, in order, so that rounds do not wait for it.
#ifndef TERN_SERVER_ROUND_RECORDER_H_
#define TERN_SERVER_ROUND_RECORDER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/base/clock.h"
#include "core/base/mutex.h"
#include "core/base/thread_pool.h"
#include "core/data/dataset.h"
#include "core/engine/loss.h"
#include "core/model/model_spec.h"
#include "server/round_record.h"
#include "server/run_report.h"

namespace tern::server {

// Call order: OnRoundClosed* with Start once at any time between, then Stop once or more. Start and
// Stop: from one thread.
class RoundRecorder final : public RoundObserver {
 public:
  struct Options {
    ModelSpec model;
    LossOptions loss;  // of evaluations
    int64_t num_rounds = 0;
    int64_t evaluate_every = 0;     // rounds; the last round is evaluated too; 0: never
    const Dataset* test = nullptr;  // may be null if evaluate_every is 0
    int num_threads = 1;            // of an evaluation
    const Clock* clock = nullptr;
    std::function<void(const std::string&)> print_line;  // called from the recorder's thread
  };
  // What the options point to must outlive the recorder.
  explicit RoundRecorder(Options options);
  // Stops.
  ~RoundRecorder() override;

  void OnRoundClosed(const RoundRecord& record) override;

  // `report` must outlive the recorder's thread, and belongs to it until Stop has returned.
  void Start(RunReport* report);

  // Returns when every round that was closed before is recorded. The first error of any.
  absl::Status Stop();

  // The first error so far.
  absl::Status status() const;

  // Of the rounds that were recorded, each from opening to closing. After Stop.
  absl::Duration total_round_time() const { return total_round_time_; }

 private:
  struct ClosedRound {
    RoundRecord record;
    absl::Duration closed_at;
  };

  void Run(RunReport* report);
  absl::Status Record(const ClosedRound& round, RunReport& report);
  bool IsDue(uint64_t round) const;
  absl::StatusOr<std::optional<Evaluation>> EvaluateIfDue(const RoundRecord& record);

  const Options options_;
  const absl::Duration started_at_;
  ThreadPool pool_;
  absl::Duration total_round_time_ = absl::ZeroDuration();  // the thread's until it is joined
  std::thread thread_;

  mutable Mutex mutex_;
  CondVar changed_;
  std::deque<ClosedRound> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tern::server

#endif  // TERN_SERVER_ROUND_RECORDER_H_
