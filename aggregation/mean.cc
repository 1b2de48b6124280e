#include "aggregation/mean.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "aggregation/squared_norm.h"
#include "aggregation/streaming_aggregator.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"

namespace tern::aggregation {
namespace {

constexpr double kLeastLoss = 1e-10;  // is added to each

// That an update's norm is bounded by. Twice: what rotates it rounds.
double MaxSquaredNorm(const AggregatorLimits& limits) {
  const double most = limits.max_update_abs;
  return 2.0 * most * most * static_cast<double>(limits.count);
}

SumLimits LimitsOf(const AggregatorLimits& limits) {
  return {.count = limits.count,
          .max_update_abs = limits.max_update_abs,
          .max_total_weight = limits.max_total_weight};
}

absl::Status OutOfRange(absl::string_view rule, absl::string_view option, float value,
                        absl::string_view expected) {
  return absl::InvalidArgumentError(
      absl::StrCat("aggregator '", rule, "': ", option, " is ", value, ", expected ", expected));
}

class Mean final : public StreamingRule {
 public:
  explicit Mean(bool measure_norms) : measure_norms_(measure_norms) {}
  WeightedSums::Term TermOf(const EncodedUpdate& update, const UpdateFacts& facts) const override {
    return {.weight = facts.weight, .statistic = measure_norms_ ? SquaredNorm(update) : 0.0};
  }
  double MeanSquaredNorm(double mean_statistic) const override { return mean_statistic; }

 private:
  const bool measure_norms_;
};

class NormClip final : public StreamingRule {
 public:
  explicit NormClip(double clip_norm) : clip_norm_(clip_norm) {}
  WeightedSums::Term TermOf(const EncodedUpdate& update, const UpdateFacts& facts) const override {
    const double norm = std::sqrt(SquaredNorm(update));
    return {.weight = facts.weight, .factor = norm > clip_norm_ ? clip_norm_ / norm : 1.0};
  }

 private:
  const double clip_norm_;
};

class FedNova final : public StreamingRule {
 public:
  WeightedSums::Term TermOf(const EncodedUpdate& /*update*/,
                            const UpdateFacts& facts) const override {
    const double steps = facts.steps_norm;
    TERN_CHECK(steps >= 1.0 && steps <= kMaxStepsNorm);
    return {.weight = facts.weight, .factor = 1.0 / steps, .statistic = steps};
  }
  double Multiplier(double mean_statistic) const override { return mean_statistic; }
};

class QFedAvg final : public StreamingRule {
 public:
  QFedAvg(double fairness, double client_learning_rate)
      : fairness_(fairness),
        inverse_rate_(1.0 / client_learning_rate),
        max_loss_(fairness == 0.0 ? HUGE_VAL : std::pow(kMaxFairFactor, 1.0 / fairness)) {}

  WeightedSums::Term TermOf(const EncodedUpdate& update, const UpdateFacts& facts) const override {
    TERN_CHECK(facts.start_loss >= 0.0 && std::isfinite(facts.start_loss));
    const double loss = std::min(facts.start_loss + kLeastLoss, max_loss_);
    const double factor = std::min(Power(loss, fairness_), kMaxFairFactor);
    const double statistic = factor + NormTerm(loss, SquaredNorm(update));
    return {.factor = factor, .statistic = statistic};
  }
  // Where all losses are so small that nothing is left of them, so is the step.
  double Multiplier(double mean_statistic) const override {
    return mean_statistic > 0.0 ? 1.0 / mean_statistic : 0.0;
  }

  double MaxStatistic(double max_squared_norm) const {
    const double extreme = fairness_ < 1.0 ? kLeastLoss : max_loss_;
    return kMaxFairFactor + NormTerm(extreme, max_squared_norm);
  }

 private:
  static double Power(double base, double exponent) {
    return static_cast<double>(static_cast<float>(std::pow(base, exponent)));
  }
  double NormTerm(double loss, double squared_norm) const {
    if (fairness_ == 0.0) return 0.0;
    return fairness_ * std::min(Power(loss, fairness_ - 1.0), kMaxFairFactor) * inverse_rate_ *
           squared_norm;
  }

  const double fairness_;
  const double inverse_rate_;  // L
  const double max_loss_;
};

// One or many steps of the recurrence: v and D become rows 0 and 1 of a matrix times (v, D, 1).
struct Steps {
  std::array<double, 3> velocity;
  std::array<double, 3> displacement;
};

std::array<double, 3> Combined(const std::array<double, 3>& row, const Steps& before) {
  std::array<double, 3> combined = {0.0, 0.0, row[2]};
  for (size_t i = 0; i < 3; ++i) {
    combined[i] += row[0] * before.velocity[i] + row[1] * before.displacement[i];
  }
  return combined;
}

// First `before`, then `after`.
Steps Then(const Steps& before, const Steps& after) {
  return {.velocity = Combined(after.velocity, before),
          .displacement = Combined(after.displacement, before)};
}

}  // namespace

double FedNovaStepsNorm(int64_t steps, float momentum, float learning_rate_times_mu) {
  const double keep = momentum;
  const double pull = learning_rate_times_mu;
  // The velocity's row, and D plus it.
  Steps power = {.velocity = {keep, -pull, 1.0}, .displacement = {keep, 1.0 - pull, 1.0}};
  Steps done = {.velocity = {1.0, 0.0, 0.0}, .displacement = {0.0, 1.0, 0.0}};
  for (auto left = static_cast<uint64_t>(std::max<int64_t>(steps, 0)); left > 0; left /= 2) {
    if (left % 2 == 1) done = Then(done, power);
    power = Then(power, power);
  }
  return std::clamp(done.displacement[2], 1.0, kMaxStepsNorm);
}

absl::StatusOr<std::unique_ptr<Aggregator>> MakeMean(const AggregatorOptions& options,
                                                     const AggregatorLimits& limits) {
  SumLimits sum_limits = LimitsOf(limits);
  if (options.measure_norms) sum_limits.max_statistic = MaxSquaredNorm(limits);
  return MakeStreamingAggregator({.name = "mean", .options = {options.measure_norms ? 1.0 : 0.0}},
                                 std::make_unique<Mean>(options.measure_norms), sum_limits);
}

absl::StatusOr<std::unique_ptr<Aggregator>> MakeNormClip(const AggregatorOptions& options,
                                                         const AggregatorLimits& limits) {
  if (!(options.clip_norm > 0.0f) || !std::isfinite(options.clip_norm)) {
    return OutOfRange("norm_clip", "clip_norm", options.clip_norm, "finite and > 0");
  }
  return MakeStreamingAggregator({.name = "norm_clip", .options = {options.clip_norm}},
                                 std::make_unique<NormClip>(options.clip_norm), LimitsOf(limits));
}

absl::StatusOr<std::unique_ptr<Aggregator>> MakeFedNova(const AggregatorOptions& /*options*/,
                                                        const AggregatorLimits& limits) {
  SumLimits sum_limits = LimitsOf(limits);
  sum_limits.max_statistic = kMaxStepsNorm;
  return MakeStreamingAggregator({.name = "fednova"}, std::make_unique<FedNova>(), sum_limits);
}

absl::StatusOr<std::unique_ptr<Aggregator>> MakeQFedAvg(const AggregatorOptions& options,
                                                        const AggregatorLimits& limits) {
  if (!(options.fairness >= 0.0f && options.fairness <= kMaxFairness)) {
    return OutOfRange("qfedavg", "fairness", options.fairness, absl::StrCat("0 to ", kMaxFairness));
  }
  const float rate = options.client_learning_rate;
  if (!(rate > 0.0f) || !std::isfinite(rate)) {
    return OutOfRange("qfedavg", "client_learning_rate", rate, "finite and > 0");
  }
  auto rule = std::make_unique<QFedAvg>(options.fairness, rate);
  SumLimits sum_limits = LimitsOf(limits);
  sum_limits.max_factor = kMaxFairFactor;
  sum_limits.max_total_weight = limits.max_updates;
  sum_limits.max_statistic = rule->MaxStatistic(MaxSquaredNorm(limits));
  return MakeStreamingAggregator({.name = "qfedavg", .options = {options.fairness, rate}},
                                 std::move(rule), sum_limits);
}

}  // namespace tern::aggregation
