// What attackers that know everything know of the honest updates of a round: mean and standard
// deviation of each coordinate. Takes two doubles for a coordinate, however many updates there are.
#ifndef TERN_SIMULATION_ATTACKS_HONEST_UPDATES_H_
#define TERN_SIMULATION_ATTACKS_HONEST_UPDATES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace tern::simulation {

// Welford's running moments (1962). Their last bits depend on the order of the updates.
class HonestUpdates {
 public:
  // All updates are as long.
  void Add(absl::Span<const float> update);

  int64_t count() const { return count_; }
  // For these, count() > 0.
  double mean(size_t i) const { return mean_[i]; }
  // With count() - 1 in the denominator; 0 of a single update.
  double standard_deviation(size_t i) const;

 private:
  int64_t count_ = 0;
  std::vector<double> mean_;
  std::vector<double> squares_;  // sum of the squared distances from the mean
};

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_ATTACKS_HONEST_UPDATES_H_
