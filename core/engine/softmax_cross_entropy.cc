#include "core/engine/softmax_cross_entropy.h"

#include <algorithm>
#include <iterator>

#include "core/base/check.h"
#include "core/engine/exp_log.h"

namespace tern {
namespace {

struct LogSumExp {
  double maximum;
  double sum;  // of exp(logit - maximum)
};

// Calls body(class, exp(logit - maximum)) for each class, in order.
template <class Body>
void ForEachExponential(absl::Span<const float> logits, double maximum, const Body& body) {
  double exponentials[64];
  for (size_t start = 0; start < logits.size(); start += std::size(exponentials)) {
    const size_t count = std::min(std::size(exponentials), logits.size() - start);
    ExpEach(logits.data() + start, maximum, static_cast<int64_t>(count), exponentials);
    for (size_t i = 0; i < count; ++i) body(start + i, exponentials[i]);
  }
}

LogSumExp SumOfExponentials(absl::Span<const float> logits) {
  const double maximum = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0.0;
  ForEachExponential(logits, maximum, [&](size_t, double exponential) { sum += exponential; });
  return {maximum, sum};
}

double Loss(const LogSumExp& exponentials, absl::Span<const float> logits, int32_t label) {
  TERN_CHECK(label >= 0 && static_cast<size_t>(label) < logits.size());
  return Log(exponentials.sum) + exponentials.maximum -
         static_cast<double>(logits[static_cast<size_t>(label)]);
}

}  // namespace

double CrossEntropy(absl::Span<const float> logits, int32_t label) {
  return Loss(SumOfExponentials(logits), logits, label);
}

double SoftmaxCrossEntropy(absl::Span<const float> logits, absl::Span<const int32_t> labels,
                           absl::Span<float> gradient) {
  const size_t classes = logits.size() / labels.size();
  const double share = 1.0 / static_cast<double>(labels.size());
  double total = 0.0;
  for (size_t i = 0; i < labels.size(); ++i) {
    const absl::Span<const float> row = logits.subspan(i * classes, classes);
    const LogSumExp exponentials = SumOfExponentials(row);
    total += Loss(exponentials, row, labels[i]);
    ForEachExponential(row, exponentials.maximum, [&](size_t j, double exponential) {
      const double target = static_cast<size_t>(labels[i]) == j ? 1.0 : 0.0;
      gradient[i * classes + j] =
          static_cast<float>((exponential / exponentials.sum - target) * share);
    });
  }
  return total * share;
}

}  // namespace tern
