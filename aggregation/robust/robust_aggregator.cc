#include "aggregation/robust/robust_aggregator.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "aggregation/robust/bulyan.h"
#include "aggregation/robust/centered_clip.h"
#include "aggregation/robust/centers.h"
#include "aggregation/robust/coordinate_rules.h"
#include "aggregation/robust/fltrust.h"
#include "aggregation/robust/geometric_median.h"
#include "aggregation/robust/kept_updates.h"
#include "aggregation/robust/krum.h"
#include "aggregation/robust/rule.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"

namespace tern::aggregation {
namespace {

constexpr int64_t kMaxIterations = 1000;

absl::Status CheckNothing(const AggregatorOptions& /*options*/, int64_t /*n*/) {
  return absl::OkStatus();
}

absl::Status CheckTrim(const AggregatorOptions& options, int64_t /*n*/) {
  if (options.trim >= 0.0f && options.trim < 0.5f) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("trimmed_mean: trim is ", options.trim, ", expected at least 0 and below 0.5"));
}

absl::Status CheckPairs(const AggregatorOptions& options, int64_t n) {
  if (n <= kMaxPairedUpdates) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(options.name, " compares all pairs of n = ", n,
                                                 " updates, expected at most ", kMaxPairedUpdates));
}

// Which selects one update after another.
absl::Status CheckBulyan(const AggregatorOptions& /*options*/, int64_t n) {
  if (n <= kMaxBulyanUpdates) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("bulyan takes time n^3: n = ", n, ", expected at most ", kMaxBulyanUpdates));
}

absl::Status CheckKeep(const AggregatorOptions& options, int64_t n) {
  TERN_RETURN_IF_ERROR(CheckPairs(options, n));
  if (options.keep >= 0 && options.keep <= n) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("multi_krum: keep is ", options.keep, ", expected 0 to n = ", n));
}

absl::Status CheckIterations(const AggregatorOptions& options) {
  if (options.iterations >= 0 && options.iterations <= kMaxIterations) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      options.name, ": iterations is ", options.iterations, ", expected 0 to ", kMaxIterations));
}

absl::Status CheckPositive(const AggregatorOptions& options, absl::string_view what, float value) {
  if (value > 0.0f && std::isfinite(value)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(options.name, ": ", what, " is ", value, ", expected finite and > 0"));
}

absl::Status CheckSmoothing(const AggregatorOptions& options, int64_t /*n*/) {
  TERN_RETURN_IF_ERROR(CheckIterations(options));
  return CheckPositive(options, "smoothing", options.smoothing);
}

absl::Status CheckClip(const AggregatorOptions& options, int64_t /*n*/) {
  TERN_RETURN_IF_ERROR(CheckIterations(options));
  return CheckPositive(options, "clip_norm", options.clip_norm);
}

struct Rule {
  absl::string_view name;
  bool takes_submodels;
  // Needs n >= per_attacker * f + more; where per_attacker is 0 it does not look at f.
  int64_t per_attacker;
  int64_t more;
  // Of its other options, for n updates.
  absl::Status (*check)(const AggregatorOptions& options, int64_t n);
  RuleFunction compute;
};

constexpr Rule kRules[] = {
    {"median", true, 2, 1, CheckNothing, CoordinateMedian},
    {"trimmed_mean", true, 2, 1, CheckTrim, TrimmedMean},
    {"krum", false, 2, 3, CheckPairs, Krum},
    {"multi_krum", false, 2, 3, CheckKeep, MultiKrum},
    {"bulyan", false, 4, 3, CheckBulyan, Bulyan},
    {"geometric_median", false, 2, 1, CheckSmoothing, GeometricMedian},
    {"centered_clip", false, 2, 1, CheckClip, CenteredClip},
    {"fltrust", false, 0, 1, CheckNothing, FlTrust},
};

const Rule* FindRule(absl::string_view name) {
  const auto* const found = std::find_if(std::begin(kRules), std::end(kRules),
                                         [name](const Rule& rule) { return rule.name == name; });
  return found == std::end(kRules) ? nullptr : found;
}

absl::Status CheckRule(const Rule& rule, const AggregatorOptions& options, int64_t n) {
  const int64_t f = options.attackers;
  if (f < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(rule.name, ": attackers is ", f, ", expected at least 0"));
  }
  if (rule.per_attacker == 0 && n < rule.more) {
    return absl::InvalidArgumentError(
        absl::StrCat(rule.name, " needs n >= ", rule.more, ": n = ", n));
  }
  if (rule.per_attacker > 0 && (n < rule.more || f > (n - rule.more) / rule.per_attacker)) {
    return absl::InvalidArgumentError(absl::StrCat(rule.name, " needs n >= ", rule.per_attacker,
                                                   "f + ", rule.more, ": n = ", n, ", f = ", f));
  }
  return rule.check(options, n);
}

class RobustAggregator final : public Aggregator {
 public:
  RobustAggregator(const Rule& rule, const AggregatorOptions& options,
                   const AggregatorLimits& limits)
      : rule_(rule),
        options_(options),
        count_(limits.count),
        updates_(options, limits, rule.takes_submodels) {}

  void Accumulate(const EncodedUpdate& update, const UpdateFacts& facts,
                  const std::shared_ptr<const CoordinateSet>& coordinates) override {
    updates_.Add(update, facts, coordinates);
  }

  void Merge(Aggregator&& other) override {
    auto* const robust = dynamic_cast<RobustAggregator*>(&other);
    TERN_CHECK(robust != nullptr);
    updates_.Merge(std::move(robust->updates_));
  }

  absl::StatusOr<Aggregate> Report(const ReportInputs& inputs) && override {
    TERN_ASSIGN_OR_RETURN(const absl::Span<const KeptUpdate> updates, updates_.Sorted());
    const auto n = static_cast<int64_t>(updates.size());
    if (n == 0) {
      return absl::FailedPreconditionError(
          absl::StrCat(rule_.name, ": no update was accumulated, expected at least 1"));
    }
    const absl::Status enough = CheckRule(rule_, options_, n);
    if (!enough.ok()) return absl::FailedPreconditionError(enough.message());
    absl::StatusOr<std::vector<float>> values =
        rule_.compute({.updates = updates, .count = count_, .options = options_, .given = inputs});
    updates_.Clear();
    if (!values.ok()) return values.status();
    return Aggregate{.values = *std::move(values), .num_updates = n};
  }

  std::string Serialize() const override { return updates_.Serialize(); }

  absl::Status Deserialize(absl::string_view bytes) override {
    const absl::Status status = updates_.Deserialize(bytes);
    if (status.ok()) return status;
    return absl::DataLossError(absl::StrCat(rule_.name, ": ", status.message()));
  }

 private:
  const Rule& rule_;
  const AggregatorOptions options_;
  const int64_t count_;
  KeptUpdates updates_;
};

}  // namespace

std::vector<std::string> RobustRuleNames() {
  std::vector<std::string> names;
  for (const Rule& rule : kRules) names.emplace_back(rule.name);
  return names;
}

bool IsRobustRule(absl::string_view name) { return FindRule(name) != nullptr; }

bool RobustRuleTakesSubmodels(absl::string_view name) {
  const Rule* const rule = FindRule(name);
  return rule != nullptr && rule->takes_submodels;
}

absl::StatusOr<std::unique_ptr<Aggregator>> MakeRobustAggregator(const AggregatorOptions& options,
                                                                 const AggregatorLimits& limits) {
  const Rule* const rule = FindRule(options.name);
  if (rule == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("no robust aggregator '", options.name,
                                                   "'; there are ",
                                                   absl::StrJoin(RobustRuleNames(), ", ")));
  }
  if (!(limits.max_update_abs <= kMaxComparedAbs)) {
    return absl::InvalidArgumentError(absl::StrCat(rule->name, ": max_update_abs is ",
                                                   limits.max_update_abs, ", expected at most ",
                                                   kMaxComparedAbs));
  }
  TERN_RETURN_IF_ERROR(CheckRule(*rule, options, limits.max_updates));
  return std::make_unique<RobustAggregator>(*rule, options, limits);
}

}  // namespace tern::aggregation
