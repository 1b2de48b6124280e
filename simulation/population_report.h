// What a run looked like from the devices: class by class, with their plans.
#ifndef TERN_SIMULATION_POPULATION_REPORT_H_
#define TERN_SIMULATION_POPULATION_REPORT_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/data/dataset.h"
#include "core/data/partition.h"
#include "server/planner.h"
#include "server/round_record.h"
#include "simulation/device_loop.h"
#include "simulation/population.h"

namespace tern::simulation {

struct ClassReport {
  std::string name;
  int64_t num_devices = 0;
  int64_t num_refused = 0;
  std::string refusal;      // why the first refused one was, or why any would be; else empty
  int64_t ram_bytes = 0;    // 0: no limit
  server::PlanChoice plan;  // of a device with as many examples as the median one
  bool has_plan = false;
  int64_t predicted_peak_bytes = 0;  // largest of its plans
  int64_t measured_peak_bytes = 0;   // largest of its updates
  int64_t peak_mismatches = 0;       // updates whose measured peak is not the predicted one
  int64_t selected = 0;
  int64_t completed = 0;
  std::map<std::string, int64_t> dropped;  // by reason
  double energy_j = 0.0;
  server::Traffic traffic;  // of models and updates
};

// One thread at a time.
class PopulationReport {
 public:
  // `task` as ValidateTask accepted it. What the pointers name must outlive the report.
  static absl::StatusOr<PopulationReport> Create(const server::Task& task,
                                                 const Population* population,
                                                 const Partition* partition);

  // `record` with the devices' view of it.
  void AddRound(const server::RoundRecord& record, const DeviceTally& tally,
                const std::vector<DeviceLoop::Refused>& refused);

  const std::vector<ClassReport>& classes() const { return classes_; }

  // Writes population.json. `partition_kind`: as PartitionOptions::ToString. Errors as the
  // system's.
  absl::Status Write(const std::string& path, const Dataset& dataset,
                     const std::string& partition_kind) const;

 private:
  const Population* population_ = nullptr;
  const Partition* partition_ = nullptr;
  std::vector<ClassReport> classes_;
};

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_POPULATION_REPORT_H_
