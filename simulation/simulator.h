// A population of virtual devices in one process, around the coordinator and the sessions that are
// deployed, on a virtual clock. A dormant device is a few numbers; a worker thread lends it memory
// and an engine while it trains.
//
// Without a population in the configuration devices have no limits and no time passes: the members
// of a round are served in the order in which they were drawn.
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
#include "core/base/clock.h"
#include "core/base/thread_pool.h"
#include "core/data/dataset.h"
#include "core/data/partition.h"
#include "core/train/evaluator.h"
#include "server/coordinator.h"
#include "simulation/attacks/attack.h"
#include "simulation/device_loop.h"
#include "simulation/population.h"
#include "simulation/population_report.h"
#include "simulation/updates.h"

namespace tern::simulation {

struct SimulatedRound {
  // As the coordinator recorded it, with what only the simulator knows: why devices dropped out
  // ("late", "offline", "battery"), and their energy.
  server::RoundRecord record;
  std::optional<Evaluation> evaluation;
  std::string
      first_failure;  // "client 'client-3': ..." of some client that failed; empty: none did
  // Of the first Options::record_updates, those that were accepted in this round, in that order.
  std::vector<RecordedUpdate> recorded_updates;
  absl::Duration
      training_time;  // wall time of selection, training and aggregation, without evaluation
};

class Simulator final : private server::RoundObserver {
 public:
  struct Options {
    server::Task task;
    std::vector<server::DeviceGroupOptions> population;  // empty: devices without limits
    server::SimulationOptions simulation;
    int num_threads = 1;
    int64_t evaluate_every = 1;  // rounds; the last round is evaluated too; 0: never
    int64_t record_updates = 0;  // so many updates are kept as they were before they were encoded
    // Called while a round trains, from the caller's thread; may be empty.
    std::function<void(int64_t accepted, int64_t wanted)> on_progress;
  };

  // `train` and `test` must outlive the simulator; `test` is read only if evaluate_every > 0.
  // Client i is "client-<i>" and holds partition.client(i). Errors as ValidateTask,
  // Population::Create, Attack::Create and MakeRootUpdate; INVALID_ARGUMENT also for more clients
  // per round than there are; FAILED_PRECONDITION as RunRound, where that is plain beforehand.
  static absl::StatusOr<std::unique_ptr<Simulator>> Create(Options options, const Dataset* train,
                                                           Partition partition,
                                                           const Dataset* test);

  bool finished() const { return coordinator_->finished(); }

  // Runs the next round to its end. A client that fails is counted as it would be in a deployment.
  // FAILED_PRECONDITION: too few devices can take part for a round ever to open (says why, for each
  // class). ABORTED with a client's message if clients failed and not a single one succeeded.
  absl::StatusOr<SimulatedRound> RunRound();

  const Population& population() const { return population_; }
  // What became of each class until now.
  const PopulationReport& population_report() const { return report_; }
  std::shared_ptr<const server::Model> model() const { return coordinator_->model(); }
  server::Traffic total_traffic() const { return coordinator_->total_traffic(); }

 private:
  Simulator(Options options, Population population, const Dataset* train, Partition partition,
            const Dataset* test);

  absl::Status Start();
  void OnRoundClosed(const server::RoundRecord& record) override { closed_ = record; }
  // Handles events until a round has closed.
  absl::Status RunEvents();
  // FAILED_PRECONDITION, with the reasons, unless enough devices are left for a round to open.
  absl::Status CheckEnoughDevices(const std::vector<DeviceLoop::Refused>& refused) const;
  // Puts into the record what the coordinator cannot know.
  void AddDevicesView(const DeviceTally& tally, server::RoundRecord& record) const;

  const Options options_;
  const Population population_;
  const Dataset* train_;
  const Partition partition_;
  const Dataset* test_;
  SimulatedClock clock_;
  ThreadPool pool_;  // of evaluations
  PopulationReport report_;
  std::unique_ptr<const Attack> attack_;  // null: all are honest
  std::unique_ptr<server::Coordinator> coordinator_;
  std::unique_ptr<DeviceLoop> devices_;
  uint64_t woken_round_ = 0;
  int64_t accepted_ = 0;  // updates of the open round
  absl::Duration last_close_;
  std::optional<server::RoundRecord> closed_;
};

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_SIMULATOR_H_
