#include "core/engine/softmax_cross_entropy.h"

#include <algorithm>
#include <iterator>

#include "core/base/check.h"
#include "core/engine/exp_log.h"

namespace tern {
namespace {

// exp(logit - maximum) of one example's logits. As many as nearly every model has classes are kept
// from their sum to the gradient, more are computed twice.
class Exponentials {
 public:
  explicit Exponentials(absl::Span<const float> logits)
      : logits_(logits),
        maximum_(static_cast<double>(*std::max_element(logits.begin(), logits.end()))) {
    ForEach([&](size_t, double exponential) { sum_ += exponential; });
  }

  double maximum() const { return maximum_; }
  double sum() const { return sum_; }

  // Calls body(class, exponential) for each class, in order.
  template <class Body>
  void ForEach(const Body& body) {
    for (size_t start = 0; start < logits_.size(); start += std::size(kept_)) {
      const size_t count = std::min(std::size(kept_), logits_.size() - start);
      if (kept_from_ != start) {
        ExpEach(logits_.data() + start, maximum_, static_cast<int64_t>(count), kept_);
        kept_from_ = start;
      }
      for (size_t i = 0; i < count; ++i) body(start + i, kept_[i]);
    }
  }

 private:
  static constexpr size_t kNothing = ~size_t{0};

  absl::Span<const float> logits_;
  double maximum_;
  double sum_ = 0.0;
  size_t kept_from_ = kNothing;
  double kept_[64];
};

double Loss(const Exponentials& exponentials, absl::Span<const float> logits, int32_t label) {
  TERN_CHECK(label >= 0 && static_cast<size_t>(label) < logits.size());
  return Log(exponentials.sum()) + exponentials.maximum() -
         static_cast<double>(logits[static_cast<size_t>(label)]);
}

}  // namespace

double CrossEntropy(absl::Span<const float> logits, int32_t label) {
  return Loss(Exponentials(logits), logits, label);
}

double SoftmaxCrossEntropy(absl::Span<const float> logits, absl::Span<const int32_t> labels,
                           absl::Span<float> gradient) {
  const size_t classes = logits.size() / labels.size();
  const double share = 1.0 / static_cast<double>(labels.size());
  double total = 0.0;
  for (size_t i = 0; i < labels.size(); ++i) {
    const absl::Span<const float> row = logits.subspan(i * classes, classes);
    Exponentials exponentials(row);
    total += Loss(exponentials, row, labels[i]);
    exponentials.ForEach([&](size_t j, double exponential) {
      const double target = static_cast<size_t>(labels[i]) == j ? 1.0 : 0.0;
      gradient[i * classes + j] =
          static_cast<float>((exponential / exponentials.sum() - target) * share);
    });
  }
  return total * share;
}

}  // namespace tern
