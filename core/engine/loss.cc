#include "core/engine/loss.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/engine/elementwise.h"
#include "core/engine/exp_log.h"

namespace tern {
namespace {

// So many classes are computed at once, on the stack: as many as nearly every model has.
constexpr size_t kClassesAtOnce = 64;

// The losses below are of one example. With a `gradient` [classes] they write that of `scale` times
// the loss there; it may be the logits.

// exp(logit - maximum) of the logits, which are finite. Those of kClassesAtOnce classes are kept
// from their sum to the gradient, more are computed twice.
class Exponentials {
 public:
  explicit Exponentials(absl::Span<const float> logits)
      : logits_(logits),
        maximum_(static_cast<double>(*std::max_element(logits.begin(), logits.end()))) {
    ForEach([&](size_t, double exponential) { sum_ += exponential; });
  }

  double sum() const { return sum_; }
  double log_sum_exp() const { return Log(sum_) + maximum_; }

  // Calls body(class, exponential) for each class, in order; what it does to the logits of classes
  // that it was called for has no effect.
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
  double kept_[kClassesAtOnce];
};

double Mean(absl::Span<const float> values) {
  double sum = 0.0;
  for (const float value : values) sum += static_cast<double>(value);
  return sum / static_cast<double>(values.size());
}

double SoftmaxCrossEntropy(double smoothing, absl::Span<const float> logits, size_t label,
                           double scale, float* gradient) {
  Exponentials exponentials(logits);
  const double log_sum_exp = exponentials.log_sum_exp();
  double loss = log_sum_exp - static_cast<double>(logits[label]);
  double other_target = 0.0;
  if (smoothing > 0.0) {
    loss = (1.0 - smoothing) * loss + smoothing * (log_sum_exp - Mean(logits));
    other_target = smoothing / static_cast<double>(logits.size());
  }
  if (gradient == nullptr) return loss;
  const double label_target = 1.0 - smoothing + other_target;
  exponentials.ForEach([&](size_t j, double exponential) {
    const double target = j == label ? label_target : other_target;
    gradient[j] = static_cast<float>((exponential / exponentials.sum() - target) * scale);
  });
  return loss;
}

// With z = -x for the label's class and x for the others, the loss of a class is max(z, 0) +
// log(1 + exp(-|z|)), and its derivative by z is sigmoid(z): no difference of close numbers.
double BinaryCrossEntropy(absl::Span<const float> logits, size_t label, double scale,
                          float* gradient) {
  const auto classes = static_cast<double>(logits.size());
  float minus_magnitudes[kClassesAtOnce];
  double exponentials[kClassesAtOnce];
  double denominators[kClassesAtOnce];
  double logarithms[kClassesAtOnce];
  double sum = 0.0;
  for (size_t start = 0; start < logits.size(); start += kClassesAtOnce) {
    const size_t count = std::min(kClassesAtOnce, logits.size() - start);
    for (size_t i = 0; i < count; ++i) minus_magnitudes[i] = -std::abs(logits[start + i]);
    ExpEach(minus_magnitudes, 0.0, static_cast<int64_t>(count), exponentials);
    for (size_t i = 0; i < count; ++i) denominators[i] = 1.0 + exponentials[i];
    LogEach(denominators, static_cast<int64_t>(count), logarithms);
    for (size_t i = 0; i < count; ++i) {
      const double sign = start + i == label ? -1.0 : 1.0;
      const double z = sign * static_cast<double>(logits[start + i]);
      sum += std::max(z, 0.0) + logarithms[i];
      if (gradient == nullptr) continue;
      const double sigmoid = (z < 0.0 ? exponentials[i] : 1.0) / denominators[i];
      gradient[start + i] = static_cast<float>(sign * sigmoid * (scale / classes));
    }
  }
  return sum / classes;
}

double MeanSquaredError(absl::Span<const float> logits, size_t label, double scale,
                        float* gradient) {
  const auto classes = static_cast<double>(logits.size());
  double sum = 0.0;
  for (size_t j = 0; j < logits.size(); ++j) {
    const double difference = static_cast<double>(logits[j]) - (j == label ? 1.0 : 0.0);
    sum += difference * difference;
    if (gradient != nullptr) {
      gradient[j] = static_cast<float>(2.0 * difference * (scale / classes));
    }
  }
  return sum / classes;
}

double Loss(const LossOptions& options, absl::Span<const float> logits, int32_t label, double scale,
            float* gradient) {
  TERN_CHECK(label >= 0 && static_cast<size_t>(label) < logits.size());
  const auto target = static_cast<size_t>(label);
  switch (options.kind) {
    case LossKind::kSoftmaxCrossEntropy:
      return SoftmaxCrossEntropy(static_cast<double>(options.label_smoothing), logits, target,
                                 scale, gradient);
    case LossKind::kBinaryCrossEntropy:
      return BinaryCrossEntropy(logits, target, scale, gradient);
    case LossKind::kMeanSquaredError:
      return MeanSquaredError(logits, target, scale, gradient);
  }
  TERN_CHECK(false && "loss options were validated");
}

// Moves the logits of the classes that are present together, has the loss of a smaller model, and
// moves its gradient back, all in place.
double MaskedLoss(const LossOptions& options, absl::Span<const float> logits, int32_t label,
                  absl::Span<const uint8_t> present_classes, double scale, float* gradient) {
  TERN_CHECK(label >= 0 && static_cast<size_t>(label) < logits.size());
  TERN_CHECK(present_classes[static_cast<size_t>(label)] != 0);
  size_t num_present = 0;
  int32_t label_among_present = 0;
  for (size_t j = 0; j < logits.size(); ++j) {
    if (present_classes[j] == 0) continue;
    if (j == static_cast<size_t>(label)) label_among_present = static_cast<int32_t>(num_present);
    gradient[num_present++] = logits[j];
  }
  const double loss = Loss(options, absl::MakeConstSpan(gradient, num_present), label_among_present,
                           scale, gradient);
  for (size_t j = logits.size(); j-- > 0;) {
    gradient[j] = present_classes[j] == 0 ? 0.0f : gradient[--num_present];
  }
  return loss;
}

}  // namespace

absl::string_view LossKindName(LossKind kind) {
  switch (kind) {
    case LossKind::kSoftmaxCrossEntropy:
      return "softmax_cross_entropy";
    case LossKind::kBinaryCrossEntropy:
      return "binary_cross_entropy";
    case LossKind::kMeanSquaredError:
      return "mse";
  }
  return "unknown";
}

absl::Status ValidateLossOptions(const LossOptions& options) {
  if (LossKindName(options.kind) == "unknown") {
    return absl::InvalidArgumentError(
        absl::StrCat("loss kind is ", static_cast<int32_t>(options.kind), ", expected 1 to 3"));
  }
  if (!(options.label_smoothing >= 0.0f && options.label_smoothing < 1.0f)) {
    return absl::InvalidArgumentError(absl::StrCat("label_smoothing is ", options.label_smoothing,
                                                   ", expected 0 (without it) or more, below 1"));
  }
  if (options.label_smoothing > 0.0f && options.kind != LossKind::kSoftmaxCrossEntropy) {
    return absl::InvalidArgumentError(absl::StrCat("label_smoothing is ", options.label_smoothing,
                                                   ", expected 0 with the loss ",
                                                   LossKindName(options.kind)));
  }
  return absl::OkStatus();
}

double ExampleLoss(const LossOptions& options, absl::Span<const float> logits, int32_t label) {
  const double loss = Loss(options, logits, label, 1.0, nullptr);
  return AllFinite(logits.data(), static_cast<int64_t>(logits.size()))
             ? loss
             : std::numeric_limits<double>::quiet_NaN();
}

double LossGradient(const LossOptions& options, absl::Span<const float> logits,
                    absl::Span<const int32_t> labels, absl::Span<const uint8_t> present_classes,
                    double share, absl::Span<float> gradient) {
  TERN_CHECK(!labels.empty() && logits.size() % labels.size() == 0);
  TERN_CHECK(gradient.size() == logits.size());
  const size_t classes = logits.size() / labels.size();
  TERN_CHECK(present_classes.empty() || present_classes.size() == classes);
  if (!AllFinite(logits.data(), static_cast<int64_t>(logits.size()))) {
    std::fill(gradient.begin(), gradient.end(), std::numeric_limits<float>::quiet_NaN());
    return std::numeric_limits<double>::quiet_NaN();
  }
  const auto examples = static_cast<double>(labels.size());
  const double scale = share / examples;
  double sum = 0.0;
  for (size_t i = 0; i < labels.size(); ++i) {
    const absl::Span<const float> row = logits.subspan(i * classes, classes);
    float* row_gradient = gradient.data() + i * classes;
    sum += present_classes.empty()
               ? Loss(options, row, labels[i], scale, row_gradient)
               : MaskedLoss(options, row, labels[i], present_classes, scale, row_gradient);
  }
  return sum * (1.0 / examples);
}

}  // namespace tern
