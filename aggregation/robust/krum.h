// Krum (Blanchard et al. 2017, Machine learning with adversaries: Byzantine tolerant gradient
// descent): the updates that are nearest to their neighbours. Of n updates, f lie.
#ifndef TERN_AGGREGATION_ROBUST_KRUM_H_
#define TERN_AGGREGATION_ROBUST_KRUM_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "aggregation/robust/rule.h"

namespace tern::aggregation {

// Updates that rules which compare all pairs take at most: a distance has 8 bytes.
inline constexpr int64_t kMaxPairedUpdates = 8192;
inline constexpr int64_t kMaxBulyanUpdates = 512;

// |x_i - x_j|^2 for all pairs: (n, n), the diagonal 0. One pass over the updates.
std::vector<double> SquaredDistances(absl::Span<const KeptUpdate> updates, int64_t count);

// Of each of `among` (which updates): the sum of the squared distances to the |among| - f - 2
// nearest others among them, at least one of them.
std::vector<double> KrumScores(absl::Span<const double> squared_distances, int64_t n, int64_t f,
                               absl::Span<const int64_t> among);

// Section 4 there: the update of the lowest score; of equal ones, of the smallest id. Flower counts
// neighbours alike; ByzFL takes one more, n - f - 1, and means in place of sums.
absl::StatusOr<std::vector<float>> Krum(const RuleInputs& inputs);

// Section 5 there: the plain mean of the `keep` updates (0: n - f, as ByzFL) of the lowest scores.
// Flower weights the mean by examples, which a client may claim at will.
absl::StatusOr<std::vector<float>> MultiKrum(const RuleInputs& inputs);

}  // namespace tern::aggregation

#endif  // TERN_AGGREGATION_ROBUST_KRUM_H_
