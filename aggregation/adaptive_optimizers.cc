#include "aggregation/adaptive_optimizers.h"

#include <cmath>
#include <string>

#include "aggregation/stateful_optimizer.h"
#include "core/base/simd_clones.h"

namespace tern::aggregation {
namespace {

enum class Rule { kAdagrad, kAdam, kYogi };

// The exponent of the betas in step t is t + `behind`.
struct Correction {
  bool exists = false;
  int64_t behind = 0;
};

// What a variant makes of a rule.
struct Variant {
  float tau = 0.0f;
  double initial_v = 0.0;
  Correction correction = {};
  bool has_beta1 = true;
  bool tau_under_root = false;
};

Variant VariantOf(Rule rule, const ServerOptimizerOptions& options) {
  Variant variant;
  switch (options.variant) {
    case AdaptiveVariant::kPaper:
      variant = {.tau = 1e-3f};
      break;
    case AdaptiveVariant::kFlower:
      variant = {.tau = 1e-3f, .has_beta1 = rule != Rule::kAdagrad};
      if (rule == Rule::kAdam) {
        variant.tau = 1e-9f;
        variant.correction = {.exists = true, .behind = 1};
      }
      break;
    case AdaptiveVariant::kTff:
      if (rule == Rule::kAdagrad) {
        variant = {.tau = 1e-7f, .initial_v = 0.1, .has_beta1 = false, .tau_under_root = true};
      } else if (rule == Rule::kAdam) {
        variant = {.tau = 1e-7f, .correction = {.exists = true}};
      } else {
        variant = {.tau = 1e-3f, .initial_v = 1e-6, .correction = {.exists = true}};
      }
      break;
  }
  if (options.tau > 0.0f) variant.tau = options.tau;
  if (options.variant == AdaptiveVariant::kPaper) {
    variant.initial_v = static_cast<double>(variant.tau) * static_cast<double>(variant.tau);
  }
  return variant;
}

struct Coefficients {
  double rate;  // eta c
  double beta1;
  double beta2;
  double under_root;  // sqrt(v + under_root) + beside_root
  double beside_root;
};

struct Vectors {
  const float* __restrict d;
  float* __restrict m;
  float* __restrict v;
  float* __restrict w;
  int64_t count;
};

inline void MoveBy(const Coefficients& by, const Vectors& of, int64_t i, double next_v) {
  const double next_m = by.beta1 * of.m[i] + (1.0 - by.beta1) * of.d[i];
  const double root = std::sqrt(next_v + by.under_root) + by.beside_root;
  of.m[i] = static_cast<float>(next_m);
  of.v[i] = static_cast<float>(next_v);
  of.w[i] = static_cast<float>(of.w[i] + by.rate * next_m / root);
}

inline double Square(float value) {
  return static_cast<double>(value) * static_cast<double>(value);
}

TERN_SIMD_CLONES void AdagradStep(const Coefficients& by, const Vectors& of) {
  for (int64_t i = 0; i < of.count; ++i) MoveBy(by, of, i, of.v[i] + Square(of.d[i]));
}

TERN_SIMD_CLONES void AdamStep(const Coefficients& by, const Vectors& of) {
  for (int64_t i = 0; i < of.count; ++i) {
    MoveBy(by, of, i, by.beta2 * of.v[i] + (1.0 - by.beta2) * Square(of.d[i]));
  }
}

TERN_SIMD_CLONES void YogiStep(const Coefficients& by, const Vectors& of) {
  for (int64_t i = 0; i < of.count; ++i) {
    const double square = Square(of.d[i]);
    const double v = of.v[i];
    const double towards = v > square ? -square : (v < square ? square : 0.0);
    MoveBy(by, of, i, v + (1.0 - by.beta2) * towards);
  }
}

class AdaptiveOptimizer final : public StatefulOptimizer {
 public:
  AdaptiveOptimizer(Rule rule, const ServerOptimizerOptions& options)
      : AdaptiveOptimizer(rule, options, VariantOf(rule, options)) {}

 private:
  AdaptiveOptimizer(Rule rule, const ServerOptimizerOptions& options, const Variant& variant)
      : StatefulOptimizer(options, NameOf(options), {0.0f, static_cast<float>(variant.initial_v)}),
        rule_(rule),
        variant_(variant) {}

  static std::string NameOf(const ServerOptimizerOptions& options) {
    switch (options.variant) {
      case AdaptiveVariant::kPaper:
        return options.name + " (paper)";
      case AdaptiveVariant::kFlower:
        return options.name + " (flower)";
      case AdaptiveVariant::kTff:
        return options.name + " (tff)";
    }
    return options.name;
  }

  absl::Status Step(absl::Span<float> parameters, const ServerStep& step,
                    State& state) const override {
    const Coefficients by = CoefficientsOf(step, state.steps);
    const Vectors of = {.d = step.aggregate.data(),
                        .m = state.vectors[0].data(),
                        .v = state.vectors[1].data(),
                        .w = parameters.data(),
                        .count = static_cast<int64_t>(parameters.size())};
    switch (rule_) {
      case Rule::kAdagrad:
        AdagradStep(by, of);
        break;
      case Rule::kAdam:
        AdamStep(by, of);
        break;
      case Rule::kYogi:
        YogiStep(by, of);
        break;
    }
    return absl::OkStatus();
  }

  Coefficients CoefficientsOf(const ServerStep& step, int64_t number) const {
    Coefficients by = {
        .rate = static_cast<double>(options().learning_rate) * step.learning_rate_factor,
        .beta1 = variant_.has_beta1 ? options().beta1 : 0.0,
        .beta2 = options().beta2,
        .under_root = variant_.tau_under_root ? variant_.tau : 0.0,
        .beside_root = variant_.tau_under_root ? 0.0 : variant_.tau};
    if (variant_.correction.exists) {
      const auto t = static_cast<double>(number + variant_.correction.behind);
      by.rate *= std::sqrt(1.0 - std::pow(by.beta2, t)) / (1.0 - std::pow(by.beta1, t));
    }
    return by;
  }

  const Rule rule_;
  const Variant variant_;
};

}  // namespace

std::unique_ptr<ServerOptimizer> MakeFedAdagrad(const ServerOptimizerOptions& options) {
  return std::make_unique<AdaptiveOptimizer>(Rule::kAdagrad, options);
}

std::unique_ptr<ServerOptimizer> MakeFedAdam(const ServerOptimizerOptions& options) {
  return std::make_unique<AdaptiveOptimizer>(Rule::kAdam, options);
}

std::unique_ptr<ServerOptimizer> MakeFedYogi(const ServerOptimizerOptions& options) {
  return std::make_unique<AdaptiveOptimizer>(Rule::kYogi, options);
}

}  // namespace tern::aggregation
