#include "server/config/load_lab.h"

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "core/base/status_macros.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/text_format.h"
#include "server/config/load_population.h"
#include "server/config/load_strategy.h"
#include "tern/v1/config.pb.h"

namespace tern::server {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr absl::string_view kPath = "simulation.lab";

// Appends "field=value" for what of `options` is not as in `defaults`; behind `path`.
void AppendDifferences(const std::string& path, const Message& options, const Message& defaults,
                       std::vector<std::string>& differences) {
  using google::protobuf::TextFormat;
  const auto& type = *options.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const std::string name =
        absl::StrCat(path, field.name() == "attackers" ? "f" : field.name().c_str());
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      AppendDifferences(name + ".", options.GetReflection()->GetMessage(options, &field),
                        defaults.GetReflection()->GetMessage(defaults, &field), differences);
      continue;
    }
    std::string value, default_value;
    TextFormat::PrintFieldValueToString(options, &field, -1, &value);
    TextFormat::PrintFieldValueToString(defaults, &field, -1, &default_value);
    if (value == default_value) continue;
    differences.push_back(absl::StrCat(name, "=", absl::StrReplaceAll(value, {{"\"", ""}})));
  }
}

// "krum(f=5)": `kind`, and what else of `options` differs from `defaults`.
std::string NameOf(absl::string_view kind, const Message& options, const Message& defaults) {
  std::vector<std::string> differences;
  AppendDifferences("", options, defaults, differences);
  if (differences.empty()) return std::string(kind);
  return absl::StrCat(kind, "(", absl::StrJoin(differences, ", "), ")");
}

absl::Status FieldError(absl::string_view field, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat(kPath, ".", field, problem));
}

absl::Status AddAttack(const v1::Attack& source, int index, LabOptions& lab) {
  const AttackOptions options = {.kind = source.kind(),
                                 .fraction = source.fraction(),
                                 .per_cohort = source.per_cohort(),
                                 .scale = source.scale()};
  const std::string field = absl::StrCat("attacks[", index, "]");
  const absl::Status status = ValidateAttackOptions(options);
  if (!status.ok()) {
    return FieldError(field, absl::StripPrefix(status.message(), "attack"));
  }
  if (options.kind == "none") return absl::OkStatus();  // is there anyway
  v1::Attack plain;                                     // what the name says, or need not say
  plain.set_kind(source.kind());
  plain.set_per_cohort(source.per_cohort());
  const std::string name = NameOf(source.kind(), source, plain);
  for (const LabOptions::Attack& other : lab.attacks) {
    if (other.name == name) {
      return FieldError(field, absl::StrCat(" is ", name, ", as another, expected another kind, ",
                                            "fraction or scale"));
    }
  }
  lab.attacks.push_back({.name = name, .options = options});
  return absl::OkStatus();
}

absl::Status AddDefence(const v1::Defence& source, int index, const Task& task, LabOptions& lab) {
  const std::string field = absl::StrCat("defences[", index, "]");
  LabOptions::Defence defence = {.name = source.name(), .task = task};
  if (defence.name.empty()) {
    v1::Strategy plain;
    plain.set_aggregator(source.strategy().aggregator());
    defence.name = NameOf(source.strategy().aggregator(), source.strategy(), plain);
  }
  for (const LabOptions::Defence& other : lab.defences) {
    if (other.name == defence.name) {
      return FieldError(field, absl::StrCat(".name is ", defence.name,
                                            ", as another's, expected one of its own"));
    }
  }
  absl::Status status = SetStrategy(source.strategy(), defence.task);
  if (status.ok()) status = ValidateTask(defence.task);
  if (!status.ok()) {
    return {status.code(),
            absl::StrReplaceAll(status.message(),
                                {{"task.strategy", absl::StrCat(kPath, ".", field, ".strategy")}})};
  }
  lab.defences.push_back(std::move(defence));
  return absl::OkStatus();
}

absl::Status SetSeeds(const v1::Lab& source, uint64_t seed, LabOptions& lab) {
  lab.seeds = {source.seeds().begin(), source.seeds().end()};
  if (lab.seeds.empty()) lab.seeds = {seed};
  // The same run twice would look like less noise.
  const std::set<uint64_t> distinct(lab.seeds.begin(), lab.seeds.end());
  if (distinct.size() == lab.seeds.size()) return absl::OkStatus();
  return FieldError("seeds", " has a seed twice, expected each once");
}

}  // namespace

absl::Status SetLab(const v1::Config& source, LoadedConfig& config) {
  const v1::Lab& lab = source.simulation().lab();
  if (lab.attacks().empty()) {
    if (lab.defences().empty() && lab.seeds().empty()) return absl::OkStatus();
    return FieldError("attacks", " is empty, expected at least one");
  }
  if (lab.defences().empty()) return FieldError("defences", " is empty, expected at least one");
  if (config.simulation.attack.kind != "none") {
    return absl::InvalidArgumentError(
        absl::StrCat("simulation.attack.kind is ", config.simulation.attack.kind,
                     ", expected none where simulation.lab.attacks says what to try"));
  }
  if (config.evaluate_every == 0) {
    return absl::InvalidArgumentError(
        "task.evaluate.every is 0, expected at least 1: a lab compares accuracies");
  }
  config.lab.attacks.push_back({.name = "none", .options = {}});
  for (int i = 0; i < lab.attacks_size(); ++i) {
    TERN_RETURN_IF_ERROR(AddAttack(lab.attacks(i), i, config.lab));
  }
  for (int i = 0; i < lab.defences_size(); ++i) {
    TERN_RETURN_IF_ERROR(AddDefence(lab.defences(i), i, config.task, config.lab));
  }
  return SetSeeds(lab, source.seed(), config.lab);
}

}  // namespace tern::server
