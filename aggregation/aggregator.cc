#include "aggregation/aggregator.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "aggregation/mean.h"
#include "core/base/status_macros.h"
#include "core/model/model_spec.h"

namespace tern::aggregation {
namespace {

struct AggregatorEntry {
  absl::string_view name;
  absl::StatusOr<std::unique_ptr<Aggregator>> (*make)(const AggregatorLimits&);
};

constexpr AggregatorEntry kAggregators[] = {
    {"mean", MakeMeanAggregator},
};

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
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Aggregator>> MakeAggregator(absl::string_view name,
                                                           const AggregatorLimits& limits) {
  TERN_RETURN_IF_ERROR(CheckLimits(limits));
  for (const AggregatorEntry& entry : kAggregators) {
    if (entry.name == name) return entry.make(limits);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "no aggregator '", name, "'; there are ",
      absl::StrJoin(kAggregators, ", ", [](std::string* out, const AggregatorEntry& entry) {
        absl::StrAppend(out, entry.name);
      })));
}

}  // namespace tern::aggregation
