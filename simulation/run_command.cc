#include "simulation/run_command.h"

#include <unistd.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include "core/base/clock.h"
#include "core/base/status_macros.h"
#include "core/data/partition.h"
#include "core/data/sources.h"
#include "core/engine/kernel_target.h"
#include "server/config/load_config.h"
#include "server/report/html_report.h"
#include "server/run_report.h"
#include "simulation/lab_command.h"
#include "simulation/simulator.h"
#include "simulation/updates.h"

namespace tern::simulation {
namespace {

// "training 37/100" on one line of a terminal, wiped before anything else is printed.
class ProgressLine {
 public:
  void Show(int64_t accepted, int64_t wanted) {
    const absl::Duration now = clock_.Now();
    if (!is_terminal_ || now - shown_ < absl::Milliseconds(100)) return;
    shown_ = now;
    std::fprintf(stderr, "\r  training %ld/%ld", static_cast<long>(accepted),
                 static_cast<long>(wanted));
  }
  void Wipe() {
    if (is_terminal_) std::fprintf(stderr, "\r\033[K");
  }

 private:
  const bool is_terminal_ = isatty(STDERR_FILENO) != 0;
  const MonotonicClock clock_;
  absl::Duration shown_;
};

struct Totals {
  int64_t updates = 0;
  int64_t recorded_updates = 0;
  absl::Duration training_time;
};

absl::StatusOr<Totals> RunRounds(Simulator& simulator, int64_t num_rounds, ProgressLine& progress,
                                 server::RunReport& report) {
  const MonotonicClock clock;
  const absl::Duration started = clock.Now();
  Totals totals;
  while (!simulator.finished()) {
    absl::StatusOr<SimulatedRound> round = simulator.RunRound();
    progress.Wipe();
    TERN_RETURN_IF_ERROR(round.status());
    totals.updates += round->record.clients_completed;
    totals.training_time += round->training_time;
    TERN_RETURN_IF_ERROR(WriteRecordedUpdates(report.directory(), round->recorded_updates));
    totals.recorded_updates += static_cast<int64_t>(round->recorded_updates.size());
    TERN_RETURN_IF_ERROR(report.AddRound(round->record, round->evaluation,
                                         absl::ToDoubleSeconds(clock.Now() - started)));
    server::RoundTimes times{.duration_s = absl::ToDoubleSeconds(round->training_time)};
    if (!simulator.population().is_timeless()) times.virtual_time = round->record.closed_at;
    const std::string line = server::RoundLine(round->record, round->evaluation, num_rounds, times);
    std::printf("%s\n", line.c_str());
    if (!round->first_failure.empty()) std::printf("  %s\n", round->first_failure.c_str());
    std::fflush(stdout);
  }
  return totals;
}

struct Inputs {
  server::LoadedConfig config;
  std::unique_ptr<Dataset> train;
  std::unique_ptr<Dataset> test;  // null if nothing is evaluated
  Partition partition;
};

std::string OutOf(const RunCommand& command, const server::LoadedConfig& config) {
  return command.out.empty() ? server::DefaultRunDirectory(config.task.name) : command.out;
}

absl::StatusOr<Inputs> LoadInputs(const RunCommand& command) {
  Inputs inputs;
  TERN_ASSIGN_OR_RETURN(inputs.config, server::LoadConfig(command.config, command.overrides));
  const server::LoadedConfig& config = inputs.config;
  TERN_ASSIGN_OR_RETURN(inputs.train, LoadDataset(config.data, Split::kTrain));
  if (config.evaluate_every > 0) {
    TERN_ASSIGN_OR_RETURN(inputs.test, LoadDataset(config.data, Split::kTest));
  }
  TERN_ASSIGN_OR_RETURN(inputs.partition, MakePartition(*inputs.train, config.partition,
                                                        config.num_clients, config.seed));
  return inputs;
}

absl::StatusOr<std::unique_ptr<Simulator>> MakeSimulator(const RunCommand& command, Inputs& inputs,
                                                         ProgressLine& progress) {
  const server::LoadedConfig& config = inputs.config;
  return Simulator::Create(
      {.task = config.task,
       .population = config.population,
       .simulation = config.simulation,
       .num_threads = command.num_threads,
       .evaluate_every = config.evaluate_every,
       .record_updates = command.record_updates,
       .on_progress = [&progress](int64_t accepted,
                                  int64_t wanted) { progress.Show(accepted, wanted); }},
      inputs.train.get(), std::move(inputs.partition), inputs.test.get());
}

// `started`: before the inputs were loaded.
absl::Status RunOnce(const RunCommand& command, Inputs inputs, const Clock& clock,
                     absl::Duration started) {
  const server::LoadedConfig& config = inputs.config;
  ProgressLine progress;
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<Simulator> simulator,
                        MakeSimulator(command, inputs, progress));
  if (!config.task.train.personal.empty()) {
    std::printf(
        "note: accuracy is of the model that all share; its personal layers, which no client uses, "
        "are those that it began with\n");
  }
  const std::string out = OutOf(command, config);
  TERN_ASSIGN_OR_RETURN(
      const std::unique_ptr<server::RunReport> report,
      server::RunReport::Create(out, config.resolved_yaml,
                                {.virtual_time = !simulator->population().is_timeless()}));

  TERN_ASSIGN_OR_RETURN(const Totals totals,
                        RunRounds(*simulator, config.task.num_rounds, progress, *report));
  const double wall_time_s = absl::ToDoubleSeconds(clock.Now() - started);
  TERN_RETURN_IF_ERROR(report->Finish(
      {.wall_time_s = wall_time_s,
       .client_updates_per_second =
           static_cast<double>(totals.updates) / absl::ToDoubleSeconds(totals.training_time),
       .seed = config.seed,
       .kernel_target = std::string(KernelTarget()),
       .config_hash = config.config_hash,
       .version = TERN_VERSION},
      config.task.model, *simulator->model()));
  TERN_RETURN_IF_ERROR(simulator->population_report().Write(out + "/population.json", *inputs.train,
                                                            config.partition.ToString()));
  TERN_RETURN_IF_ERROR(server::WriteHtmlReport({out}, out + "/report.html"));
  std::printf("%s\n", report->SummaryText(wall_time_s).c_str());
  if (totals.recorded_updates > 0) {
    std::printf("%ld updates, before encoding: %s\n", static_cast<long>(totals.recorded_updates),
                RecordedUpdatesDirectory(out).c_str());
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Run(const RunCommand& command) {
  const MonotonicClock clock;
  const absl::Duration started = clock.Now();
  TERN_ASSIGN_OR_RETURN(Inputs inputs, LoadInputs(command));
  const server::LoadedConfig& config = inputs.config;
  if (config.lab.empty()) return RunOnce(command, std::move(inputs), clock, started);
  if (command.record_updates > 0) {
    return absl::InvalidArgumentError(
        "--record-updates is for a single run, simulation.lab makes many");
  }
  return RunLabInto(OutOf(command, config),
                    {.config = &config, .train = inputs.train.get(), .test = inputs.test.get()},
                    command.num_threads);
}

}  // namespace tern::simulation
