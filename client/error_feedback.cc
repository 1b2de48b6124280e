#include "client/error_feedback.h"

#include <cstdint>

#include "client/stored_vector.h"

namespace tern::client {
namespace {

// What a residual of this age counts for; 0: nothing.
float AgeFactor(const ResidualOptions& options, uint64_t age) {
  if (options.max_age > 0 && age > static_cast<uint64_t>(options.max_age)) return 0.0f;
  float factor = 1.0f;
  for (float power = options.decay; age > 0; age >>= 1, power *= power) {
    if ((age & 1) != 0) factor *= power;
  }
  return factor;
}

}  // namespace

absl::Status AddResidual(const Lease& lease, DeviceState& state, absl::Span<float> parameters) {
  const auto factor = [&lease](uint64_t age) { return AgeFactor(lease.plan.residual, age); };
  return AddStoredVector(kStoredResidual, lease, factor, state, parameters).status();
}

absl::Status WriteResidual(const Lease& lease, absl::Span<const float> residual,
                           std::string& buffer, DeviceState& state) {
  const absl::Status written = WriteStoredVector(kStoredResidual, lease, residual,
                                                 lease.plan.residual.format, buffer, state);
  if (!written.ok()) (void)state.Write(kStoredResidual.name, "");
  return written;
}

}  // namespace tern::client
