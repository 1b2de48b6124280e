// Vectors that a device adds to every gradient of its training, and keeps from round to round:
//
//   SCAFFOLD (Karimireddy et al. 2020, algorithm 1): c - c_i, of the coordinator's control variate
//   and the client's own. What c_i changes by is sent as section `control`.
//   FedDyn (Acar et al. 2021, algorithm 1): -g_i, the sum of alpha times the client's updates.
//
// A device adds to what it keeps what the coordinator decodes of the section, not what it encoded.
// So the coordinator's c, which grows by the mean of the sections, stays the mean of the clients'
// c_i under any codec, and what a lossy one left out of a change is in the next, which is measured
// against the c_i that is kept: control variates need no error feedback of their own. It is added
// when the update has been acknowledged; after any other outcome all is as it was.
#ifndef TERN_CLIENT_CONTROL_VARIATE_H_
#define TERN_CLIENT_CONTROL_VARIATE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "client/device_state.h"
#include "client/fetched_model.h"
#include "core/model/submodel.h"
#include "core/train/trainer.h"
#include "core/wire/messages.h"

namespace tern::client {

// Fills `control` with what training adds to every gradient. An error, as AddStoredVector: what is
// kept counts as 0, as it does for another task, submodel or count.
absl::Status BeginControl(const Lease& lease, const FetchedModel& model, DeviceState& state,
                          absl::Span<float> control);

// Of option II of SCAFFOLD: turns `control`, the parameters that training began with, into the
// values of section `control`, by which c_i changes: (control - trained) / (steps * learning_rate)
// - c. INVALID_ARGUMENT: the trainer reports no step.
absl::Status ControlOfSteps(const Lease& lease, const FetchedModel& model,
                            const TrainReport& report, absl::Span<const float> trained,
                            absl::Span<float> control);

// Of option I: turns `control`, the gradient at those parameters, into the same by subtracting the
// c_i that is kept. Errors as AddStoredVector.
absl::Status ControlOfGradient(const Lease& lease, DeviceState& state, absl::Span<float> control);

// Adds `control`, what the coordinator decodes of the section (FedDyn: of the update), to what is
// kept; with `restart` it takes its place, as what could not be read counts as 0. `control` is of
// no use then. The value is put together in `buffer`. After an error what is kept is as it was.
absl::Status CommitControl(const Lease& lease, bool restart, absl::Span<float> control,
                           std::string& buffer, DeviceState& state);

}  // namespace tern::client

#endif  // TERN_CLIENT_CONTROL_VARIATE_H_
