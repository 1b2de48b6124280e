// What a plan costs a device, and whether a device can execute it: known before a lease is given.
#ifndef TERN_SERVER_DEVICE_COST_H_
#define TERN_SERVER_DEVICE_COST_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "core/model/cost.h"
#include "core/wire/messages.h"

namespace tern::server {

// The cost of one round with every memory figure filled in: what a client session holds while it
// fetches, trains on `num_examples` examples and encodes, to the byte. The plan's codec was
// accepted by ParseCodec. INVALID_ARGUMENT: the engine cannot train the model.
absl::StatusOr<Cost> DeviceCost(const Plan& plan, int64_t num_examples);

// Why the device that checks in cannot execute the plan, with the numbers; nothing if it can.
std::optional<Refusal> RefuseCapabilities(const CheckInRequest& request, const ModelSpec& model,
                                          const std::string& codec, const Cost& cost);

}  // namespace tern::server

#endif  // TERN_SERVER_DEVICE_COST_H_
