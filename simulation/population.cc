#include "simulation/population.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/run_report.h"

namespace tern::simulation {
namespace {

absl::StatusOr<DeviceClass> MakeClass(const server::DeviceGroupOptions& group, uint64_t seed) {
  DeviceClass made;
  TERN_ASSIGN_OR_RETURN(made.profile, LoadDeviceProfile(group.profile));
  if (!group.network.empty()) {
    TERN_ASSIGN_OR_RETURN(made.profile.network, LoadNetworkProfile(group.network));
  }
  made.name = absl::StrCat(made.profile.name, ", ", made.profile.network.name);
  if (group.ram_bytes > 0) {
    made.profile.ram_bytes = group.ram_bytes;
    absl::StrAppend(&made.name, ", ", server::FormatBytes(group.ram_bytes));
  }
  TERN_ASSIGN_OR_RETURN(made.availability, MakeAvailability(group.availability, seed));
  return made;
}

}  // namespace

absl::StatusOr<Population> Population::Create(const std::vector<server::DeviceGroupOptions>& groups,
                                              int64_t num_clients, uint64_t seed) {
  Population population;
  if (groups.empty()) {
    population.is_timeless_ = true;
    TERN_ASSIGN_OR_RETURN(std::shared_ptr<const Availability> always, MakeAvailability({}, seed));
    population.classes_.push_back({.name = "device without limits",
                                   .availability = std::move(always),
                                   .num_clients = num_clients});
    population.ends_.push_back(num_clients);
    return population;
  }
  double share = 0.0;
  int64_t end = 0;
  for (const server::DeviceGroupOptions& group : groups) {
    TERN_ASSIGN_OR_RETURN(DeviceClass made, MakeClass(group, seed));
    share += group.fraction;
    // Fractions add up to 1 but for rounding.
    const bool is_last = &group == &groups.back();
    const int64_t next =
        is_last ? num_clients : std::llround(share * static_cast<double>(num_clients));
    made.num_clients = next - end;
    if (made.num_clients < 1) {
      return absl::InvalidArgumentError(absl::StrCat(
          "population: the fraction ", group.fraction, " of '", group.profile, "' is no device of ",
          num_clients, "; raise it, or data.partition.num_clients"));
    }
    end = next;
    population.classes_.push_back(std::move(made));
    population.ends_.push_back(end);
  }
  return population;
}

size_t Population::class_of(int64_t client) const {
  const auto end = std::upper_bound(ends_.begin(), ends_.end(), client);
  return static_cast<size_t>(end - ends_.begin());
}

}  // namespace tern::simulation
