// What a simulated device is: its memory, its speed, its link, its battery. Numbers stand in
// simulation/profiles/*.yaml with their sources; those files are built into the program.
#ifndef TERN_SIMULATION_DEVICE_PROFILE_H_
#define TERN_SIMULATION_DEVICE_PROFILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace tern::simulation {

struct NetworkProfile {
  std::string name;
  double downlink_bytes_per_second = 0.0;  // 0: no time passes
  double uplink_bytes_per_second = 0.0;
  absl::Duration round_trip;
  // How much a transfer's speed varies: it is multiplied by exp(variation * N(0, 1)).
  double speed_variation = 0.0;
  double loss = 0.0;  // share of the packets that are lost and sent again, below 1
  double joules_per_byte_down = 0.0;
  double joules_per_byte_up = 0.0;
};

struct BatteryProfile {
  double capacity_j = 0.0;      // 0: on mains
  double initial_level = 0.5;   // devices start with a level uniform in [initial_level, 1]
  double charge_watts = 0.0;    // while it charges
  double charge_from_hour = 0;  // local time of day; equal hours: never
  double charge_to_hour = 0;
  double reserve_level = 0.0;  // below it, the device does not take part
};

struct DeviceProfile {
  std::string name;
  int64_t ram_bytes = 0;               // that training may use; 0: no limit
  int64_t storage_bytes = 0;           // 0: no limit
  double fp32_flops_per_second = 0.0;  // 0: no time passes
  double int8_ops_per_second = 0.0;
  // How much the speed differs from device to device, and for one device from round to round:
  // multiplied by exp(variation * N(0, 1)).
  double device_variation = 0.0;
  double round_variation = 0.0;
  double joules_per_flop = 0.0;
  double idle_watts = 0.0;
  NetworkProfile network;
  BatteryProfile battery;
};

// The profile by its name, or read from a file if `name_or_path` ends in ".yaml". NOT_FOUND lists
// the names that exist; INVALID_ARGUMENT names file, line and field.
absl::StatusOr<DeviceProfile> LoadDeviceProfile(absl::string_view name_or_path);
absl::StatusOr<NetworkProfile> LoadNetworkProfile(absl::string_view name_or_path);

std::vector<std::string> DeviceProfileNames();
std::vector<std::string> NetworkProfileNames();

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_DEVICE_PROFILE_H_
