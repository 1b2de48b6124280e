#include "simulation/device_capabilities.h"

namespace tern::simulation {

Capabilities DeclaredCapabilities(const DeviceProfile& profile, double battery_joules) {
  const NetworkProfile& network = profile.network;
  return {.ram_bytes = profile.ram_bytes,
          .flops_per_second = profile.fp32_flops_per_second,
          .downlink_bytes_per_second = network.downlink_bytes_per_second,
          .uplink_bytes_per_second = network.uplink_bytes_per_second,
          .battery_joules = battery_joules,
          .storage_bytes = profile.storage_bytes,
          .joules_per_flop = profile.joules_per_flop,
          .joules_per_byte_down = network.joules_per_byte_down,
          .joules_per_byte_up = network.joules_per_byte_up,
          .round_trip = network.round_trip};
}

double FullBatteryJoules(const BatteryProfile& battery) {
  return (1.0 - battery.reserve_level) * battery.capacity_j;
}

}  // namespace tern::simulation
