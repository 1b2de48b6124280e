#include "simulation/simulator.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/base/mutex.h"
#include "core/base/status_macros.h"

namespace tern::simulation {
namespace {

constexpr char kClientIdPrefix[] = "client-";

std::string ClientId(int64_t index) { return absl::StrCat(kClientIdPrefix, index); }

int64_t ClientIndex(absl::string_view client_id) {
  int64_t index = 0;
  (void)absl::SimpleAtoi(absl::StripPrefix(client_id, kClientIdPrefix), &index);
  return index;
}

// The first error of many threads.
class FirstError {
 public:
  void Update(const absl::Status& status) {
    if (status.ok()) return;
    MutexLock lock(mutex_);
    first_.Update(status);
  }
  absl::Status status() {
    MutexLock lock(mutex_);
    return first_;
  }

 private:
  Mutex mutex_;
  absl::Status first_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<std::unique_ptr<Simulator>> Simulator::Create(Options options, const Dataset* train,
                                                             Partition partition,
                                                             const Dataset* test) {
  server::Task& task = options.task;
  const int64_t num_clients = partition.num_clients();
  if (task.MaxSelected() > num_clients) {
    return absl::InvalidArgumentError(absl::StrCat(
        "task.round selects ", task.MaxSelected(), " clients, the data is divided among ",
        num_clients, "; lower round.cohort_size or raise data.partition.num_clients"));
  }
  // All virtual clients are there from the start; a round that opened before all had checked in
  // would depend on order.
  task.round.min_available = num_clients;
  std::unique_ptr<Simulator> simulator(
      new Simulator(std::move(options), train, std::move(partition), test));
  TERN_ASSIGN_OR_RETURN(
      simulator->coordinator_,
      server::Coordinator::Create(simulator->options_.task,
                                  {.clock = &simulator->clock_, .observer = simulator.get()}));
  for (int i = 0; i < simulator->pool_.num_threads(); ++i) {
    simulator->workers_.push_back(std::make_unique<Worker>(simulator->coordinator_.get()));
  }
  return simulator;
}

Simulator::Simulator(Options options, const Dataset* train, Partition partition,
                     const Dataset* test)
    : options_(std::move(options)),
      train_(train),
      partition_(std::move(partition)),
      test_(test),
      pool_(options_.num_threads) {}

absl::StatusOr<SimulatedRound> Simulator::RunRound() {
  const MonotonicClock wall;
  const absl::Duration started = wall.Now();
  if (!checked_in_) TERN_RETURN_IF_ERROR(CheckInAll());
  checked_in_ = true;
  closed_.reset();
  const absl::Status failure = TrainCohort(coordinator_->cohort());
  if (!closed_.has_value()) {
    // Too many of the cohort failed; the deadline passes, and those who let it pass check in again.
    clock_.Advance(options_.task.round.deadline);
    coordinator_->Tick();
    TERN_RETURN_IF_ERROR(CheckInAll());
  }
  if (closed_->clients_completed == 0) return failure;
  SimulatedRound result{.record = *std::move(closed_),
                        .first_failure = std::string(failure.message()),
                        .training_time = wall.Now() - started};
  const auto round = static_cast<int64_t>(result.record.round);
  if (options_.evaluate_every > 0 && (round % options_.evaluate_every == 0 || finished())) {
    TERN_ASSIGN_OR_RETURN(
        result.evaluation,
        Evaluate(options_.task.model, result.record.model->parameters, *test_, pool_));
  }
  return result;
}

absl::Status Simulator::TrainCohort(const std::vector<std::string>& cohort) {
  FirstError error;
  Mutex mutex;
  const int64_t wanted = options_.task.round.cohort_size;
  int64_t accepted = 0;
  size_t next = 0;
  while (accepted < wanted && next < cohort.size()) {
    const auto batch = std::min(wanted - accepted, static_cast<int64_t>(cohort.size() - next));
    pool_.ParallelFor(batch, [&](int worker, int64_t i) {
      const absl::Status status =
          RunClient(*workers_[static_cast<size_t>(worker)], cohort[next + static_cast<size_t>(i)]);
      error.Update(status);
      MutexLock lock(mutex);
      if (status.ok()) ++accepted;
      if (options_.on_progress) options_.on_progress(accepted, wanted);
    });
    next += static_cast<size_t>(batch);
  }
  return error.status();
}

absl::Status Simulator::CheckInAll() {
  FirstError error;
  pool_.ParallelFor(partition_.num_clients(), [&](int worker, int64_t i) {
    const DatasetView examples(train_, partition_.client(i));
    client::Session session =
        MakeSession(*workers_[static_cast<size_t>(worker)], ClientId(i), examples);
    const client::Session::Progress progress = session.Step();
    if (progress.next == client::Session::State::kRefused) {
      error.Update(absl::FailedPreconditionError(
          absl::StrCat("client '", ClientId(i), "': ", progress.message)));
    }
  });
  return error.status();
}

absl::Status Simulator::RunClient(Worker& worker, const std::string& client_id) {
  using State = client::Session::State;
  const DatasetView examples(train_, partition_.client(ClientIndex(client_id)));
  client::Session session = MakeSession(worker, client_id, examples);
  client::Session::Progress progress = session.Step();
  while (progress.next == State::kFetch || progress.next == State::kTrain ||
         progress.next == State::kSubmit) {
    progress = session.Step();
  }
  if (session.updates_accepted() == 1) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("client '", client_id, "': ", progress.message));
}

client::Session Simulator::MakeSession(Worker& worker, const std::string& client_id,
                                       const DatasetView& examples) {
  return client::Session(
      {.client_id = client_id, .give_up_after = absl::ZeroDuration(), .verify_model_hash = false},
      {.transport = &worker.transport,
       .trainer = &worker.trainer,
       .dataset = &examples,
       .clock = &clock_,
       .buffers = &worker.buffers});
}

}  // namespace tern::simulation
