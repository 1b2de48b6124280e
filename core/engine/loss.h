// The losses: how far the logits of an example are from its label, and the gradient of that. The
// target of an example is one-hot: 1 for the class of its label, 0 for the others.
#ifndef TERN_CORE_ENGINE_LOSS_H_
#define TERN_CORE_ENGINE_LOSS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace tern {

// Persisted and sent by these numbers: never renumber, only append. x: logits, t: target.
enum class LossKind : int32_t {
  kSoftmaxCrossEntropy = 1,  // -sum of t log softmax(x)
  // The mean over the classes of max(x, 0) - x t + log(1 + exp(-|x|)): each class by itself, the
  // sigmoid of its logit against its target. As PyTorch's binary_cross_entropy_with_logits.
  kBinaryCrossEntropy = 2,
  kMeanSquaredError = 3,  // the mean over the classes of (x - t)^2
};

// "softmax_cross_entropy", "binary_cross_entropy", "mse": the names used in files and messages;
// "unknown" for a value outside the enumeration.
absl::string_view LossKindName(LossKind kind);

struct LossOptions {
  LossKind kind = LossKind::kSoftmaxCrossEntropy;
  // s in [0, 1), of softmax cross-entropy only: the target is (1 - s) one-hot + s / classes
  // (Szegedy et al. 2016, section 7), as in PyTorch's cross_entropy.
  float label_smoothing = 0.0f;

  bool operator==(const LossOptions&) const = default;
};

// INVALID_ARGUMENT names the field, its value and its range: an unknown kind, smoothing outside its
// range or with a loss that has none. The functions below take valid options.
absl::Status ValidateLossOptions(const LossOptions& options);

// The loss of one example: logits [classes], label in [0, classes). NaN when a logit is not finite.
double ExampleLoss(const LossOptions& options, absl::Span<const float> logits, int32_t label);

// Writes the gradient of `share` times the mean loss of a batch of n to `gradient`, [n, classes],
// which may be the logits; returns the mean loss, without the share. Micro-batches whose shares are
// their parts of a batch's examples add up to the batch's gradient. Sums are in double precision,
// in order.
//
// `logits` is [n, classes], n at least 1. When one is not finite, of whatever class, the loss and
// the whole gradient are NaN. Large ones do not overflow, except that a gradient of the squared
// error beyond the range of a float is infinite. `labels` is [n], each of a class that is present.
//
// `present_classes` is [classes], 0 or 1; empty: all. The others take no part: they are left out of
// the softmax, of its smoothing and of the means, and their gradient is 0. (Diao et al. 2021,
// section 3, mean the same by their masked cross-entropy, but set those logits to 0, which leaves
// the classes in the softmax.)
double LossGradient(const LossOptions& options, absl::Span<const float> logits,
                    absl::Span<const int32_t> labels, absl::Span<const uint8_t> present_classes,
                    double share, absl::Span<float> gradient);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_LOSS_H_
