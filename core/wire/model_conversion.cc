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
                   .factor = message.factor(),
                   .groups = message.groups() == 0 ? 1 : message.groups(),
                   .dilation = message.dilation() == 0 ? 1 : message.dilation()};
}

void ToProto(const UpdateScope& value, v1::UpdateScope& message) {
  for (const std::string& layer : value.frozen_layers) message.add_frozen_layers(layer);
  message.set_last_layers(value.last_layers);
  message.set_biases_only(value.biases_only);
  if (value.channels != 1.0f) message.set_channels(value.channels);
}

absl::StatusOr<UpdateScope> UpdateScopeFromProto(const v1::UpdateScope& message) {
  TERN_RETURN_IF_ERROR(CheckInRange("number of train.scope.frozen_layers",
                                    message.frozen_layers_size(), 0, kMaxLayers));
  for (const std::string& layer : message.frozen_layers()) {
    TERN_RETURN_IF_ERROR(CheckText("train.scope.frozen_layers", layer));
  }
  return UpdateScope{
      .frozen_layers = {message.frozen_layers().begin(), message.frozen_layers().end()},
      .last_layers = message.last_layers(),
      .biases_only = message.biases_only(),
      .channels = message.channels() == 0.0f ? 1.0f : message.channels()};
}

absl::StatusOr<PersonalScope> PersonalScopeFromProto(const v1::PersonalScope& message) {
  TERN_RETURN_IF_ERROR(
      CheckInRange("number of train.personal.layers", message.layers_size(), 0, kMaxLayers));
  for (const std::string& layer : message.layers()) {
    TERN_RETURN_IF_ERROR(CheckText("train.personal.layers", layer));
  }
  return PersonalScope{.layers = {message.layers().begin(), message.layers().end()},
                       .biases = message.biases()};
}

void ToProto(const TrainOptions& value, v1::TrainOptions& message) {
  message.set_local_epochs(value.local_epochs);
  message.set_batch_size(value.batch_size);
  message.set_learning_rate(value.learning_rate);
  message.set_max_local_steps(value.max_local_steps);
  message.set_momentum(value.momentum);
  message.set_nesterov(value.nesterov);
  message.set_weight_decay(value.weight_decay);
  message.set_clip_norm(value.clip_norm);
  message.set_clip_value(value.clip_value);
  message.set_proximal_mu(value.proximal_mu);
  message.set_micro_batch_size(value.micro_batch_size);
  // Defaults are left out: plans that need none of these keep their bytes.
  const TrainOptions defaults;
  if (value.memory != defaults.memory) {
    message.set_memory(static_cast<v1::TrainOptions::MemoryMode>(value.memory));
  }
  if (value.scope != defaults.scope) ToProto(value.scope, *message.mutable_scope());
  if (value.loss != defaults.loss) {
    message.mutable_loss()->set_kind(static_cast<v1::Loss::Kind>(value.loss.kind));
    message.mutable_loss()->set_label_smoothing(value.loss.label_smoothing);
  }
  message.set_only_present_classes(value.only_present_classes);
  message.set_method(static_cast<v1::TrainOptions::Method>(value.method));
  if (!value.personal.empty()) {
    for (const std::string& layer : value.personal.layers) {
      message.mutable_personal()->add_layers(layer);
    }
    message.mutable_personal()->set_biases(value.personal.biases);
  }
  message.set_measure_start_loss(value.measure_start_loss);
}

// Of a number of the message; 0 is what `unspecified` says. ValidateTrainOptions knows the rest.
template <typename Enum>
Enum EnumOr(int number, Enum unspecified) {
  return number == 0 ? unspecified : static_cast<Enum>(number);
}

absl::StatusOr<TrainOptions> TrainOptionsFromProto(const v1::TrainOptions& message) {
  TERN_ASSIGN_OR_RETURN(UpdateScope scope, UpdateScopeFromProto(message.scope()));
  TERN_ASSIGN_OR_RETURN(PersonalScope personal, PersonalScopeFromProto(message.personal()));
  TrainOptions options = {
      .local_epochs = message.local_epochs(),
      .batch_size = message.batch_size(),
      .learning_rate = message.learning_rate(),
      .max_local_steps = message.max_local_steps(),
      .momentum = message.momentum(),
      .nesterov = message.nesterov(),
      .weight_decay = message.weight_decay(),
      .clip_norm = message.clip_norm(),
      .clip_value = message.clip_value(),
      .proximal_mu = message.proximal_mu(),
      .micro_batch_size = message.micro_batch_size(),
      .memory = EnumOr(message.memory(), MemoryMode::kFast),
      .scope = std::move(scope),
      .loss = {.kind = EnumOr(message.loss().kind(), LossKind::kSoftmaxCrossEntropy),
               .label_smoothing = message.loss().label_smoothing()},
      .only_present_classes = message.only_present_classes(),
      .method = static_cast<ClientMethod>(message.method()),
      .personal = std::move(personal),
      .measure_start_loss = message.measure_start_loss()};
  TERN_RETURN_IF_ERROR(ValidateTrainOptions(options));
  return options;
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
    // 1 is left out: models that need neither field keep their bytes.
    if (layer.groups != 1) added.set_groups(layer.groups);
    if (layer.dilation != 1) added.set_dilation(layer.dilation);
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
  ToProto(value.train, *message.mutable_train());
  message.set_codec(value.codec);
  message.set_seed(value.seed);
  message.set_round(value.round);
  message.set_submodel(value.submodel);
  message.set_error_feedback(value.error_feedback);
  // Left out where it is the default: plans without it keep their bytes.
  if (value.residual == ResidualOptions()) return;
  v1::Residual& residual = *message.mutable_residual();
  residual.set_format(static_cast<v1::Residual::Format>(value.residual.format));
  residual.set_decay(value.residual.decay);
  residual.set_max_age(value.residual.max_age);
}

absl::StatusOr<Plan> FromProto(const v1::Plan& message) {
  Plan plan;
  TERN_ASSIGN_OR_RETURN(plan.model, FromProto(message.model()));
  TERN_ASSIGN_OR_RETURN(plan.train, TrainOptionsFromProto(message.train()));
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
  if (message.has_residual()) {
    const v1::Residual& residual = message.residual();
    plan.residual = {.format = EnumOr(residual.format(), ResidualFormat::kFloat32),
                     .decay = residual.decay(),
                     .max_age = residual.max_age()};
    const absl::Status valid = ValidateResidualOptions(plan.residual);
    if (!valid.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("plan.residual: ", valid.message()));
    }
  }
  return plan;
}

}  // namespace tern
