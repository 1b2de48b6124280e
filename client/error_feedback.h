// Error feedback: what encoding leaves out of an update is kept on the device and added to its next
// one (Stich et al. 2018, "Sparsified SGD with memory"; Karimireddy et al. 2019, "Error feedback
// fixes SignSGD"):
//
//   v            = update + residual
//   sent         = what the coordinator decodes of the encoded v
//   new residual = v - sent
//
// The new residual takes the place of the old one only when the update was acknowledged; after any
// other outcome the next update starts from the old one. It is the value `residual` of the device's
// state, described in docs/wire-format.md.
#ifndef TERN_CLIENT_ERROR_FEEDBACK_H_
#define TERN_CLIENT_ERROR_FEEDBACK_H_

#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "client/device_state.h"
#include "core/wire/messages.h"

namespace tern::client {

inline constexpr char kResidualName[] = "residual";

// Adds the stored residual to `update`, block by block, with 16 KiB of stack and no other memory.
// One of another task, submodel or count, or of a later model than the lease's, is passed over:
// the error that it remembers is not this update's. An error, DATA_LOSS where the value is damaged,
// as DeviceState::Read elsewhere: there is no residual to be had; `update` can be used as it is.
absl::Status AddResidual(const Lease& lease, DeviceState& state, absl::Span<float> update);

// Replaces the stored residual. The value is put together in `buffer`, which holds
// PlanBytes::residual bytes then. After an error, as DeviceState::Write, the old one, whose
// coordinates have been sent, is gone too, where it could be removed.
absl::Status WriteResidual(const Lease& lease, absl::Span<const float> residual,
                           std::string& buffer, DeviceState& state);

}  // namespace tern::client

#endif  // TERN_CLIENT_ERROR_FEEDBACK_H_
