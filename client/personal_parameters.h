// Parameters of a client's own: they are trained with the others, but neither sent nor replaced by
// the round's model (FedPer: Arivazhagan et al. 2019; FedBN: Li et al. 2021). They are kept when
// the update has been acknowledged, and at no other time, so that they and the model that they were
// trained with stay together. `personal` are the coordinates of PlanCodec::personal(), packed.
#ifndef TERN_CLIENT_PERSONAL_PARAMETERS_H_
#define TERN_CLIENT_PERSONAL_PARAMETERS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "client/device_state.h"
#include "core/model/submodel.h"
#include "core/wire/messages.h"

namespace tern::client {

// Puts those that are kept, however old, in the place of the model's in `parameters`; where none of
// the task, submodel and count are, the model's stay. An error, as AddStoredVector: so they do.
// `scratch` is as long as the coordinates.
absl::Status LoadPersonal(const Lease& lease, const CoordinateSet& coordinates, DeviceState& state,
                          absl::Span<float> scratch, absl::Span<float> parameters);

// Keeps `personal`. The value is put together in `buffer`. After an error those from before stay.
absl::Status KeepPersonal(const Lease& lease, absl::Span<const float> personal, std::string& buffer,
                          DeviceState& state);

}  // namespace tern::client

#endif  // TERN_CLIENT_PERSONAL_PARAMETERS_H_
