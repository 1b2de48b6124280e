#include "simulation/attacks/honest_updates.h"

#include <cmath>

namespace tern::simulation {

void HonestUpdates::Add(absl::Span<const float> update) {
  mean_.resize(update.size());
  squares_.resize(update.size());
  ++count_;
  const auto count = static_cast<double>(count_);
  for (size_t i = 0; i < update.size(); ++i) {
    const double value = update[i];
    const double distance = value - mean_[i];
    mean_[i] += distance / count;
    squares_[i] += distance * (value - mean_[i]);
  }
}

double HonestUpdates::standard_deviation(size_t i) const {
  if (count_ < 2) return 0.0;
  return std::sqrt(squares_[i] / static_cast<double>(count_ - 1));
}

}  // namespace tern::simulation
