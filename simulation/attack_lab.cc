#include "simulation/attack_lab.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/base/mutex.h"
#include "core/base/status_macros.h"
#include "core/base/thread_pool.h"
#include "core/data/partition.h"
#include "simulation/simulator.h"

namespace tern::simulation {
namespace {

Simulator::Options OptionsOf(const server::LoadedConfig& config, const LabCell& cell) {
  Simulator::Options options = {.task = config.lab.defences[cell.defence].task,
                                .population = config.population,
                                .simulation = config.simulation,
                                .num_threads = 1,
                                .evaluate_every = config.evaluate_every};
  options.task.seed = config.lab.seeds[cell.seed];
  options.simulation.attack = config.lab.attacks[cell.attack].options;
  return options;
}

absl::Status RunRounds(Simulator& simulator, LabCell& cell) {
  int64_t num_rounds = 0;
  std::string note;
  while (!simulator.finished()) {
    TERN_ASSIGN_OR_RETURN(const SimulatedRound round, simulator.RunRound());
    ++num_rounds;
    if (!round.record.changed_model) {
      ++cell.rounds_without_step;
      note = round.record.note;
    }
    if (!round.evaluation.has_value()) continue;
    cell.rounds.push_back(static_cast<int64_t>(round.record.round));
    cell.accuracies.push_back(round.evaluation->accuracy);
  }
  if (cell.rounds_without_step < num_rounds) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("no round changed the model: ", note));
}

absl::Status RunCell(const LabInputs& inputs, Partition partition, LabCell& cell) {
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<Simulator> simulator,
                        Simulator::Create(OptionsOf(*inputs.config, cell), inputs.train,
                                          std::move(partition), inputs.test));
  return RunRounds(*simulator, cell);
}

LabResult EmptyResult(const server::LabOptions& lab) {
  LabResult result = {.seeds = lab.seeds};
  for (const auto& attack : lab.attacks) result.attacks.push_back(attack.name);
  for (const auto& defence : lab.defences) result.defences.push_back(defence.name);
  for (size_t seed = 0; seed < lab.seeds.size(); ++seed) {
    for (size_t attack = 0; attack < lab.attacks.size(); ++attack) {
      for (size_t defence = 0; defence < lab.defences.size(); ++defence) {
        result.cells.push_back({.attack = attack, .defence = defence, .seed = seed});
      }
    }
  }
  return result;
}

}  // namespace

double LabCell::accuracy() const {
  const auto count = std::min(kLabEvaluations, static_cast<int64_t>(accuracies.size()));
  return std::accumulate(accuracies.end() - count, accuracies.end(), 0.0) /
         static_cast<double>(count);
}

absl::StatusOr<LabResult> RunLab(const LabInputs& inputs, int num_threads,
                                 const std::function<void(const LabCell&)>& on_cell) {
  const server::LoadedConfig& config = *inputs.config;
  std::vector<Partition> partitions;
  for (const uint64_t seed : config.lab.seeds) {
    TERN_ASSIGN_OR_RETURN(Partition partition,
                          MakePartition(*inputs.train, config.partition, config.num_clients, seed));
    partitions.push_back(std::move(partition));
  }
  LabResult result = EmptyResult(config.lab);
  const auto num_cells = static_cast<int64_t>(result.cells.size());
  ThreadPool pool(std::clamp(num_threads, 1, static_cast<int>(num_cells)));
  const MonotonicClock clock;
  Mutex mutex;  // of on_cell
  pool.ParallelFor(num_cells, [&](int /*worker*/, int64_t index) {
    LabCell& cell = result.cells[static_cast<size_t>(index)];
    const absl::Duration started = clock.Now();
    cell.status = RunCell(inputs, partitions[cell.seed], cell);
    cell.time = clock.Now() - started;
    MutexLock lock(mutex);
    if (on_cell) on_cell(cell);
  });
  return result;
}

LabSummary Summarize(const LabResult& result, size_t attack, size_t defence) {
  std::vector<double> accuracies;
  for (const LabCell& cell : result.cells) {
    if (cell.attack == attack && cell.defence == defence && cell.status.ok()) {
      accuracies.push_back(cell.accuracy());
    }
  }
  LabSummary summary = {.runs = static_cast<int64_t>(accuracies.size())};
  if (accuracies.empty()) return summary;
  const auto runs = static_cast<double>(accuracies.size());
  summary.mean = std::accumulate(accuracies.begin(), accuracies.end(), 0.0) / runs;
  if (accuracies.size() < 2) return summary;
  double squares = 0.0;
  for (const double accuracy : accuracies) {
    squares += (accuracy - summary.mean) * (accuracy - summary.mean);
  }
  summary.standard_deviation = std::sqrt(squares / (runs - 1));
  return summary;
}

std::optional<LabNoise> MeasureNoise(const LabResult& result) {
  LabNoise noise;
  double squares = 0.0;
  for (size_t defence = 0; defence < result.defences.size(); ++defence) {
    const LabSummary summary = Summarize(result, /*attack=*/0, defence);
    if (!summary.standard_deviation.has_value()) continue;
    const int64_t freedom = summary.runs - 1;
    squares +=
        static_cast<double>(freedom) * *summary.standard_deviation * *summary.standard_deviation;
    noise.degrees_of_freedom += freedom;
  }
  if (noise.degrees_of_freedom == 0) return std::nullopt;
  noise.standard_deviation = std::sqrt(squares / static_cast<double>(noise.degrees_of_freedom));
  noise.difference =
      2 * noise.standard_deviation * std::sqrt(2.0 / static_cast<double>(result.seeds.size()));
  return noise;
}

}  // namespace tern::simulation
