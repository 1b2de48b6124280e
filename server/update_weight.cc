#include "server/update_weight.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/train/trainer.h"

namespace tern::server {
namespace {

constexpr double kUnit = 1 << 20;  // of custom weights
constexpr double kLargestWeight = 1e9;

int64_t ToUnits(double weight) {
  return std::max(std::llround(weight * kUnit), static_cast<long long>(1));
}

}  // namespace

absl::StatusOr<WeightKind> ParseWeightKind(absl::string_view name) {
  if (name == "examples") return WeightKind::kExamples;
  if (name == "uniform") return WeightKind::kUniform;
  if (name == "custom") return WeightKind::kCustom;
  return absl::InvalidArgumentError(
      absl::StrCat("no weights '", name, "'; there are examples, uniform, custom"));
}

absl::Status ValidateWeightOptions(const WeightOptions& options) {
  const bool is_custom = options.kind == WeightKind::kCustom;
  const double least = is_custom ? 0.0 : 1.0;
  if (!is_custom && options.max_weight == 0.0) return absl::OkStatus();
  if (options.max_weight > 0.0 && options.max_weight >= least &&
      options.max_weight <= kLargestWeight) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "max_weight is ", options.max_weight, ", expected ",
      is_custom ? "above 0: clients choose custom weights themselves" : "0, or 1 and more",
      ", at most ", kLargestWeight));
}

absl::StatusOr<int64_t> WeightOf(const WeightOptions& options, const UpdateReport& report) {
  switch (options.kind) {
    case WeightKind::kExamples:
      return options.max_weight == 0.0
                 ? report.num_examples
                 : std::min(report.num_examples, static_cast<int64_t>(options.max_weight));
    case WeightKind::kUniform:
      return 1;
    case WeightKind::kCustom:
      break;
  }
  const auto given = report.metrics.find(kWeightMetric);
  if (given == report.metrics.end()) {
    return absl::InvalidArgumentError(absl::StrCat("report.metrics has no '", kWeightMetric,
                                                   "', by which the task weights updates"));
  }
  if (!(given->second > 0.0) || !std::isfinite(given->second)) {
    return absl::InvalidArgumentError(absl::StrCat("report.metrics['", kWeightMetric, "'] is ",
                                                   given->second, ", expected finite and above 0"));
  }
  return ToUnits(std::min(given->second, options.max_weight));
}

int64_t MaxWeight(const WeightOptions& options, int64_t max_num_examples) {
  switch (options.kind) {
    case WeightKind::kExamples:
      return options.max_weight == 0.0
                 ? max_num_examples
                 : std::min(max_num_examples, static_cast<int64_t>(options.max_weight));
    case WeightKind::kUniform:
      return 1;
    case WeightKind::kCustom:
      break;
  }
  return ToUnits(options.max_weight);
}

}  // namespace tern::server
