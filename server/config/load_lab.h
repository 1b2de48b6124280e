// The part of a configuration that makes many simulations of one: defences under attacks.
#ifndef TERN_SERVER_CONFIG_LOAD_LAB_H_
#define TERN_SERVER_CONFIG_LOAD_LAB_H_

#include "absl/status/status.h"
#include "server/config/load_config.h"

namespace tern::v1 {
class Config;
}  // namespace tern::v1

namespace tern::server {

// Sets `lab` of `config`, whose other parts are set. INVALID_ARGUMENT begins with the field
// ("simulation.lab.attacks[1].fraction is 2, ..."), otherwise as SetStrategy and ValidateTask of a
// defence, in whose messages the field is of that defence.
absl::Status SetLab(const v1::Config& source, LoadedConfig& config);

}  // namespace tern::server

#endif  // TERN_SERVER_CONFIG_LOAD_LAB_H_
