// The part of a configuration that only a simulation has: which devices there are, when they are
// on, and which of them lie.
#ifndef TERN_SERVER_CONFIG_LOAD_POPULATION_H_
#define TERN_SERVER_CONFIG_LOAD_POPULATION_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/config/load_config.h"

namespace tern::v1 {
class Config;
}  // namespace tern::v1

namespace tern::server {

// Sets `population` and `simulation` of `config`. Whether profiles, networks and files exist is for
// the simulator to say. INVALID_ARGUMENT begins with the field ("population[1].fraction is 2,
// ...").
absl::Status SetPopulation(const v1::Config& source, LoadedConfig& config);

// INVALID_ARGUMENT: an unknown kind (lists those that exist), or a field that the kind uses is out
// of its range ("availability.peak is 2, expected 0 to 1").
absl::Status ValidateAvailabilityOptions(const AvailabilityOptions& options);

// The kinds of attacks, in the order in which they are shown; the first is none.
std::vector<std::string> AttackNames();

// INVALID_ARGUMENT: as for an availability ("attack.fraction is 2, expected 0 to 1").
absl::Status ValidateAttackOptions(const AttackOptions& options);

}  // namespace tern::server

#endif  // TERN_SERVER_CONFIG_LOAD_POPULATION_H_
