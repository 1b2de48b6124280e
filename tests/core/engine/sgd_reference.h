// The update of core/engine/sgd.h written down plainly in doubles, and all combinations of options.
#ifndef TERN_TESTS_CORE_ENGINE_SGD_REFERENCE_H_
#define TERN_TESTS_CORE_ENGINE_SGD_REFERENCE_H_

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "core/engine/sgd.h"

namespace tern::testing {

inline std::string ToString(const SgdOptions& options) {
  return absl::StrCat("momentum ", options.momentum, options.nesterov ? " nesterov" : "",
                      " weight_decay ", options.weight_decay, " clip_norm ", options.clip_norm,
                      " clip_value ", options.clip_value, " proximal_mu ", options.proximal_mu);
}

// Every combination of each option and its absence.
inline std::vector<SgdOptions> SgdOptionGrid(float learning_rate, float clip_norm,
                                             float clip_value) {
  std::vector<SgdOptions> grid;
  for (int bits = 0; bits < 64; ++bits) {
    const auto has = [bits](int bit) { return (bits >> bit & 1) != 0; };
    if (has(1) && !has(0)) continue;
    grid.push_back({.learning_rate = learning_rate,
                    .momentum = has(0) ? 0.9f : 0.0f,
                    .nesterov = has(1),
                    .weight_decay = has(2) ? 0.3f : 0.0f,
                    .clip_norm = has(3) ? clip_norm : 0.0f,
                    .clip_value = has(4) ? clip_value : 0.0f,
                    .proximal_mu = has(5) ? 0.7f : 0.0f});
  }
  return grid;
}

// All `size` parameters of a model.
inline TrainedParameters AllTrained(size_t size) {
  const auto count = static_cast<int64_t>(size);
  const TrainedRange all = {.begin = 0, .size = count, .offset = 0};
  return {.of_parameter = {all}, .ranges = {all}, .size = count};
}

// The vectors that options ask for, no more.
class SgdMemory {
 public:
  SgdMemory(const SgdOptions& options, const std::vector<float>& start)
      : velocity_(options.needs_velocity() ? start.size() : 0),
        gradient_(options.needs_gradient() ? start.size() : 0, std::nanf("")),
        start_(options.needs_start() ? start : std::vector<float>()) {}

  SgdVectors vectors() {
    return {.velocity = absl::MakeSpan(velocity_),
            .gradient = absl::MakeSpan(gradient_),
            .start = start_};
  }

 private:
  std::vector<float> velocity_;
  std::vector<float> gradient_;
  std::vector<float> start_;
};

class SgdReference {
 public:
  SgdReference(const SgdOptions& options, const std::vector<float>& start)
      : parameters(start.begin(), start.end()),
        options_(options),
        start_(parameters),
        velocity_(start.size(), 0.0) {}

  // `gradient` is of the loss, at `parameters`.
  void Step(const std::vector<float>& gradient) {
    const double clip_value = options_.clip_value > 0.0f ? options_.clip_value : HUGE_VAL;
    std::vector<double> g(gradient.begin(), gradient.end());
    double squares = 0.0;
    for (size_t i = 0; i < g.size(); ++i) {
      g[i] += double{options_.proximal_mu} * (parameters[i] - start_[i]);
      g[i] = std::clamp(g[i], -clip_value, clip_value);
      squares += g[i] * g[i];
    }
    const double ratio = double{options_.clip_norm} / (std::sqrt(squares) + 1e-6);
    const double scale = options_.clip_norm > 0.0f ? std::min(1.0, ratio) : 1.0;
    for (size_t i = 0; i < g.size(); ++i) {
      const double d = scale * g[i] + double{options_.weight_decay} * parameters[i];
      velocity_[i] = double{options_.momentum} * velocity_[i] + d;
      const double direction =
          options_.nesterov ? d + double{options_.momentum} * velocity_[i] : velocity_[i];
      parameters[i] -= double{options_.learning_rate} * direction;
    }
  }

  std::vector<double> parameters;

 private:
  const SgdOptions options_;
  const std::vector<double> start_;
  std::vector<double> velocity_;
};

}  // namespace tern::testing

#endif  // TERN_TESTS_CORE_ENGINE_SGD_REFERENCE_H_
