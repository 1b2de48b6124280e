// The loss: cross-entropy of softmax(logits) against the label, -log softmax(logits)[label].
#ifndef TERN_CORE_ENGINE_SOFTMAX_CROSS_ENTROPY_H_
#define TERN_CORE_ENGINE_SOFTMAX_CROSS_ENTROPY_H_

#include <cstdint>

#include "absl/types/span.h"

namespace tern {

// The loss of one example: logits [classes], label in [0, classes). NaN when a logit is not finite.
double CrossEntropy(absl::Span<const float> logits, int32_t label);

// Writes the gradient of the batch's mean loss, [labels.size(), classes]: (softmax - one-hot) /
// labels.size(). Returns the mean loss. The sums are in double precision, in order.
double SoftmaxCrossEntropy(absl::Span<const float> logits, absl::Span<const int32_t> labels,
                           absl::Span<float> gradient);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_SOFTMAX_CROSS_ENTROPY_H_
