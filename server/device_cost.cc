#include "server/device_cost.h"

#include "core/base/status_macros.h"
#include "core/train/plan_cost.h"
#include "core/wire/plan_bytes.h"

namespace tern::server {

absl::StatusOr<Cost> DeviceCost(const Plan& plan, int64_t num_examples) {
  TERN_ASSIGN_OR_RETURN(Cost cost, PlanCost(plan, num_examples));
  TERN_ASSIGN_OR_RETURN(const PlanCodec codec, PlanCodec::Make(plan));
  // A session takes all of it but the codec's scratch before it fetches: the parameters, what the
  // trainer needs, one buffer for the model as it was fetched, later for the update, and what the
  // plan's method and personal parameters need.
  TERN_ASSIGN_OR_RETURN(const PlanBytes bytes, CountPlanBytes(plan, codec));
  cost.train_bytes += bytes.held();
  cost.decode_bytes = cost.train_bytes;
  cost.encode_bytes = cost.train_bytes + CodecScratchBytes(plan, codec);
  return cost;
}

}  // namespace tern::server
