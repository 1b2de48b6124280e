// What a plan costs a device, known before a lease is given.
#ifndef TERN_SERVER_DEVICE_COST_H_
#define TERN_SERVER_DEVICE_COST_H_

#include "absl/status/statusor.h"
#include "core/model/cost.h"
#include "core/train/plan.h"

namespace tern::server {

// The cost of one round with every memory figure filled in: what a client session holds while it
// fetches, trains on `num_examples` examples and encodes, to the byte; each example takes four.
// What the transport holds is not in it, nor are some kilobytes for messages, the layers of the
// model and 16 KiB of stack. The plan's codec was accepted by ParseCodec. INVALID_ARGUMENT: the
// engine cannot train the model, or its update would be too long.
absl::StatusOr<Cost> DeviceCost(const Plan& plan, int64_t num_examples);

}  // namespace tern::server

#endif  // TERN_SERVER_DEVICE_COST_H_
