// What a simulated device declares when it checks in: its profile, in the coordinator's words.
#ifndef TERN_SIMULATION_DEVICE_CAPABILITIES_H_
#define TERN_SIMULATION_DEVICE_CAPABILITIES_H_

#include "core/wire/messages.h"
#include "simulation/device_profile.h"

namespace tern::simulation {

// `battery_joules`: what a round may use; 0: on mains. Devices know their class's speed, not what
// it happens to be in a round.
Capabilities DeclaredCapabilities(const DeviceProfile& profile, double battery_joules);

// What a full battery holds above its reserve; 0: on mains.
double FullBatteryJoules(const BatteryProfile& battery);

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_DEVICE_CAPABILITIES_H_
