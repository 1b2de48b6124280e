// A configuration file as the values that programs work with. tern-sim and tern-server read the
// same file, and each takes what concerns it.
#ifndef TERN_SERVER_CONFIG_LOAD_CONFIG_H_
#define TERN_SERVER_CONFIG_LOAD_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/data/partition.h"
#include "core/data/sources.h"
#include "server/task.h"

namespace tern::server {

// How the coordinator is reached. PEM files; empty: not given.
struct ServerOptions {
  std::string listen;  // HOST:PORT
  std::string certificate_file;
  std::string private_key_file;
  std::string client_ca_file;
};

// A part of a simulated population, as it is written: the simulator knows what the names mean.
struct AvailabilityOptions {
  std::string kind = "always";
  double peak = 0.9;
  double trough = 0.3;
  double peak_hour = 2.0;
  double mean_on_s = 3600.0;
  double mean_off_s = 3600.0;
  std::string file;
};
struct DeviceGroupOptions {
  std::string profile;
  double fraction = 0.0;
  std::string network;    // empty: the profile's
  int64_t ram_bytes = 0;  // 0: the profile's
  AvailabilityOptions availability;
};
// Clients that lie; simulation/attacks knows how.
struct AttackOptions {
  std::string kind = "none";
  double fraction = 0.2;  // of the clients, rounded down
  // False: the same clients in every round. True: this part of each round's cohort, so that none
  // has more.
  bool per_cohort = false;
  double scale = 0.0;  // how strong; 0: the kind's own
};
struct SimulationOptions {
  bool train_dropped = false;
  absl::Duration check_in_spread = absl::Minutes(1);
  AttackOptions attack = {};
};

// Many simulations instead of one: each defence under each attack, with each seed.
struct LabOptions {
  struct Attack {
    std::string name;  // "alie(scale=1.5)"; no other has it
    AttackOptions options;
  };
  struct Defence {
    std::string name;  // "krum(f=5)"; no other has it
    Task task;         // with the defence's strategy
  };
  std::vector<Attack> attacks;  // the first is none
  std::vector<Defence> defences;
  std::vector<uint64_t> seeds;

  bool empty() const { return attacks.empty(); }
};

struct LoadedConfig {
  uint64_t seed = 1;
  DataSource data;
  PartitionOptions partition;
  int64_t num_clients = 0;
  std::vector<DeviceGroupOptions> population;  // fractions add up to 1; empty: no limits
  SimulationOptions simulation;
  LabOptions lab;  // empty: one simulation
  Task task;
  int64_t evaluate_every = 1;  // rounds; 0: never
  ServerOptions server;
  std::string resolved_yaml;  // every field; loads to the same configuration
  std::string config_hash;    // SHA-256 of resolved_yaml, in hex
};

// Reads `path`, applies `overrides` ("task.num_rounds=5") in order, and checks everything that can
// be checked without the data. Files that the configuration names are relative to the working
// directory. Errors name file, line and field, or the override.
//
// NOT_FOUND: no such file, or an unknown name. UNIMPLEMENTED: what this version cannot do.
// Otherwise INVALID_ARGUMENT, or as ReadModelFile.
absl::StatusOr<LoadedConfig> LoadConfig(const std::string& path,
                                        const std::vector<std::string>& overrides);

}  // namespace tern::server

#endif  // TERN_SERVER_CONFIG_LOAD_CONFIG_H_
