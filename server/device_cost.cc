#include "server/device_cost.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "compression/codec.h"
#include "compression/frame.h"
#include "core/base/status_macros.h"
#include "core/train/plan_cost.h"

namespace tern::server {

absl::StatusOr<Cost> DeviceCost(const Plan& plan, int64_t num_examples) {
  TERN_ASSIGN_OR_RETURN(Cost cost, PlanCost(plan, num_examples));
  const auto encoder = compression::MakeEncoder(*compression::ParseCodec(plan.codec));
  const int64_t parameter_bytes = cost.num_parameters * static_cast<int64_t>(sizeof(float));
  // Through all of it, a session keeps the model as it was fetched, to subtract it from what was
  // trained, and the trainer its memory. The encoded update exists twice while it is put into its
  // message, and once while the next one is trained.
  const int64_t model_frame = parameter_bytes + compression::kFrameHeaderBytes;
  const int64_t encoded =
      encoder->MaxEncodedBytes(cost.num_parameters) + compression::kFrameHeaderBytes;
  cost.train_bytes += model_frame + encoded;
  cost.decode_bytes = cost.train_bytes;
  cost.encode_bytes = cost.train_bytes + encoder->ScratchBytes(cost.num_parameters) + encoded;
  return cost;
}

std::optional<Refusal> RefuseCapabilities(const CheckInRequest& request, const ModelSpec& model,
                                          const std::string& codec, const Cost& cost) {
  const Capabilities& capabilities = request.capabilities;
  // The trainer keeps the order of the examples.
  const int64_t needed =
      cost.peak_bytes() + request.num_examples * static_cast<int64_t>(sizeof(int32_t));
  if (capabilities.ram_bytes > 0 && capabilities.ram_bytes < needed) {
    return Refusal{
        .reason = RefusalReason::kDeviceTooSmall,
        .message = absl::StrCat("the plan needs ", needed, " bytes of memory, the device offers ",
                                capabilities.ram_bytes)};
  }
  const auto lacks = [](const auto& have, const auto& wanted) {
    return !have.empty() && std::find(have.begin(), have.end(), wanted) == have.end();
  };
  const compression::CodecSpec spec = *compression::ParseCodec(codec);
  for (const compression::StageSpec& stage : spec.stages) {
    if (!lacks(capabilities.codecs, stage.name)) continue;
    return Refusal{.reason = RefusalReason::kNotCapable,
                   .message = absl::StrCat("the plan encodes with '", codec,
                                           "', the device has no stage '", stage.name, "'")};
  }
  for (const LayerSpec& layer : model.layers) {
    if (!lacks(capabilities.layer_kinds, layer.kind)) continue;
    return Refusal{
        .reason = RefusalReason::kNotCapable,
        .message = absl::StrCat("layer '", layer.name, "' is of kind ", LayerKindName(layer.kind),
                                ", which the device cannot train")};
  }
  return std::nullopt;
}

}  // namespace tern::server
