// Squared Euclidean norms in 64-bit floating point, always added up in the same order.
#ifndef TERN_AGGREGATION_SQUARED_NORM_H_
#define TERN_AGGREGATION_SQUARED_NORM_H_

#include "absl/types/span.h"
#include "aggregation/aggregator.h"

namespace tern::aggregation {

// Relative error at most (values / 16 + 16) * 2^-53.
double SquaredNorm(absl::Span<const float> values);

// Of what the update decodes to; before an inverse rotation, which leaves the norm as it is up to
// its rounding. The same bits for the same payload.
double SquaredNorm(const EncodedUpdate& update);

}  // namespace tern::aggregation

#endif  // TERN_AGGREGATION_SQUARED_NORM_H_
