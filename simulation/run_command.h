// `tern-sim run`: a configuration file in, a run directory out.
#ifndef TERN_SIMULATION_RUN_COMMAND_H_
#define TERN_SIMULATION_RUN_COMMAND_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace tern::simulation {

struct RunCommand {
  std::string config;
  std::vector<std::string> overrides;  // "a.b.c=value"
  std::string out;                     // empty: runs/NAME-TIME
  int num_threads = 1;
  int64_t record_updates = 0;  // as Simulator::Options; WriteRecordedUpdates says where they are
};

// With a lab in the configuration as RunLabInto; else one run:
//
// Prints a line per round to standard output, and progress within a round to standard error if that
// is a terminal. Errors as LoadConfig, LoadDataset, Simulator and RunReport; nothing was trained if
// one of the first two.
absl::Status Run(const RunCommand& command);

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_RUN_COMMAND_H_
