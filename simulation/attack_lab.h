// The attack lab: what accuracy each defence leaves under each attack, and without one. Every
// (attack, defence, seed) is one simulation, a cell.
#ifndef TERN_SIMULATION_ATTACK_LAB_H_
#define TERN_SIMULATION_ATTACK_LAB_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/data/dataset.h"
#include "server/config/load_config.h"

namespace tern::simulation {

// A cell's accuracy is the mean of its last evaluations, so many or as many as there are.
inline constexpr int64_t kLabEvaluations = 5;

struct LabCell {
  // Indices into LabResult.
  size_t attack = 0;
  size_t defence = 0;
  size_t seed = 0;
  // Why there is no accuracy, as when a rule refuses every round or no client can train any more.
  absl::Status status;
  std::vector<int64_t> rounds;     // that were evaluated
  std::vector<double> accuracies;  // as many
  int64_t rounds_without_step = 0;
  absl::Duration time;  // on the wall

  double accuracy() const;  // status is OK
};

struct LabResult {
  std::vector<std::string> attacks;  // the first is none
  std::vector<std::string> defences;
  std::vector<uint64_t> seeds;
  std::vector<LabCell> cells;  // in the order of seeds, attacks, defences; the last runs fastest
};

// All must outlive the run.
struct LabInputs {
  const server::LoadedConfig* config = nullptr;  // with a lab
  const Dataset* train = nullptr;
  const Dataset* test = nullptr;
};

// `num_threads` cells at a time, on which no accuracy depends. Each seed divides the data anew; all
// cells of a seed start from the same model and draw the same cohorts. `on_cell` is called after
// each, one call at a time, in any order; it may be empty. Errors as MakePartition; those of a cell
// are in it.
absl::StatusOr<LabResult> RunLab(const LabInputs& inputs, int num_threads,
                                 const std::function<void(const LabCell&)>& on_cell);

// Of the cells of one attack and one defence.
struct LabSummary {
  int64_t runs = 0;  // that ended well
  double mean = 0.0;
  std::optional<double> standard_deviation;  // with runs - 1; of two or more
};
LabSummary Summarize(const LabResult& result, size_t attack, size_t defence);

// How much accuracies differ by chance: measured without attackers, where all defences should do as
// well as the mean.
struct LabNoise {
  double standard_deviation = 0.0;  // between seeds of one defence, pooled over the defences
  int64_t degrees_of_freedom = 0;
  double difference = 0.0;  // two standard errors of the difference of two means over the seeds
};
// Nothing: no defence ended well with two seeds.
std::optional<LabNoise> MeasureNoise(const LabResult& result);

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_ATTACK_LAB_H_
