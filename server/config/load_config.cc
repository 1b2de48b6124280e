#include "server/config/load_config.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "core/base/host_port.h"
#include "core/base/status_macros.h"
#include "core/crypto/sha256.h"
#include "core/model/submodel.h"
#include "core/model/zoo.h"
#include "core/wire/model_file.h"
#include "core/wire/proto_conversion.h"
#include "server/config/load_lab.h"
#include "server/config/load_population.h"
#include "server/config/load_strategy.h"
#include "server/config/proto_to_yaml.h"
#include "server/config/yaml_to_proto.h"
#include "tern/v1/config.pb.h"

namespace tern::server {
namespace {

absl::Status FieldError(absl::string_view field, absl::string_view got,
                        absl::string_view expected) {
  return absl::InvalidArgumentError(absl::StrCat(field, " is ", got, ", expected ", expected));
}

absl::Status InField(absl::string_view field, const absl::Status& status) {
  return {status.code(), absl::StrCat(field, ": ", status.message())};
}

// Only `only` in this version.
absl::Status RequireOnly(absl::string_view field, absl::string_view got, absl::string_view only) {
  if (got == only) return absl::OkStatus();
  return absl::UnimplementedError(
      absl::StrCat(field, " is ", got, "; this version has only ", only));
}

absl::Status SetFullModel(const v1::Model& source, Task& task) {
  switch (source.source_case()) {
    case v1::Model::kZoo: {
      auto spec = ZooModel(source.zoo());
      if (!spec.ok()) return InField("task.model.zoo", spec.status());
      task.model = *std::move(spec);
      return absl::OkStatus();
    }
    case v1::Model::kFile: {
      auto file = ReadModelFile(source.file());
      if (!file.ok()) return InField("task.model.file", file.status());
      task.model = std::move(file->spec);
      task.initial_parameters = std::move(file->parameters);
      return absl::OkStatus();
    }
    case v1::Model::kSpec: {
      auto spec = FromProto(source.spec());
      if (!spec.ok()) return InField("task.model.spec", spec.status());
      task.model = *std::move(spec);
      return absl::OkStatus();
    }
    case v1::Model::SOURCE_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("task.model is not given, expected a model of the zoo (",
                   absl::StrJoin(ZooModelNames(), ", "), "), {file: ...} or {spec: ...}"));
}

absl::Status SetModel(const v1::Model& source, Task& task) {
  TERN_RETURN_IF_ERROR(SetFullModel(source, task));
  if (source.width() == 1.0) return absl::OkStatus();
  auto narrow = MakeSubmodel(task.model, {.width = source.width(), .scale = false});
  if (!narrow.ok()) return InField("task.model.width", narrow.status());
  if (!task.initial_parameters.empty()) {
    std::vector<float> packed(static_cast<size_t>(narrow->coordinates.size));
    narrow->coordinates.Pack(task.initial_parameters, absl::MakeSpan(packed));
    task.initial_parameters = std::move(packed);
  }
  task.model = std::move(narrow->model);
  return absl::OkStatus();
}

absl::Status SetAdapt(const v1::Adapt& source, AdaptOptions& adapt) {
  const auto rule = ParseSubmodelRule(source.submodel());
  if (!rule.ok()) return InField("task.adapt.submodel", rule.status());
  adapt.submodel = *rule;
  if (source.widths_size() > 0) adapt.widths = {source.widths().begin(), source.widths().end()};
  adapt.min_batch_size = source.min_batch_size();
  adapt.min_local_steps = source.min_local_steps();
  adapt.codecs = {source.codecs().begin(), source.codecs().end()};
  for (const int mode : source.memory()) adapt.memory.push_back(static_cast<MemoryMode>(mode));
  adapt.micro_batch_sizes = {source.micro_batch_sizes().begin(), source.micro_batch_sizes().end()};
  return absl::OkStatus();
}

UpdateScope UpdateScopeOf(const v1::Train::Update& source) {
  return {.frozen_layers = {source.frozen_layers().begin(), source.frozen_layers().end()},
          .last_layers = source.last_layers(),
          .biases_only = source.biases_only(),
          .channels = source.channels()};
}

TrainOptions TrainOptionsOf(const v1::Train& source) {
  return {
      .local_epochs = source.local_epochs(),
      .batch_size = source.batch_size(),
      .learning_rate = source.learning_rate(),
      .momentum = source.momentum(),
      .nesterov = source.nesterov(),
      .weight_decay = source.weight_decay(),
      .clip_norm = source.clip_norm(),
      .clip_value = source.clip_value(),
      .proximal_mu = source.proximal_mu(),
      .micro_batch_size = source.micro_batch_size(),
      .memory = static_cast<MemoryMode>(source.memory()),
      .scope = UpdateScopeOf(source.update()),
      .loss = {.kind = static_cast<LossKind>(source.loss().kind()),
               .label_smoothing = source.loss().label_smoothing()},
      .only_present_classes = source.loss().only_present_classes(),
      .method = static_cast<ClientMethod>(source.method()),
      .personal = {.layers = {source.personal().layers().begin(), source.personal().layers().end()},
                   .biases = source.personal().biases()}};
}

absl::Status SetTask(const v1::Task& source, uint64_t seed, Task& task) {
  TERN_RETURN_IF_ERROR(RequireOnly("task.train.precision", source.train().precision(), "fp32"));
  TERN_RETURN_IF_ERROR(RequireOnly("task.codec.down", source.codec().down(), "none"));
  TERN_RETURN_IF_ERROR(SetModel(source.model(), task));
  TERN_RETURN_IF_ERROR(SetAdapt(source.adapt(), task.adapt));
  task.name = source.name();
  task.seed = seed;
  task.num_rounds = source.num_rounds();
  task.train = TrainOptionsOf(source.train());
  task.codec_up = source.codec().up();
  task.error_feedback = source.codec().error_feedback();
  task.residual = {.format = static_cast<ResidualFormat>(source.codec().residual().format()),
                   .decay = source.codec().residual().decay(),
                   .max_age = source.codec().residual().max_age()};
  task.client_schedule = ScheduleOf(source.train().schedule());
  TERN_RETURN_IF_ERROR(SetStrategy(source.strategy(), task));
  task.round = {.cohort_size = source.round().cohort_size(),
                .over_selection = source.round().over_selection(),
                .min_updates = source.round().min_updates(),
                .min_available = source.round().min_available(),
                .deadline = absl::Seconds(source.round().deadline_s())};
  return ValidateTask(task);
}

absl::Status SetData(const v1::Data& source, LoadedConfig& config) {
  const std::vector<std::string> names = DataSourceNames();
  if (std::find(names.begin(), names.end(), source.name()) == names.end()) {
    return absl::NotFoundError(absl::StrCat("data.name is ", source.name(), ", expected one of ",
                                            absl::StrJoin(names, ", ")));
  }
  const v1::Partition& partition = source.partition();
  if (partition.num_clients() < 1) {
    return FieldError("data.partition.num_clients", absl::StrCat(partition.num_clients()),
                      "at least 1");
  }
  config.data = {.name = source.name(), .path = source.path()};
  config.partition = {.kind = partition.kind(),
                      .alpha = partition.alpha(),
                      .min_examples = partition.min_examples(),
                      .shards_per_client = partition.shards_per_client(),
                      .classes_per_client = partition.classes_per_client()};
  config.num_clients = partition.num_clients();
  return ValidatePartitionOptions(config.partition);
}

absl::Status SetServer(const v1::Server& source, ServerOptions& server) {
  const v1::Tls& tls = source.tls();
  if (!IsHostPort(source.listen(), /*min_port=*/0)) {
    return FieldError("server.listen", absl::StrCat("'", source.listen(), "'"),
                      "HOST:PORT, such as 0.0.0.0:9092");
  }
  if (tls.certificate().empty() != tls.private_key().empty()) {
    return FieldError(
        tls.certificate().empty() ? "server.tls.certificate" : "server.tls.private_key",
        "not given", "a PEM file: certificate and private_key belong together");
  }
  if (!tls.client_ca().empty() && tls.certificate().empty()) {
    return FieldError("server.tls.client_ca", "given",
                      "only together with certificate and private_key");
  }
  server = {.listen = source.listen(),
            .certificate_file = tls.certificate(),
            .private_key_file = tls.private_key(),
            .client_ca_file = tls.client_ca()};
  return absl::OkStatus();
}

absl::Status SetConfig(const v1::Config& source, LoadedConfig& config) {
  config.seed = source.seed();
  TERN_RETURN_IF_ERROR(SetData(source.data(), config));
  TERN_RETURN_IF_ERROR(SetPopulation(source, config));
  TERN_RETURN_IF_ERROR(SetTask(source.task(), source.seed(), config.task));
  TERN_RETURN_IF_ERROR(SetServer(source.server(), config.server));
  config.evaluate_every = source.task().evaluate().every();
  if (config.evaluate_every < 0) {
    return FieldError("task.evaluate.every", absl::StrCat(config.evaluate_every), "0 or more");
  }
  return SetLab(source, config);
}

// A message begins with the field that it is about; says where that field was given.
absl::Status WithOrigin(const absl::Status& status, const std::string& path,
                        const FieldOrigins& origins) {
  const absl::string_view message = status.message();
  const auto end = std::find_if_not(message.begin(), message.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == '[' || c == ']';
  });
  const auto found = origins.find(std::string(message.begin(), end));
  return {status.code(),
          absl::StrCat(found == origins.end() ? path : found->second, ": ", message)};
}

}  // namespace

absl::StatusOr<LoadedConfig> LoadConfig(const std::string& path,
                                        const std::vector<std::string>& overrides) {
  v1::Config source;
  FieldOrigins origins;
  TERN_RETURN_IF_ERROR(MergeYamlFile(path, &source, &origins));
  for (const std::string& assignment : overrides) {
    TERN_RETURN_IF_ERROR(MergeOverride(assignment, &source, &origins));
  }
  LoadedConfig config;
  const absl::Status status = SetConfig(source, config);
  if (!status.ok()) return WithOrigin(status, path, origins);
  config.resolved_yaml = ToYaml(source);
  config.config_hash = absl::BytesToHexString(Sha256(config.resolved_yaml));
  return config;
}

}  // namespace tern::server
