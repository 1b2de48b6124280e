#include "aggregation/server_optimizer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "aggregation/adaptive_optimizers.h"
#include "aggregation/squared_norm.h"
#include "aggregation/stateful_optimizer.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"

namespace tern::aggregation {
namespace {

class FedAvg final : public StatefulOptimizer {
 public:
  explicit FedAvg(const ServerOptimizerOptions& options)
      : StatefulOptimizer(options, options.name, {}) {}

 private:
  absl::Status Step(absl::Span<float> parameters, const ServerStep& step,
                    State& /*state*/) const override {
    const float learning_rate = options().learning_rate * step.learning_rate_factor;
    for (size_t i = 0; i < parameters.size(); ++i) {
      parameters[i] += learning_rate * step.aggregate[i];
    }
    return absl::OkStatus();
  }
};

class FedAvgM final : public StatefulOptimizer {
 public:
  explicit FedAvgM(const ServerOptimizerOptions& options)
      : StatefulOptimizer(options, options.name, {0.0f}) {}

 private:
  absl::Status Step(absl::Span<float> parameters, const ServerStep& step,
                    State& state) const override {
    const float learning_rate = options().learning_rate * step.learning_rate_factor;
    const float momentum = options().momentum;
    std::vector<float>& velocity = state.vectors[0];
    for (size_t i = 0; i < parameters.size(); ++i) {
      velocity[i] = momentum * velocity[i] + step.aggregate[i];
      parameters[i] += learning_rate * velocity[i];
    }
    return absl::OkStatus();
  }
};

class FedExP final : public StatefulOptimizer {
 public:
  explicit FedExP(const ServerOptimizerOptions& options)
      : StatefulOptimizer(options, options.name, {}) {}

 private:
  absl::Status Step(absl::Span<float> parameters, const ServerStep& step,
                    State& /*state*/) const override {
    const double norms = 2.0 * (SquaredNorm(step.aggregate) + options().epsilon);
    const double extrapolation = norms > 0.0 ? std::max(1.0, step.mean_squared_norm / norms) : 1.0;
    const double rate =
        static_cast<double>(options().learning_rate) * step.learning_rate_factor * extrapolation;
    for (size_t i = 0; i < parameters.size(); ++i) {
      parameters[i] = static_cast<float>(parameters[i] + rate * step.aggregate[i]);
    }
    return absl::OkStatus();
  }
};

class FedDyn final : public StatefulOptimizer {
 public:
  explicit FedDyn(const ServerOptimizerOptions& options)
      : StatefulOptimizer(options, options.name, {0.0f}) {}

 private:
  absl::Status Step(absl::Span<float> parameters, const ServerStep& step,
                    State& state) const override {
    if (step.learning_rate_factor != 1.0f) {
      return absl::InvalidArgumentError(
          absl::StrCat("feddyn: the learning rate's factor is ", step.learning_rate_factor,
                       ", expected 1: a constant schedule without warm-up"));
    }
    const double alpha = options().alpha;
    const double share = alpha * step.participation;
    std::vector<float>& h = state.vectors[0];
    for (size_t i = 0; i < parameters.size(); ++i) {
      const double next = h[i] - share * step.aggregate[i];
      h[i] = static_cast<float>(next);
      parameters[i] = static_cast<float>(parameters[i] + (step.aggregate[i] - next / alpha));
    }
    return absl::OkStatus();
  }
};

template <typename Optimizer>
std::unique_ptr<ServerOptimizer> Make(const ServerOptimizerOptions& options) {
  return std::make_unique<Optimizer>(options);
}

struct OptimizerEntry {
  absl::string_view name;
  std::unique_ptr<ServerOptimizer> (*make)(const ServerOptimizerOptions&);
};

constexpr OptimizerEntry kOptimizers[] = {
    {"fedavg", Make<FedAvg>}, {"fedavgm", Make<FedAvgM>}, {"fedadagrad", MakeFedAdagrad},
    {"fedadam", MakeFedAdam}, {"fedyogi", MakeFedYogi},   {"fedexp", Make<FedExP>},
    {"feddyn", Make<FedDyn>},
};

struct VariantEntry {
  absl::string_view name;
  AdaptiveVariant variant;
};

constexpr VariantEntry kVariants[] = {
    {"paper", AdaptiveVariant::kPaper},
    {"flower", AdaptiveVariant::kFlower},
    {"tff", AdaptiveVariant::kTff},
};

template <typename Table>
std::string NamesIn(const Table& table) {
  return absl::StrJoin(
      table, ", ", [](std::string* out, const auto& entry) { absl::StrAppend(out, entry.name); });
}

// An option's value, and what it must be.
struct OptionRange {
  absl::string_view option;
  float value;
  bool zero;    // may be
  float below;  // is less than this; infinity: is finite
};

absl::Status CheckRange(absl::string_view optimizer, const OptionRange& range) {
  const bool large_enough = range.zero ? range.value >= 0.0f : range.value > 0.0f;
  if (large_enough && range.value < range.below) return absl::OkStatus();
  const std::string upper =
      std::isinf(range.below) ? "finite" : absl::StrCat("below ", range.below);
  return absl::InvalidArgumentError(
      absl::StrCat("server optimizer '", optimizer, "': ", range.option, " is ", range.value,
                   ", expected ", range.zero ? "0 or more, " : "above 0, ", upper));
}

absl::Status CheckOptions(const ServerOptimizerOptions& options) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const OptionRange ranges[] = {
      {"learning_rate", options.learning_rate, false, kInfinity},
      {"momentum", options.momentum, true, 1.0f},
      {"beta1", options.beta1, true, 1.0f},
      {"beta2", options.beta2, true, 1.0f},
      {"tau", options.tau, true, kInfinity},
      {"epsilon", options.epsilon, true, kInfinity},
      {"alpha", options.alpha, false, kInfinity},
  };
  for (const OptionRange& range : ranges) {
    TERN_RETURN_IF_ERROR(CheckRange(options.name, range));
  }
  if (options.name == "feddyn" && options.learning_rate != 1.0f) {
    return absl::InvalidArgumentError(absl::StrCat("server optimizer 'feddyn': learning_rate is ",
                                                   options.learning_rate,
                                                   ", expected 1: the method has none"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<AdaptiveVariant> ParseAdaptiveVariant(absl::string_view name) {
  for (const VariantEntry& entry : kVariants) {
    if (entry.name == name) return entry.variant;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "no variant '", name, "' of the adaptive server optimizers; there are ", NamesIn(kVariants)));
}

absl::StatusOr<std::unique_ptr<ServerOptimizer>> MakeServerOptimizer(
    const ServerOptimizerOptions& options) {
  TERN_RETURN_IF_ERROR(CheckOptions(options));
  for (const OptimizerEntry& entry : kOptimizers) {
    if (entry.name == options.name) return entry.make(options);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("no server optimizer '", options.name, "'; there are ", NamesIn(kOptimizers)));
}

}  // namespace tern::aggregation
