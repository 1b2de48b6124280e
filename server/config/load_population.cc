#include "server/config/load_population.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "core/base/status_macros.h"
#include "tern/v1/config.pb.h"

namespace tern::server {
namespace {

// Thirty years: longer than any simulation, short enough for every sum of times.
constexpr double kMaxSeconds = 1e9;
constexpr double kFractionTolerance = 1e-6;
constexpr absl::string_view kAvailabilityKinds[] = {"always", "diurnal", "markov", "trace"};
constexpr absl::string_view kAttackKinds[] = {"none",     "label_flip",        "sign_flip",
                                              "gaussian", "model_replacement", "alie",
                                              "ipm",      "free_rider"};
constexpr double kMaxAttackScale = 1e6;

absl::Status CheckRange(absl::string_view field, double value, double min, double max) {
  if (value >= min && value <= max) return absl::OkStatus();  // false for NaN
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", value, ", expected ", min, " to ", max));
}

AvailabilityOptions FromProto(const v1::Availability& source) {
  return {.kind = source.kind(),
          .peak = source.peak(),
          .trough = source.trough(),
          .peak_hour = source.peak_hour(),
          .mean_on_s = source.mean_on_s(),
          .mean_off_s = source.mean_off_s(),
          .file = source.file()};
}

AttackOptions FromProto(const v1::Attack& source) {
  return {.kind = source.kind(),
          .fraction = source.fraction(),
          .per_cohort = source.per_cohort(),
          .scale = source.scale()};
}

absl::Status SetGroup(const v1::DeviceGroup& source, absl::string_view path,
                      DeviceGroupOptions& group) {
  group = {.profile = source.profile(),
           .fraction = source.fraction(),
           .network = source.network(),
           .ram_bytes = source.ram_bytes(),
           .availability = FromProto(source.availability())};
  if (group.profile.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " has no profile, expected a name or a YAML file"));
  }
  if (!(group.fraction > 0.0 && group.fraction <= 1.0)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ".fraction is ", group.fraction, ", expected above 0 and at most 1"));
  }
  if (group.ram_bytes < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ".ram_bytes is ", group.ram_bytes, ", expected 0 or more"));
  }
  const absl::Status status = ValidateAvailabilityOptions(group.availability);
  if (status.ok()) return status;
  return {status.code(), absl::StrCat(path, ".", status.message())};
}

}  // namespace

absl::Status SetPopulation(const v1::Config& source, LoadedConfig& config) {
  double sum = 0.0;
  for (int i = 0; i < source.population_size(); ++i) {
    DeviceGroupOptions& group = config.population.emplace_back();
    TERN_RETURN_IF_ERROR(
        SetGroup(source.population(i), absl::StrCat("population[", i, "]"), group));
    sum += group.fraction;
  }
  if (!config.population.empty() && std::abs(sum - 1.0) > kFractionTolerance) {
    return absl::InvalidArgumentError(
        absl::StrCat("population has fractions that add up to ", sum, ", expected 1"));
  }
  const double spread = source.simulation().check_in_spread_s();
  TERN_RETURN_IF_ERROR(CheckRange("simulation.check_in_spread_s", spread, 0.0, kMaxSeconds));
  config.simulation = {.train_dropped = source.simulation().train_dropped(),
                       .check_in_spread = absl::Seconds(spread),
                       .attack = FromProto(source.simulation().attack())};
  const absl::Status attack = ValidateAttackOptions(config.simulation.attack);
  if (attack.ok()) return attack;
  return {attack.code(), absl::StrCat("simulation.", attack.message())};
}

absl::Status ValidateAvailabilityOptions(const AvailabilityOptions& options) {
  if (std::find(std::begin(kAvailabilityKinds), std::end(kAvailabilityKinds), options.kind) ==
      std::end(kAvailabilityKinds)) {
    return absl::InvalidArgumentError(absl::StrCat("availability.kind is '", options.kind,
                                                   "', expected one of ",
                                                   absl::StrJoin(kAvailabilityKinds, ", ")));
  }
  if (options.kind == "diurnal") {
    TERN_RETURN_IF_ERROR(CheckRange("availability.peak", options.peak, 0.0, 1.0));
    TERN_RETURN_IF_ERROR(CheckRange("availability.trough", options.trough, 0.0, options.peak));
    return CheckRange("availability.peak_hour", options.peak_hour, 0.0, 24.0);
  }
  if (options.kind == "markov") {
    TERN_RETURN_IF_ERROR(CheckRange("availability.mean_on_s", options.mean_on_s, 1.0, kMaxSeconds));
    return CheckRange("availability.mean_off_s", options.mean_off_s, 1.0, kMaxSeconds);
  }
  if (options.kind == "trace" && options.file.empty()) {
    return absl::InvalidArgumentError(
        "availability.file is not given, expected a CSV file with the header client,start_s,end_s");
  }
  return absl::OkStatus();
}

std::vector<std::string> AttackNames() {
  return {std::begin(kAttackKinds), std::end(kAttackKinds)};
}

absl::Status ValidateAttackOptions(const AttackOptions& options) {
  if (std::find(std::begin(kAttackKinds), std::end(kAttackKinds), options.kind) ==
      std::end(kAttackKinds)) {
    return absl::InvalidArgumentError(absl::StrCat("attack.kind is '", options.kind,
                                                   "', expected one of ",
                                                   absl::StrJoin(kAttackKinds, ", ")));
  }
  TERN_RETURN_IF_ERROR(CheckRange("attack.fraction", options.fraction, 0.0, 1.0));
  return CheckRange("attack.scale", options.scale, 0.0, kMaxAttackScale);
}

}  // namespace tern::server
