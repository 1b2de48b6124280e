// Bulyan (El Mhamdi et al. 2018, The hidden vulnerability of distributed learning in Byzantium,
// section 4), of n updates of which f lie, n >= 4f + 3.
#ifndef TERN_AGGREGATION_ROBUST_BULYAN_H_
#define TERN_AGGREGATION_ROBUST_BULYAN_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "aggregation/robust/rule.h"

namespace tern::aggregation {

// Which theta = n - 2f updates are selected, ascending: krum chooses one after the other, of those
// that remain, each time with the neighbours and scores among them (as Flower's older class; its
// newer takes the theta of the lowest scores at once). `squared_distances`: (n, n).
std::vector<int64_t> SelectByKrum(absl::Span<const double> squared_distances, int64_t n, int64_t f);

// Of each coordinate the mean of the beta = theta - 2f selected values nearest to their median (of
// an even theta, the mean of the middle two); of two that are equally near, the smaller.
absl::StatusOr<std::vector<float>> Bulyan(const RuleInputs& inputs);

}  // namespace tern::aggregation

#endif  // TERN_AGGREGATION_ROBUST_BULYAN_H_
