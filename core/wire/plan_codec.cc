#include "core/wire/plan_codec.h"

#include <utility>

#include "core/base/status_macros.h"
#include "core/model/parameter_layout.h"
#include "core/train/trained_coordinates.h"

namespace tern {

absl::StatusOr<PlanCodec> PlanCodec::Make(const Plan& plan) {
  PlanCodec codec;
  codec.text_ = plan.codec;
  TERN_ASSIGN_OR_RETURN(codec.spec_, compression::ParseCodec(plan.codec));
  TERN_ASSIGN_OR_RETURN(const ParameterLayout layout, MakeParameterLayout(plan.model));
  codec.count_ = layout.size;
  for (const Parameter& parameter : layout.parameters) {
    codec.tensor_sizes_.push_back(parameter.size);
  }
  TERN_ASSIGN_OR_RETURN(CoordinateSet trained, TrainedCoordinates(plan, layout));
  if (trained.size < layout.size) {
    codec.trained_ = std::make_unique<const CoordinateSet>(std::move(trained));
  }
  codec.seed_ = plan.seed;
  codec.round_ = plan.round;
  return codec;
}

compression::CodecContext PlanCodec::Context(uint64_t client) const {
  return {.count = count_,
          .tensor_sizes = tensor_sizes_,
          .mask = trained_.get(),
          .key = {.seed = seed_, .round = round_, .client = client}};
}

}  // namespace tern
