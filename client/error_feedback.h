// Error feedback: what encoding leaves out of an update is kept on the device and made up for by
// its next one (Stich et al. 2018, "Sparsified SGD with memory"; Karimireddy et al. 2019, "Error
// feedback fixes SignSGD"):
//
//   start        = model + residual
//   update       = what start is trained to - model
//   sent         = what the coordinator decodes of the encoded update
//   new residual = update - sent
//
// Training starts from the residual, rather than that it is added to the update afterwards: so the
// gradients see what the device already has in store, and correct it where the model has moved on
// (docs/decisions/0011). With one step of SGD both are the same to first order.
//
// A residual that is older than the lease's model by some versions counts for less by the plan's
// decay for each, and nothing beyond the plan's largest age: what was left out of an old model's
// update may lead astray by now.
//
// The new residual takes the place of the old one only when the update was acknowledged; after any
// other outcome the next update starts from the old one. It is kStoredResidual of the device's
// state.
#ifndef TERN_CLIENT_ERROR_FEEDBACK_H_
#define TERN_CLIENT_ERROR_FEEDBACK_H_

#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "client/device_state.h"
#include "core/wire/messages.h"

namespace tern::client {

// Adds the stored residual to `parameters`. One of another task, submodel or count, of a later
// model than the lease's, or older than the plan allows, is passed over: the error that it
// remembers is not this update's. Memory and errors as AddStoredVector.
absl::Status AddResidual(const Lease& lease, DeviceState& state, absl::Span<float> parameters);

// Replaces the stored residual, in the plan's format. The value is put together in `buffer`, which
// holds PlanBytes::residual bytes then. After an error, as DeviceState::Write, the old one, whose
// coordinates have been sent, is gone too, where it could be removed.
absl::Status WriteResidual(const Lease& lease, absl::Span<const float> residual,
                           std::string& buffer, DeviceState& state);

}  // namespace tern::client

#endif  // TERN_CLIENT_ERROR_FEEDBACK_H_
