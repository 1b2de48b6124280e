#include "server/device_cost.h"

#include "compression/codec.h"
#include "core/base/status_macros.h"
#include "core/train/plan_cost.h"
#include "core/wire/plan_bytes.h"

namespace tern::server {

absl::StatusOr<Cost> DeviceCost(const Plan& plan, int64_t num_examples) {
  TERN_ASSIGN_OR_RETURN(Cost cost, PlanCost(plan, num_examples));
  const auto encoder = compression::MakeEncoder(*compression::ParseCodec(plan.codec));
  // A session takes all of it but the encoder's scratch before it fetches: the parameters, what the
  // trainer needs, and one buffer for the model as it was fetched, later for the update.
  TERN_ASSIGN_OR_RETURN(const PlanBytes bytes, CountPlanBytes(plan, *encoder, cost.num_parameters));
  cost.train_bytes += bytes.buffer();
  cost.decode_bytes = cost.train_bytes;
  cost.encode_bytes = cost.train_bytes + encoder->ScratchBytes(cost.num_parameters);
  return cost;
}

}  // namespace tern::server
