// Who the simulated devices are: classes of one kind each, as the configuration's population says.
#ifndef TERN_SIMULATION_POPULATION_H_
#define TERN_SIMULATION_POPULATION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/config/load_config.h"
#include "simulation/availability.h"
#include "simulation/device_profile.h"

namespace tern::simulation {

struct DeviceClass {
  std::string name;  // "phone_low, 4g": profile and network
  DeviceProfile profile;
  std::shared_ptr<const Availability> availability;
  int64_t num_clients = 0;
};

// Immutable; any number of threads may use it.
class Population {
 public:
  // Devices 0 to num_clients - 1, the classes one after the other in the order of `groups`. No
  // groups: one class without limits, for which no time passes. Errors as LoadDeviceProfile,
  // LoadNetworkProfile and MakeAvailability; INVALID_ARGUMENT also where a fraction is so small
  // that its class would be empty.
  static absl::StatusOr<Population> Create(const std::vector<server::DeviceGroupOptions>& groups,
                                           int64_t num_clients, uint64_t seed);

  // Whether devices have no limits and take no time.
  bool is_timeless() const { return is_timeless_; }
  int64_t num_clients() const { return ends_.back(); }
  const std::vector<DeviceClass>& classes() const { return classes_; }
  size_t class_of(int64_t client) const;

 private:
  Population() = default;

  bool is_timeless_ = false;
  std::vector<DeviceClass> classes_;
  std::vector<int64_t> ends_;  // of each class, in clients
};

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_POPULATION_H_
