#include "aggregation/aggregator.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "aggregation/mean.h"
#include "aggregation/robust/robust_aggregator.h"
#include "core/base/status_macros.h"
#include "core/model/model_spec.h"

namespace tern::aggregation {
namespace {

// A rule that consumes updates as they come.
struct StreamingEntry {
  absl::string_view name;
  absl::StatusOr<std::unique_ptr<Aggregator>> (*make)(const AggregatorOptions&,
                                                      const AggregatorLimits&);
  bool takes_submodels;
};

constexpr StreamingEntry kStreaming[] = {
    {"mean", MakeMean, true},
    {"norm_clip", MakeNormClip, true},
    {"fednova", MakeFedNova, true},
    {"qfedavg", MakeQFedAvg, false},
};

const StreamingEntry* FindStreaming(absl::string_view name) {
  const auto* const found =
      std::find_if(std::begin(kStreaming), std::end(kStreaming),
                   [name](const StreamingEntry& entry) { return entry.name == name; });
  return found == std::end(kStreaming) ? nullptr : found;
}

absl::Status UnknownName(absl::string_view name) {
  std::vector<std::string> names;
  for (const StreamingEntry& entry : kStreaming) names.emplace_back(entry.name);
  for (std::string& robust : RobustRuleNames()) names.push_back(std::move(robust));
  return absl::InvalidArgumentError(
      absl::StrCat("no aggregator '", name, "'; there are ", absl::StrJoin(names, ", ")));
}

absl::Status CheckLimits(const AggregatorLimits& limits) {
  if (limits.count < 1 || limits.count > kMaxElements) {
    return absl::InvalidArgumentError(
        absl::StrCat("aggregator: count is ", limits.count, ", expected 1 to ", kMaxElements));
  }
  if (!(limits.max_update_abs > 0.0f) || !std::isfinite(limits.max_update_abs)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "aggregator: max_update_abs is ", limits.max_update_abs, ", expected finite and > 0"));
  }
  if (limits.max_total_weight < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "aggregator: max_total_weight is ", limits.max_total_weight, ", expected at least 1"));
  }
  if (limits.max_updates < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("aggregator: max_updates is ", limits.max_updates, ", expected at least 1"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Aggregator>> MakeAggregator(const AggregatorOptions& options,
                                                           const AggregatorLimits& limits) {
  TERN_RETURN_IF_ERROR(CheckLimits(limits));
  if (const StreamingEntry* const entry = FindStreaming(options.name)) {
    return entry->make(options, limits);
  }
  if (IsRobustRule(options.name)) return MakeRobustAggregator(options, limits);
  return UnknownName(options.name);
}

bool ReadsUpdatesBack(absl::string_view name) { return IsRobustRule(name); }

bool TakesSubmodels(absl::string_view name) {
  const StreamingEntry* const entry = FindStreaming(name);
  return entry != nullptr ? entry->takes_submodels : RobustRuleTakesSubmodels(name);
}

}  // namespace tern::aggregation
