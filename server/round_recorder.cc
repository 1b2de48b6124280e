#include "server/round_recorder.h"

#include <algorithm>

#include "core/base/status_macros.h"

namespace tern::server {

RoundRecorder::RoundRecorder(Options options)
    : options_(std::move(options)),
      started_at_(options_.clock->Now()),
      pool_(options_.num_threads) {}

RoundRecorder::~RoundRecorder() { Stop().IgnoreError(); }

void RoundRecorder::OnRoundClosed(const RoundRecord& record) {
  ClosedRound closed{record, options_.clock->Now()};
  if (!IsDue(record.round)) {
    // What waits to be recorded must not hold a model that nobody will look at.
    auto name = std::make_shared<Model>();
    name->version = record.model->version;
    name->hash = record.model->hash;
    closed.record.model = std::move(name);
  }
  MutexLock lock(mutex_);
  queue_.push_back(std::move(closed));
  changed_.NotifyOne();
}

void RoundRecorder::Start(RunReport* report) {
  thread_ = std::thread([this, report] { Run(report); });
}

absl::Status RoundRecorder::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyOne();
  }
  if (thread_.joinable()) thread_.join();
  return status();
}

absl::Status RoundRecorder::status() const {
  MutexLock lock(mutex_);
  return status_;
}

void RoundRecorder::Run(RunReport* report) {
  while (true) {
    ClosedRound round;
    {
      MutexLock lock(mutex_);
      while (queue_.empty() && !stopping_) changed_.Wait(mutex_);
      if (queue_.empty()) return;
      round = std::move(queue_.front());
      queue_.pop_front();
    }
    absl::Status status = Record(round, *report);
    MutexLock lock(mutex_);
    status_.Update(status);
  }
}

absl::Status RoundRecorder::Record(const ClosedRound& round, RunReport& report) {
  const RoundRecord& record = round.record;
  total_round_time_ += record.duration;
  TERN_ASSIGN_OR_RETURN(const std::optional<Evaluation> evaluation, EvaluateIfDue(record));
  options_.print_line(RoundLine(record, evaluation, options_.num_rounds,
                                {.duration_s = absl::ToDoubleSeconds(record.duration)}));
  return report.AddRound(record, evaluation, absl::ToDoubleSeconds(round.closed_at - started_at_));
}

bool RoundRecorder::IsDue(uint64_t round) const {
  const auto number = static_cast<int64_t>(round);
  return options_.evaluate_every != 0 &&
         (number % options_.evaluate_every == 0 || number == options_.num_rounds);
}

absl::StatusOr<std::optional<Evaluation>> RoundRecorder::EvaluateIfDue(const RoundRecord& record) {
  if (!IsDue(record.round)) return std::nullopt;
  TERN_ASSIGN_OR_RETURN(
      const Evaluation evaluation,
      Evaluate(options_.model, record.model->parameters, *options_.test, pool_, options_.loss));
  return evaluation;
}

}  // namespace tern::server
