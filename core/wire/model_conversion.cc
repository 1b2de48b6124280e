#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/wire/conversion_checks.h"
#include "core/wire/proto_conversion.h"

namespace tern {
namespace {

absl::Status CheckText(absl::string_view field, const std::string& text) {
  return CheckSize(field, text.size(), 0, kMaxTextBytes, "bytes");
}

absl::StatusOr<LayerSpec> LayerFromProto(const v1::Layer& message, int index) {
  const std::string where = absl::StrCat("model.layers[", index, "]");
  TERN_RETURN_IF_ERROR(CheckText(absl::StrCat(where, ".name"), message.name()));
  TERN_RETURN_IF_ERROR(CheckText(absl::StrCat(where, ".input"), message.input()));
  TERN_RETURN_IF_ERROR(CheckText(absl::StrCat(where, ".parameters"), message.parameters()));
  if (!v1::LayerKind_IsValid(message.kind()) || message.kind() == v1::LAYER_KIND_UNSPECIFIED) {
    return absl::InvalidArgumentError(absl::StrCat(where, ".kind (layer '", message.name(),
                                                   "') is ", static_cast<int>(message.kind()),
                                                   ", which is no layer kind of this version"));
  }
  return LayerSpec{.name = message.name(),
                   .kind = static_cast<LayerKind>(message.kind()),
                   .input = message.input(),
                   .parameters = message.parameters(),
                   .units = message.units(),
                   .kernel = message.kernel(),
                   .stride = message.stride() == 0 ? 1 : message.stride(),
                   .padding = message.padding(),
                   .factor = message.factor()};
}

}  // namespace

void ToProto(const ModelSpec& value, v1::ModelSpec& message) {
  message.set_name(value.name);
  for (const int64_t dimension : value.input) message.add_input(dimension);
  for (const LayerSpec& layer : value.layers) {
    v1::Layer& added = *message.add_layers();
    added.set_name(layer.name);
    added.set_kind(static_cast<v1::LayerKind>(layer.kind));
    added.set_input(layer.input);
    added.set_parameters(layer.parameters);
    added.set_units(layer.units);
    added.set_kernel(layer.kernel);
    added.set_stride(layer.stride);
    added.set_padding(layer.padding);
    added.set_factor(layer.factor);
  }
}

absl::StatusOr<ModelSpec> FromProto(const v1::ModelSpec& message) {
  TERN_RETURN_IF_ERROR(CheckText("model.name", message.name()));
  TERN_RETURN_IF_ERROR(
      CheckInRange("number of model.layers", message.layers_size(), 1, kMaxLayers));
  ModelSpec spec;
  spec.name = message.name();
  spec.input.assign(message.input().begin(), message.input().end());
  for (int i = 0; i < message.layers_size(); ++i) {
    TERN_ASSIGN_OR_RETURN(LayerSpec layer, LayerFromProto(message.layers(i), i));
    spec.layers.push_back(std::move(layer));
  }
  return spec;
}

void ToProto(const Plan& value, v1::Plan& message) {
  ToProto(value.model, *message.mutable_model());
  message.mutable_train()->set_local_epochs(value.train.local_epochs);
  message.mutable_train()->set_batch_size(value.train.batch_size);
  message.mutable_train()->set_learning_rate(value.train.learning_rate);
  message.mutable_train()->set_max_local_steps(value.train.max_local_steps);
  message.set_codec(value.codec);
  message.set_seed(value.seed);
  message.set_round(value.round);
  message.set_submodel(value.submodel);
  message.set_error_feedback(value.error_feedback);
}

absl::StatusOr<Plan> FromProto(const v1::Plan& message) {
  Plan plan;
  TERN_ASSIGN_OR_RETURN(plan.model, FromProto(message.model()));
  plan.train = {.local_epochs = message.train().local_epochs(),
                .batch_size = message.train().batch_size(),
                .learning_rate = message.train().learning_rate(),
                .max_local_steps = message.train().max_local_steps()};
  TERN_RETURN_IF_ERROR(ValidateTrainOptions(plan.train));
  TERN_RETURN_IF_ERROR(CheckSize("plan.codec", message.codec().size(), 1, kMaxCodecBytes, "bytes"));
  plan.codec = message.codec();
  plan.seed = message.seed();
  // The bound is that of RandomKey::round.
  if (message.round() < 1 || message.round() > std::numeric_limits<uint32_t>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat("plan.round is ", message.round(), ", expected 1 to 2^32 - 1"));
  }
  plan.round = message.round();
  TERN_RETURN_IF_ERROR(
      CheckSize("plan.submodel", message.submodel().size(), 0, kMaxNameBytes, "bytes"));
  plan.submodel = message.submodel();
  plan.error_feedback = message.error_feedback();
  return plan;
}

}  // namespace tern
