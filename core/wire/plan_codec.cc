#include "core/wire/plan_codec.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/model/parameter_layout.h"
#include "core/train/trained_coordinates.h"

namespace tern {
namespace {

// Tells the random numbers of section `control` from those of `parameters`, which has the client's
// hash alone (docs/wire-format.md).
constexpr uint64_t kControlClient = 0x9E3779B97F4A7C15;

}  // namespace

absl::StatusOr<PlanCodec> PlanCodec::Make(const Plan& plan) {
  PlanCodec codec;
  codec.text_ = plan.codec;
  TERN_ASSIGN_OR_RETURN(codec.spec_, compression::ParseCodec(plan.codec));
  TERN_ASSIGN_OR_RETURN(const ParameterLayout layout, MakeParameterLayout(plan.model));
  codec.count_ = layout.size;
  for (const Parameter& parameter : layout.parameters) {
    codec.tensor_sizes_.push_back(parameter.size);
  }
  TERN_ASSIGN_OR_RETURN(TrainedCoordinates trained, FindTrainedCoordinates(plan, layout));
  if (trained.sent.size < layout.size) {
    codec.sent_ = std::make_unique<const CoordinateSet>(std::move(trained.sent));
  }
  if (trained.personal.size > 0) {
    if (codec.spec_.stages[0].name != "mask") {
      return absl::InvalidArgumentError(
          absl::StrCat("codec '", plan.codec, "' would send personal parameters, expected 'mask|",
                       plan.codec, "'"));
    }
    codec.personal_ = std::make_unique<const CoordinateSet>(std::move(trained.personal));
  }
  codec.seed_ = plan.seed;
  codec.round_ = plan.round;
  return codec;
}

compression::CodecContext PlanCodec::Context(uint64_t client, bool is_control) const {
  return {
      .count = count_,
      .tensor_sizes = tensor_sizes_,
      .mask = sent_.get(),
      .key = {
          .seed = seed_, .round = round_, .client = is_control ? client ^ kControlClient : client}};
}

}  // namespace tern
