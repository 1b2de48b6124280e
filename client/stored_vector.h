// Vectors of floats that a device keeps from one round to another: values of its state, in a format
// that says whose they are and finds damage (docs/wire-format.md, "What a device keeps").
#ifndef TERN_CLIENT_STORED_VECTOR_H_
#define TERN_CLIENT_STORED_VECTOR_H_

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "client/device_state.h"
#include "core/train/plan.h"
#include "core/wire/messages.h"

namespace tern::client {

// Which of them.
struct StoredVector {
  const char* name;   // of the value
  const char* magic;  // that it begins with
  // Whether one from a later model than the lease's is good, as after a coordinator began again.
  bool outlives_models = false;
};

inline constexpr StoredVector kStoredResidual = {"residual", "TERNRESI"};
inline constexpr StoredVector kStoredControl = {"control", "TERNCTRL"};
inline constexpr StoredVector kStoredPersonal = {"personal", "TERNPERS",
                                                 /*outlives_models=*/true};

// Adds `factor` times the stored vector to `values`, block by block, with 16 KiB of stack and no
// other memory. `factor` is told by how many versions the lease's model is ahead of the vector's.
// False: nothing was added, because there is no such vector, it is of another task, submodel or
// count or of a later model than the lease's (unless it outlives models), or the factor is 0. All
// of it is checked before any of it is added. Errors: DATA_LOSS where it is damaged; as
// DeviceState::Read elsewhere, and then some of it may have been added.
absl::StatusOr<bool> AddStoredVector(const StoredVector& which, const Lease& lease,
                                     absl::FunctionRef<float(uint64_t age)> factor,
                                     DeviceState& state, absl::Span<float> values);

// Replaces the stored vector, or leaves it as it was. The value, of kStoredHeaderBytes and the
// coordinates, is put together in `buffer`; bfloat16 is rounded to nearest. Errors as
// DeviceState::Write.
absl::Status WriteStoredVector(const StoredVector& which, const Lease& lease,
                               absl::Span<const float> values, ResidualFormat format,
                               std::string& buffer, DeviceState& state);

}  // namespace tern::client

#endif  // TERN_CLIENT_STORED_VECTOR_H_
