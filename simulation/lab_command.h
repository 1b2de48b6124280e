// `tern-sim run` of a configuration with a lab: a directory with what each defence leaves under
// each attack.
#ifndef TERN_SIMULATION_LAB_COMMAND_H_
#define TERN_SIMULATION_LAB_COMMAND_H_

#include <string>

#include "absl/status/status.h"
#include "simulation/attack_lab.h"

namespace tern::simulation {

// Prints a line per cell and the table to standard output. In `directory` come config.yaml, and at
// the end attack_lab.json, attack_lab.svg and report.html. ALREADY_EXISTS: it holds results.
// Otherwise errors as RunLab, and as the system's.
absl::Status RunLabInto(const std::string& directory, const LabInputs& inputs, int num_threads);

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_LAB_COMMAND_H_
