#include "client/personal_parameters.h"

#include <algorithm>
#include <cstdint>

#include "client/stored_vector.h"
#include "core/base/status_macros.h"

namespace tern::client {

absl::Status LoadPersonal(const Lease& lease, const CoordinateSet& coordinates, DeviceState& state,
                          absl::Span<float> scratch, absl::Span<float> parameters) {
  std::fill(scratch.begin(), scratch.end(), 0.0f);
  const auto at_any_age = [](uint64_t) { return 1.0f; };
  TERN_ASSIGN_OR_RETURN(const bool is_kept,
                        AddStoredVector(kStoredPersonal, lease, at_any_age, state, scratch));
  if (!is_kept) return absl::OkStatus();
  const float* next = scratch.data();
  for (const CoordinateRun& run : coordinates.runs) {
    std::copy_n(next, run.size, parameters.begin() + run.begin);
    next += run.size;
  }
  return absl::OkStatus();
}

absl::Status KeepPersonal(const Lease& lease, absl::Span<const float> personal, std::string& buffer,
                          DeviceState& state) {
  return WriteStoredVector(kStoredPersonal, lease, personal, ResidualFormat::kFloat32, buffer,
                           state);
}

}  // namespace tern::client
