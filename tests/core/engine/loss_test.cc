#include "core/engine/loss.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/random.h"
#include "tests/core/engine/kernel_targets.h"

namespace tern {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr LossOptions kSoftmax = {.kind = LossKind::kSoftmaxCrossEntropy};
constexpr LossOptions kSmooth = {.kind = LossKind::kSoftmaxCrossEntropy, .label_smoothing = 0.3f};
constexpr LossOptions kBinary = {.kind = LossKind::kBinaryCrossEntropy};
constexpr LossOptions kSquared = {.kind = LossKind::kMeanSquaredError};
constexpr LossOptions kLosses[] = {kSoftmax, kSmooth, kBinary, kSquared};

// What one call of LossGradient is about, and what it gave.
struct Case {
  size_t classes = 0;
  std::vector<float> logits;
  std::vector<int32_t> labels;
  std::vector<uint8_t> present;
  double share = 1.0;

  double loss = 0.0;
  std::vector<float> gradient;

  void Compute(const LossOptions& options) {
    gradient.assign(logits.size(), 7.0f);
    loss = LossGradient(options, logits, labels, present, share, absl::MakeSpan(gradient));
  }
};

Case RandomCase(size_t examples, size_t classes) {
  RandomStream random({.seed = classes});
  Case batch = {.classes = classes};
  for (size_t i = 0; i < examples * classes; ++i) {
    batch.logits.push_back(8.0f * random.NextFloat() - 4.0f);
  }
  for (size_t i = 0; i < examples; ++i) {
    batch.labels.push_back(static_cast<int32_t>(random.Below(static_cast<uint32_t>(classes))));
  }
  return batch;
}

// Without about a third of the classes, none of which is a label.
Case RandomMaskedCase(size_t examples, size_t classes) {
  Case batch = RandomCase(examples, classes);
  for (size_t j = 0; j < classes; ++j) batch.present.push_back(j % 3 == 1 ? 0 : 1);
  for (const int32_t label : batch.labels) batch.present[static_cast<size_t>(label)] = 1;
  return batch;
}

std::string Describe(const LossOptions& options, const Case& batch) {
  return absl::StrCat(LossKindName(options.kind), " smoothed by ", options.label_smoothing, ", ",
                      batch.classes, " classes", batch.present.empty() ? "" : ", masked");
}

// The definitions, in plain double precision. For logits of a few units.
double Definition(const LossOptions& options, const std::vector<double>& logits, size_t label,
                  const std::vector<uint8_t>& present) {
  double num_present = 0.0;
  double sum_of_exponentials = 0.0;
  for (size_t j = 0; j < logits.size(); ++j) {
    if (!present.empty() && present[j] == 0) continue;
    ++num_present;
    sum_of_exponentials += std::exp(logits[j]);
  }
  const auto smoothing = static_cast<double>(options.label_smoothing);
  double loss = 0.0;
  for (size_t j = 0; j < logits.size(); ++j) {
    if (!present.empty() && present[j] == 0) continue;
    const double one_hot = j == label ? 1.0 : 0.0;
    const double sigmoid = 1.0 / (1.0 + std::exp(-logits[j]));
    switch (options.kind) {
      case LossKind::kSoftmaxCrossEntropy:
        loss -= ((1.0 - smoothing) * one_hot + smoothing / num_present) *
                std::log(std::exp(logits[j]) / sum_of_exponentials);
        break;
      case LossKind::kBinaryCrossEntropy:
        loss -= std::log(j == label ? sigmoid : 1.0 - sigmoid) / num_present;
        break;
      case LossKind::kMeanSquaredError:
        loss += std::pow(logits[j] - one_hot, 2.0) / num_present;
        break;
    }
  }
  return loss;
}

double Definition(const LossOptions& options, const Case& batch,
                  const std::vector<double>& logits) {
  double sum = 0.0;
  for (size_t i = 0; i < batch.labels.size(); ++i) {
    const auto begin = logits.begin() + static_cast<std::ptrdiff_t>(i * batch.classes);
    const std::vector<double> row(begin, begin + static_cast<std::ptrdiff_t>(batch.classes));
    sum += Definition(options, row, static_cast<size_t>(batch.labels[i]), batch.present);
  }
  return sum / static_cast<double>(batch.labels.size());
}

// The loss against its definition, the gradient against central differences of that.
void ExpectMatchesDefinition(const LossOptions& options, Case batch) {
  constexpr double kStep = 1e-4;
  SCOPED_TRACE(Describe(options, batch));
  batch.share = 0.75;
  batch.Compute(options);
  std::vector<double> logits(batch.logits.begin(), batch.logits.end());
  EXPECT_NEAR(batch.loss, Definition(options, batch, logits), 1e-13);
  for (size_t i = 0; i < logits.size(); ++i) {
    const double logit = logits[i];
    logits[i] = logit + kStep;
    const double above = Definition(options, batch, logits);
    logits[i] = logit - kStep;
    const double below = Definition(options, batch, logits);
    logits[i] = logit;
    const double expected = batch.share * (above - below) / (2.0 * kStep);
    // The differences are within 1e-8 of the derivative, a float within 2^-24 of its value.
    ASSERT_NEAR(static_cast<double>(batch.gradient[i]), expected,
                1e-8 + 0x1p-24 * std::abs(expected))
        << i;
  }
}

TEST(LossGradient, MatchesTheDefinitionAndItsCentralDifferences) {
  for (const LossOptions& options : kLosses) {
    for (const size_t classes : {1, 2, 10, 63, 64, 65, 130}) {
      ExpectMatchesDefinition(options, RandomCase(2, classes));
      ExpectMatchesDefinition(options, RandomMaskedCase(2, classes));
    }
  }
}

TEST(LossGradient, SameBitsOnEveryKernelTarget) {
  for (const LossOptions& options : kLosses) {
    Case expected = RandomMaskedCase(3, 70);
    expected.Compute(options);
    for (const std::string& target : testing::KernelTargets()) {
      const testing::ScopedKernelTarget scoped(target);
      Case batch = RandomMaskedCase(3, 70);
      batch.Compute(options);
      EXPECT_EQ(batch.loss, expected.loss) << target;
      EXPECT_EQ(batch.gradient, expected.gradient) << target;
    }
  }
}

TEST(LossGradient, IntoTheLogits_IsThatIntoAnotherArray) {
  for (const LossOptions& options : kLosses) {
    for (Case batch : {RandomCase(3, 130), RandomMaskedCase(3, 130)}) {
      batch.Compute(options);
      const double loss = LossGradient(options, batch.logits, batch.labels, batch.present,
                                       batch.share, absl::MakeSpan(batch.logits));
      EXPECT_EQ(loss, batch.loss) << Describe(options, batch);
      EXPECT_EQ(batch.logits, batch.gradient) << Describe(options, batch);
    }
  }
}

TEST(LossGradient, SharesOfMicroBatches_AddUpToTheBatch) {
  for (const LossOptions& options : kLosses) {
    Case whole = RandomCase(6, 10);
    whole.Compute(options);
    double loss = 0.0;
    std::vector<float> gradient;
    for (const size_t begin : {0, 2}) {
      const size_t count = begin == 0 ? 2 : 4;
      const auto first = static_cast<std::ptrdiff_t>(begin);
      const auto end = static_cast<std::ptrdiff_t>(begin + count);
      Case micro = {.classes = 10,
                    .logits = {whole.logits.begin() + 10 * first, whole.logits.begin() + 10 * end},
                    .labels = {whole.labels.begin() + first, whole.labels.begin() + end},
                    .share = static_cast<double>(count) / 6.0};
      micro.Compute(options);
      loss += micro.share * micro.loss;
      gradient.insert(gradient.end(), micro.gradient.begin(), micro.gradient.end());
    }
    EXPECT_NEAR(loss, whole.loss, 1e-14);
    for (size_t i = 0; i < gradient.size(); ++i) EXPECT_FLOAT_EQ(gradient[i], whole.gradient[i]);
  }
}

TEST(LossGradient, WithoutAShareOfTheBatch_IsZeroAndTheLossStays) {
  for (const LossOptions& options : kLosses) {
    Case whole = RandomCase(3, 10);
    whole.Compute(options);
    Case none = whole;
    none.share = 0.0;
    none.Compute(options);
    EXPECT_EQ(none.loss, whole.loss);
    EXPECT_THAT(none.gradient, Each(0.0f));
  }
}

TEST(LossGradient, EveryClassPresent_GivesTheBitsOfNoMask) {
  for (const LossOptions& options : kLosses) {
    for (const size_t classes : {1, 10, 130}) {
      Case batch = RandomCase(3, classes);
      batch.Compute(options);
      Case masked = batch;
      masked.present.assign(classes, 1);
      masked.Compute(options);
      EXPECT_EQ(masked.loss, batch.loss) << Describe(options, batch);
      EXPECT_EQ(masked.gradient, batch.gradient) << Describe(options, batch);
    }
  }
}

TEST(LossGradient, AbsentClasses_HaveNoGradientAndNoEffect) {
  for (const LossOptions& options : kLosses) {
    Case batch = RandomMaskedCase(3, 70);
    batch.Compute(options);
    Case changed = batch;
    for (size_t i = 0; i < batch.logits.size(); ++i) {
      if (batch.present[i % batch.classes] != 0) continue;
      EXPECT_EQ(batch.gradient[i], 0.0f);
      changed.logits[i] = 1e30f;
    }
    changed.Compute(options);
    EXPECT_EQ(changed.loss, batch.loss) << Describe(options, batch);
    EXPECT_EQ(changed.gradient, batch.gradient) << Describe(options, batch);
  }
}

TEST(LossGradient, LogitThatIsNotFinite_MakesEverythingNotANumber) {
  for (const LossOptions& options : kLosses) {
    for (const float value : {std::nanf(""), kInfinity, -kInfinity}) {
      for (size_t i = 0; i < 20; ++i) {
        Case batch = {.classes = 10, .logits = std::vector<float>(20), .labels = {0, 2}};
        batch.logits[i] = value;
        batch.Compute(options);
        EXPECT_TRUE(std::isnan(batch.loss)) << Describe(options, batch) << value;
        EXPECT_THAT(batch.gradient, Each(::testing::IsNan()));
        EXPECT_TRUE(std::isnan(ExampleLoss(
            options, absl::MakeSpan(batch.logits).subspan(i / 10 * 10, 10), batch.labels[i / 10])));
        batch.present = {1, 0, 1, 0, 1, 0, 1, 0, 1, 0};
        batch.Compute(options);
        EXPECT_TRUE(std::isnan(batch.loss)) << Describe(options, batch) << value;
        EXPECT_THAT(batch.gradient, Each(::testing::IsNan()));
      }
    }
  }
}

TEST(LossGradient, Softmax_IsProbabilityMinusTargetOverTheBatch) {
  Case batch = {.classes = 2, .logits = {0.0f, 0.0f, std::log(3.0f), 0.0f}, .labels = {0, 1}};
  batch.Compute(kSoftmax);
  EXPECT_NEAR(batch.loss, 0.5 * (std::log(2.0) + std::log(4.0)), 1e-7);
  EXPECT_NEAR(batch.gradient[0], 0.5f * (0.5f - 1.0f), 1e-7f);
  EXPECT_NEAR(batch.gradient[1], 0.5f * 0.5f, 1e-7f);
  EXPECT_NEAR(batch.gradient[2], 0.5f * 0.75f, 1e-7f);
  EXPECT_NEAR(batch.gradient[3], 0.5f * (0.25f - 1.0f), 1e-7f);
}

TEST(LossGradient, HugeLogits_DoNotOverflow) {
  Case batch = {.classes = 2, .logits = {3e38f, -3e38f}, .labels = {1}};
  batch.Compute(kSoftmax);
  EXPECT_EQ(batch.gradient, (std::vector<float>{1.0f, -1.0f}));
  batch.Compute(kBinary);
  EXPECT_EQ(batch.gradient, (std::vector<float>{0.5f, -0.5f}));
  batch.Compute(kSquared);
  EXPECT_EQ(batch.gradient, batch.logits);
}

// A difference of sigmoid and target would be 0 for the label.
TEST(LossGradient, BinaryCrossEntropyOfASureExample_IsSmallButNotZero) {
  Case batch = {.classes = 2, .logits = {50.0f, -50.0f}, .labels = {0}};
  batch.Compute(kBinary);
  EXPECT_FLOAT_EQ(batch.gradient[0], -0.5f * std::exp(-50.0f));
  EXPECT_FLOAT_EQ(batch.gradient[1], 0.5f * std::exp(-50.0f));
}

TEST(ExampleLoss, IsTheLossOfABatchOfOne) {
  for (const LossOptions& options : kLosses) {
    for (const size_t classes : {1, 10, 130}) {
      Case batch = RandomCase(1, classes);
      batch.Compute(options);
      EXPECT_EQ(ExampleLoss(options, batch.logits, batch.labels[0]), batch.loss);
    }
  }
}

TEST(ExampleLoss, HandComputedLogits) {
  const std::vector<float> logits = {1.0f, 2.0f, 3.0f};
  const double log_sum = std::log(std::exp(1.0) + std::exp(2.0) + std::exp(3.0));
  EXPECT_NEAR(ExampleLoss(kSoftmax, {3.0f, 3.0f, 3.0f, 3.0f}, 2), std::log(4.0), 1e-15);
  EXPECT_NEAR(ExampleLoss(kSoftmax, logits, 0), log_sum - 1.0, 1e-14);
  EXPECT_NEAR(ExampleLoss({.label_smoothing = 0.75f}, logits, 0), log_sum - 0.25 - 0.25 * 6.0,
              1e-14);
  EXPECT_NEAR(ExampleLoss(kBinary, {0.0f, 0.0f}, 1), std::log(2.0), 1e-15);
  EXPECT_NEAR(ExampleLoss(kSquared, logits, 1), (1.0 + 1.0 + 9.0) / 3.0, 1e-15);
}

TEST(ExampleLoss, HugeLogits_DoNotOverflow) {
  EXPECT_NEAR(ExampleLoss(kSoftmax, {3e38f, -3e38f}, 0), 0.0, 1e-15);
  EXPECT_NEAR(ExampleLoss(kSoftmax, {1000.0f, 0.0f}, 1), 1000.0, 1e-12);
  EXPECT_NEAR(ExampleLoss({.label_smoothing = 0.5f}, {1000.0f, 0.0f}, 0), 250.0, 1e-12);
  EXPECT_NEAR(ExampleLoss(kBinary, {1000.0f, -500.0f}, 0), 0.0, 1e-15);
  EXPECT_NEAR(ExampleLoss(kBinary, {1000.0f, -500.0f}, 1), 750.0, 1e-12);
  EXPECT_NEAR(ExampleLoss(kSquared, {3e38f}, 0) / 9e76, 1.0, 1e-6);
}

TEST(LossDeathTest, LabelThatIsNoClassOrNotPresent_IsOurBug) {
  for (const LossOptions& options : kLosses) {
    EXPECT_DEATH(ExampleLoss(options, {0.0f, 0.0f}, 2), "label");
    EXPECT_DEATH(ExampleLoss(options, {0.0f, 0.0f}, -1), "label");
    Case batch = {.classes = 2, .logits = {0.0f, 0.0f}, .labels = {1}, .present = {1, 0}};
    EXPECT_DEATH(batch.Compute(options), "present_classes\\[.*label");
    batch.labels = {2};
    EXPECT_DEATH(batch.Compute(options), "label");
  }
}

TEST(LossDeathTest, ArraysThatDoNotFitEachOther_AreOurBug) {
  Case batch = {.classes = 2, .logits = {0.0f, 0.0f, 0.0f}, .labels = {0, 0}};
  EXPECT_DEATH(batch.Compute(kSoftmax), "labels");
  batch.labels = {};
  EXPECT_DEATH(batch.Compute(kSoftmax), "labels");
  batch.labels = {0};
  batch.present = {1, 1};
  EXPECT_DEATH(batch.Compute(kSoftmax), "present_classes");
  std::vector<float> gradient(2);
  EXPECT_DEATH(
      LossGradient(kSoftmax, batch.logits, batch.labels, {}, 1.0, absl::MakeSpan(gradient)),
      "gradient");
}

TEST(LossDeathTest, KindThatWasNotValidated_IsOurBug) {
  EXPECT_DEATH(ExampleLoss({.kind = static_cast<LossKind>(9)}, {0.0f}, 0), "validated");
}

TEST(LossKindName, NamesTheKinds) {
  EXPECT_EQ(LossKindName(LossKind::kSoftmaxCrossEntropy), "softmax_cross_entropy");
  EXPECT_EQ(LossKindName(LossKind::kBinaryCrossEntropy), "binary_cross_entropy");
  EXPECT_EQ(LossKindName(LossKind::kMeanSquaredError), "mse");
  EXPECT_EQ(LossKindName(static_cast<LossKind>(0)), "unknown");
}

void ExpectInvalid(const LossOptions& options, const std::string& message) {
  const absl::Status status = ValidateLossOptions(options);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << message;
  EXPECT_THAT(std::string(status.message()), HasSubstr(message));
}

TEST(ValidateLossOptions, WhatIsInRange_IsOk) {
  for (const LossOptions& options : kLosses) EXPECT_TRUE(ValidateLossOptions(options).ok());
  EXPECT_TRUE(ValidateLossOptions({.label_smoothing = 0.999f}).ok());
}

TEST(ValidateLossOptions, SmoothingOutsideItsRange_NamesIt) {
  ExpectInvalid({.label_smoothing = -0.1f}, "label_smoothing is -0.1, expected 0");
  ExpectInvalid({.label_smoothing = 1.0f}, "label_smoothing is 1, expected 0");
  ExpectInvalid({.label_smoothing = std::nanf("")}, "label_smoothing is nan");
}

TEST(ValidateLossOptions, SmoothingOfALossThatHasNone_NamesBoth) {
  ExpectInvalid({.kind = LossKind::kMeanSquaredError, .label_smoothing = 0.1f},
                "label_smoothing is 0.1, expected 0 with the loss mse");
  ExpectInvalid({.kind = LossKind::kBinaryCrossEntropy, .label_smoothing = 0.1f},
                "expected 0 with the loss binary_cross_entropy");
}

TEST(ValidateLossOptions, UnknownKind_NamesItsNumber) {
  ExpectInvalid({.kind = static_cast<LossKind>(0)}, "loss kind is 0, expected 1 to 3");
  ExpectInvalid({.kind = static_cast<LossKind>(4)}, "loss kind is 4, expected 1 to 3");
}

}  // namespace
}  // namespace tern
