#include "core/train/evaluator.h"

#include <cmath>
#include <numeric>
#include <vector>

#include "core/model/parameter_layout.h"
#include "core/model/zoo.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/fake_dataset.h"
#include "tests/testing/status_matchers.h"

namespace tern {
namespace {

using ::testing::ElementsAre;
using testing::FakeDataset;
using testing::IsOk;
using testing::StatusIs;

// One dense layer: with the identity as weight and no bias the inputs are the logits.
ModelSpec IdentityModel(int64_t classes) {
  return {.name = "identity",
          .input = {classes},
          .layers = {{.name = "fc", .kind = LayerKind::kDense, .units = classes}}};
}

std::vector<float> IdentityParameters(int64_t classes) {
  std::vector<float> parameters(static_cast<size_t>(classes * classes + classes), 0.0f);
  for (int64_t i = 0; i < classes; ++i) parameters[static_cast<size_t>(i * classes + i)] = 1.0f;
  return parameters;
}

// A dataset on which IdentityModel predicts `predicted` where the truth is `labels`.
FakeDataset Predicting(int64_t classes, const std::vector<int32_t>& predicted,
                       const std::vector<int32_t>& labels) {
  std::vector<float> inputs(predicted.size() * static_cast<size_t>(classes), 0.0f);
  for (size_t i = 0; i < predicted.size(); ++i) {
    inputs[i * static_cast<size_t>(classes) + static_cast<size_t>(predicted[i])] = 2.0f;
  }
  return FakeDataset({classes}, classes, inputs, labels);
}

TEST(Evaluate, HandComputedMetrics) {
  // Class 0: 3 examples, 2 found, predicted 3 times. Class 1: 2 examples, 1 found, predicted twice.
  // Class 2: 1 example, never predicted. Class 3: no example, predicted once: not averaged over.
  const FakeDataset dataset = Predicting(4, {0, 0, 1, 1, 3, 0}, {0, 0, 0, 1, 1, 2});
  ThreadPool pool(1);
  const auto result = Evaluate(IdentityModel(4), IdentityParameters(4), dataset, pool);
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->num_examples, 6);
  EXPECT_DOUBLE_EQ(result->accuracy, 3.0 / 6.0);
  EXPECT_DOUBLE_EQ(result->precision_macro, (2.0 / 3.0 + 1.0 / 2.0 + 0.0) / 3.0);
  EXPECT_DOUBLE_EQ(result->recall_macro, (2.0 / 3.0 + 1.0 / 2.0 + 0.0) / 3.0);
  EXPECT_DOUBLE_EQ(result->f1_macro, (4.0 / 6.0 + 2.0 / 4.0 + 0.0) / 3.0);
  // The logit of the predicted class is 2, the others' 0.
  const double log_sum = std::log(std::exp(2.0) + 3.0);
  EXPECT_NEAR(result->loss, log_sum - 2.0 * 3.0 / 6.0, 1e-12);
}

// The logit of the predicted class is 2, the others' 0; of four examples one is wrong.
TEST(Evaluate, OtherLosses_AreMeansOverClassesAndExamples) {
  const FakeDataset dataset = Predicting(3, {0, 1, 2, 1}, {0, 1, 2, 0});
  ThreadPool pool(1);
  const auto loss_of = [&](const LossOptions& loss) {
    const auto result = Evaluate(IdentityModel(3), IdentityParameters(3), dataset, pool, loss);
    EXPECT_THAT(result, IsOk());
    EXPECT_DOUBLE_EQ(result->accuracy, 0.75);
    return result->loss;
  };
  // A class that is there costs log(1 + exp(-x)), one that is not log(1 + exp(x)).
  const double yes = std::log1p(std::exp(-2.0));
  const double no = std::log1p(std::exp(2.0));
  const double zero = std::log(2.0);
  EXPECT_NEAR(loss_of({.kind = LossKind::kBinaryCrossEntropy}),
              (3.0 * (yes + 2.0 * zero) + no + 2.0 * zero) / 3.0 / 4.0, 1e-12);
  EXPECT_NEAR(loss_of({.kind = LossKind::kMeanSquaredError}), (3.0 * 1.0 + (4.0 + 1.0)) / 3.0 / 4.0,
              1e-12);
}

TEST(Evaluate, LabelSmoothing_IsLeftOut) {
  const FakeDataset dataset = Predicting(3, {0, 1, 2, 1}, {0, 1, 2, 0});
  ThreadPool pool(1);
  const auto plain = Evaluate(IdentityModel(3), IdentityParameters(3), dataset, pool);
  const auto smoothed =
      Evaluate(IdentityModel(3), IdentityParameters(3), dataset, pool, {.label_smoothing = 0.5f});
  ASSERT_THAT(plain, IsOk());
  ASSERT_THAT(smoothed, IsOk());
  EXPECT_EQ(smoothed->loss, plain->loss);
}

TEST(Evaluate, LossThatIsNone_IsInvalidArgument) {
  ThreadPool pool(1);
  EXPECT_THAT(Evaluate(IdentityModel(3), IdentityParameters(3), FakeDataset::Random({3}, 3, 5),
                       pool, {.kind = static_cast<LossKind>(9)}),
              StatusIs(absl::StatusCode::kInvalidArgument, "kind is 9"));
}

TEST(Evaluate, ConfusionMatrix_HasARowForEachTrueClass) {
  const FakeDataset dataset = Predicting(4, {0, 0, 1, 1, 3, 0}, {0, 0, 0, 1, 1, 2});
  ThreadPool pool(1);
  const auto result = Evaluate(IdentityModel(4), IdentityParameters(4), dataset, pool);
  ASSERT_THAT(result, IsOk());
  EXPECT_THAT(result->confusion_matrix,
              ElementsAre(ElementsAre(2, 1, 0, 0), ElementsAre(0, 1, 0, 1), ElementsAre(1, 0, 0, 0),
                          ElementsAre(0, 0, 0, 0)));
}

TEST(Evaluate, PerClass_IsOfTheMatrixsRowsAndColumns) {
  const FakeDataset dataset = Predicting(4, {0, 0, 1, 1, 3, 0}, {0, 0, 0, 1, 1, 2});
  ThreadPool pool(1);
  const auto result = Evaluate(IdentityModel(4), IdentityParameters(4), dataset, pool);
  ASSERT_THAT(result, IsOk());
  const auto is = [](double precision, double recall, double f1, int64_t support) {
    return ::testing::AllOf(
        ::testing::Field("precision", &ClassMetrics::precision, ::testing::DoubleEq(precision)),
        ::testing::Field("recall", &ClassMetrics::recall, ::testing::DoubleEq(recall)),
        ::testing::Field("f1", &ClassMetrics::f1, ::testing::DoubleEq(f1)),
        ::testing::Field("support", &ClassMetrics::support, support));
  };
  // Never predicted, and not even there: 0, not a division by zero.
  EXPECT_THAT(result->per_class,
              ElementsAre(is(2.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0, 3), is(0.5, 0.5, 0.5, 2),
                          is(0.0, 0.0, 0.0, 1), is(0.0, 0.0, 0.0, 0)));
}

TEST(Evaluate, PrecisionAndRecallThatDiffer) {
  // Class 0: precision 1/3, recall 1. Class 1: precision 1, recall 1/3.
  const FakeDataset dataset = Predicting(2, {0, 0, 0, 1}, {0, 1, 1, 1});
  ThreadPool pool(1);
  const auto result = Evaluate(IdentityModel(2), IdentityParameters(2), dataset, pool);
  ASSERT_THAT(result, IsOk());
  EXPECT_DOUBLE_EQ(result->precision_macro, (1.0 / 3.0 + 1.0) / 2.0);
  EXPECT_DOUBLE_EQ(result->recall_macro, (1.0 + 1.0 / 3.0) / 2.0);
  EXPECT_DOUBLE_EQ(result->f1_macro, 0.5);
}

TEST(Evaluate, AnyNumberOfThreads_SameNumbers) {
  const ModelSpec model = ZooModel("tiny_cnn").value();
  const std::vector<float> parameters = InitialParameters(MakeParameterLayout(model).value(), 3);
  // The last batch is a short one.
  const FakeDataset dataset = FakeDataset::Random({1, 28, 28}, 10, 731);
  ThreadPool one(1);
  const auto expected = Evaluate(model, parameters, dataset, one);
  ASSERT_THAT(expected, IsOk());
  EXPECT_NEAR(expected->loss, std::log(10.0), 0.3);
  for (const int threads : {2, 3}) {
    ThreadPool pool(threads);
    const auto result = Evaluate(model, parameters, dataset, pool);
    ASSERT_THAT(result, IsOk());
    EXPECT_EQ(result->num_examples, 731);
    EXPECT_EQ(result->loss, expected->loss);
    EXPECT_EQ(result->accuracy, expected->accuracy);
    EXPECT_EQ(result->precision_macro, expected->precision_macro);
    EXPECT_EQ(result->recall_macro, expected->recall_macro);
    EXPECT_EQ(result->f1_macro, expected->f1_macro);
    EXPECT_EQ(result->confusion_matrix, expected->confusion_matrix);
  }
}

TEST(Evaluate, DatasetThatDoesNotFit_IsInvalidArgument) {
  ThreadPool pool(1);
  const std::vector<float> parameters = IdentityParameters(3);
  const auto evaluate = [&](const FakeDataset& dataset) {
    return Evaluate(IdentityModel(3), parameters, dataset, pool);
  };
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(evaluate(FakeDataset({3}, 3, {}, {})), StatusIs(kInvalid, "no examples"));
  EXPECT_THAT(evaluate(FakeDataset::Random({4}, 3, 5)),
              StatusIs(kInvalid, "takes input [N, 3], the dataset's examples are [N, 4]"));
  EXPECT_THAT(evaluate(FakeDataset::Random({3}, 7, 5)), StatusIs(kInvalid, "the dataset has 7"));
  EXPECT_THAT(Evaluate(IdentityModel(3), {}, FakeDataset::Random({3}, 3, 5), pool),
              StatusIs(kInvalid, "has 12 parameters, got 0"));
}

}  // namespace
}  // namespace tern
