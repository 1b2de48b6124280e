#include "aggregation/server_optimizer.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/check.h"

namespace tern::aggregation {
namespace {

absl::Status CheckFinite(absl::Span<const float> parameters) {
  if (std::all_of(parameters.begin(), parameters.end(),
                  [](float value) { return std::isfinite(value); })) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      "the step makes parameters that are not finite; lower strategy.learning_rate");
}

class FedAvg final : public ServerOptimizer {
 public:
  explicit FedAvg(const ServerOptimizerOptions& options) : learning_rate_(options.learning_rate) {}

  absl::Status Apply(absl::Span<float> parameters, absl::Span<const float> aggregate) override {
    TERN_CHECK(parameters.size() == aggregate.size());
    for (size_t i = 0; i < parameters.size(); ++i) parameters[i] += learning_rate_ * aggregate[i];
    return CheckFinite(parameters);
  }

 private:
  const float learning_rate_;
};

class FedAvgM final : public ServerOptimizer {
 public:
  explicit FedAvgM(const ServerOptimizerOptions& options)
      : learning_rate_(options.learning_rate), momentum_(options.momentum) {}

  absl::Status Apply(absl::Span<float> parameters, absl::Span<const float> aggregate) override {
    TERN_CHECK(parameters.size() == aggregate.size());
    std::vector<float> velocity = velocity_;
    velocity.resize(parameters.size());
    for (size_t i = 0; i < parameters.size(); ++i) {
      velocity[i] = momentum_ * velocity[i] + aggregate[i];
      parameters[i] += learning_rate_ * velocity[i];
    }
    const absl::Status status = CheckFinite(parameters);
    if (status.ok()) velocity_ = std::move(velocity);
    return status;
  }

 private:
  const float learning_rate_;
  const float momentum_;
  std::vector<float> velocity_;
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
    {"fedavg", Make<FedAvg>},
    {"fedavgm", Make<FedAvgM>},
};

}  // namespace

absl::StatusOr<std::unique_ptr<ServerOptimizer>> MakeServerOptimizer(
    const ServerOptimizerOptions& options) {
  if (!(options.learning_rate > 0.0f) || !std::isfinite(options.learning_rate)) {
    return absl::InvalidArgumentError(absl::StrCat("server optimizer '", options.name,
                                                   "': learning_rate is ", options.learning_rate,
                                                   ", expected finite and > 0"));
  }
  if (!(options.momentum >= 0.0f && options.momentum < 1.0f)) {
    return absl::InvalidArgumentError(absl::StrCat("server optimizer '", options.name,
                                                   "': momentum is ", options.momentum,
                                                   ", expected 0 or more, below 1"));
  }
  for (const OptimizerEntry& entry : kOptimizers) {
    if (entry.name == options.name) return entry.make(options);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "no server optimizer '", options.name, "'; there are ",
      absl::StrJoin(kOptimizers, ", ", [](std::string* out, const OptimizerEntry& entry) {
        absl::StrAppend(out, entry.name);
      })));
}

}  // namespace tern::aggregation
