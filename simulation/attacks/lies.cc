#include "simulation/attacks/lies.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/check.h"
#include "core/base/random_distributions.h"

namespace tern::simulation {
namespace {

double ScaleOr(const LieInputs& inputs, double own) {
  return inputs.scale > 0.0 ? inputs.scale : own;
}

void Multiply(double factor, absl::Span<float> update) {
  for (float& value : update) value = static_cast<float>(factor * value);
}

void FillWithNoise(double deviation, const RandomKey& key, absl::Span<float> update) {
  RandomStream random(key);
  for (float& value : update) value = static_cast<float>(deviation * NextNormal(random));
}

void FlipSign(const LieInputs& inputs, absl::Span<float> update) {
  Multiply(-ScaleOr(inputs, 1.0), update);
}

void SendNoise(const LieInputs& inputs, absl::Span<float> update) {
  FillWithNoise(ScaleOr(inputs, 1.0), inputs.key, update);
}

void ReplaceModel(const LieInputs& inputs, absl::Span<float> update) {
  const double boost =
      static_cast<double>(inputs.cohort_size) / static_cast<double>(inputs.num_attackers);
  Multiply(ScaleOr(inputs, boost), update);
}

void SendALittle(const LieInputs& inputs, absl::Span<float> update) {
  const double z =
      inputs.scale > 0.0 ? inputs.scale : AlieScale(inputs.cohort_size, inputs.num_attackers);
  for (size_t i = 0; i < update.size(); ++i) {
    update[i] =
        static_cast<float>(inputs.honest->mean(i) - z * inputs.honest->standard_deviation(i));
  }
}

void TurnMeanRound(const LieInputs& inputs, absl::Span<float> update) {
  const double epsilon = ScaleOr(inputs, 0.5);
  for (size_t i = 0; i < update.size(); ++i) {
    update[i] = static_cast<float>(-epsilon * inputs.honest->mean(i));
  }
}

void SendNothing(const LieInputs& inputs, absl::Span<float> update) {
  std::fill(update.begin(), update.end(), 0.0f);
  if (inputs.scale > 0.0) FillWithNoise(inputs.scale, inputs.key, update);
}

constexpr LieKind kLies[] = {
    {.name = "none"},
    {.name = "label_flip", .flips_labels = true},
    {.name = "sign_flip", .tell = FlipSign},
    {.name = "gaussian", .tell = SendNoise},
    {.name = "model_replacement", .flips_labels = true, .tell = ReplaceModel},
    {.name = "alie", .knows_honest = true, .tell = SendALittle},
    {.name = "ipm", .knows_honest = true, .tell = TurnMeanRound},
    {.name = "free_rider", .tell = SendNothing},
};

// Phi^-1 by bisection. 0 < probability < 1.
double NormalQuantile(double probability) {
  double low = -40.0, high = 40.0;  // beyond them Phi is 0 or 1 to a double
  for (int i = 0; i < 100; ++i) {
    const double middle = 0.5 * (low + high);
    const double below = 0.5 * std::erfc(-middle / std::numbers::sqrt2);
    (below < probability ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace

const LieKind& FindLie(absl::string_view name) {
  const auto* found = std::find_if(std::begin(kLies), std::end(kLies),
                                   [name](const LieKind& kind) { return kind.name == name; });
  TERN_CHECK(found != std::end(kLies));
  return *found;
}

double AlieScale(int64_t cohort_size, int64_t num_attackers) {
  const int64_t honest = cohort_size - num_attackers;
  const int64_t needed = std::max(int64_t{1}, cohort_size / 2 + 1 - num_attackers);
  if (2 * needed >= honest) return 0.0;
  return NormalQuantile(static_cast<double>(honest - needed) / static_cast<double>(honest));
}

}  // namespace tern::simulation
