// A population of virtual clients in one process, around the coordinator and the sessions that are
// deployed. A dormant client is a number and a span of example indices; a worker thread lends it
// memory and an engine while it trains.
//
// In this version all clients are alike and no time passes between the calls of a round: the first
// cohort_size members in the order of selection answer, so that results do not depend on threads
// even with over-selection.
#ifndef TERN_SIMULATION_SIMULATOR_H_
#define TERN_SIMULATION_SIMULATOR_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/session.h"
#include "core/base/clock.h"
#include "core/base/thread_pool.h"
#include "core/data/dataset.h"
#include "core/data/partition.h"
#include "core/train/engine_trainer.h"
#include "core/train/evaluator.h"
#include "server/coordinator.h"
#include "simulation/in_process_transport.h"

namespace tern::simulation {

struct SimulatedRound {
  server::RoundRecord record;
  std::optional<Evaluation> evaluation;
  std::string
      first_failure;  // "client 'client-3': ..." of some client that failed; empty: none did
  absl::Duration
      training_time;  // wall time of selection, training and aggregation, without evaluation
};

class Simulator final : private server::RoundObserver {
 public:
  struct Options {
    server::Task task;
    int num_threads = 1;
    int64_t evaluate_every = 1;  // rounds; the last round is evaluated too; 0: never
    // Called while a round trains, one call at a time, from any worker; may be empty.
    std::function<void(int64_t accepted, int64_t wanted)> on_progress;
  };

  // `train` and `test` must outlive the simulator; `test` is read only if evaluate_every > 0.
  // Client i is "client-<i>" and holds partition.client(i). INVALID_ARGUMENT: as ValidateTask, or
  // more clients per round than there are.
  static absl::StatusOr<std::unique_ptr<Simulator>> Create(Options options, const Dataset* train,
                                                           Partition partition,
                                                           const Dataset* test);

  bool finished() const { return coordinator_->finished(); }

  // Runs the next round to its end. A client that fails is counted as it would be in a deployment;
  // ABORTED with a client's message if not a single one succeeded.
  absl::StatusOr<SimulatedRound> RunRound();

  std::shared_ptr<const server::Model> model() const { return coordinator_->model(); }
  server::Traffic total_traffic() const { return coordinator_->total_traffic(); }

 private:
  // What a thread lends to the client it is working for.
  struct Worker {
    explicit Worker(server::Coordinator* coordinator) : transport(coordinator) {}
    InProcessTransport transport;
    EngineTrainer trainer;
    client::SessionBuffers buffers;
  };

  Simulator(Options options, const Dataset* train, Partition partition, const Dataset* test);

  void OnRoundClosed(const server::RoundRecord& record) override { closed_ = record; }
  // Every client checks in once and becomes known to the coordinator.
  absl::Status CheckInAll();
  // Lets the first members train; where one fails, the next that were selected take its place. The
  // first failure.
  absl::Status TrainCohort(const std::vector<std::string>& cohort);
  // Drives one client from check-in to the end of its lease. ABORTED if its update was not
  // accepted.
  absl::Status RunClient(Worker& worker, const std::string& client_id);
  client::Session MakeSession(Worker& worker, const std::string& client_id,
                              const DatasetView& examples);

  Options options_;
  const Dataset* train_;
  Partition partition_;
  const Dataset* test_;
  SimulatedClock clock_;
  ThreadPool pool_;
  std::unique_ptr<server::Coordinator> coordinator_;
  std::vector<std::unique_ptr<Worker>> workers_;
  bool checked_in_ = false;
  std::optional<server::RoundRecord> closed_;
};

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_SIMULATOR_H_
