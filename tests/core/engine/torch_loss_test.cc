// Every loss with its options against LibTorch's, as a program computes it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/core/engine/engine_run.h"
#include "tests/core/engine/kernel_targets.h"
#include "tests/core/engine/torch_reference.h"

namespace tern {
namespace {

// LibTorch computes in single precision: of the loss, and of the gradient's largest element.
constexpr double kRelativeError = 1e-5;

constexpr LossOptions kLosses[] = {{.kind = LossKind::kSoftmaxCrossEntropy},
                                   {.label_smoothing = 0.1f},
                                   {.label_smoothing = 0.9f},
                                   {.kind = LossKind::kBinaryCrossEntropy},
                                   {.kind = LossKind::kMeanSquaredError}};

struct Batches {
  int64_t classes = 10;
  int64_t batch_size = 7;
  float logits_scale = 1.0f;
  bool masked = false;  // every third class is absent, if it is no label
};

void ExpectMatchesTorch(const LossOptions& loss, const Batches& batches) {
  const ModelSpec model = {
      .name = "dense",
      .input = {17},
      .layers = {{.name = "fc", .kind = LayerKind::kDense, .units = batches.classes}}};
  testing::EngineRun run(model, {.batch_size = batches.batch_size, .loss = loss});
  for (float& input : run.inputs) input *= batches.logits_scale;
  std::vector<uint8_t> present;
  if (batches.masked) {
    for (int64_t j = 0; j < batches.classes; ++j) present.push_back(j % 3 == 1 ? 0 : 1);
    for (const int32_t label : run.labels) present[static_cast<size_t>(label)] = 1;
  }
  testing::TorchModel torch(model, run.parameters, loss, present);
  const testing::TorchResult expected = torch.Gradient(run.inputs, run.labels);
  std::vector<float> gradient(run.parameters.size());
  const auto got =
      static_cast<double>(run.program.Gradient(run.parameters, {run.inputs, run.labels, present},
                                               run.arena.span(), absl::MakeSpan(gradient)));
  SCOPED_TRACE(absl::StrCat(LossKindName(loss.kind), " smoothed by ", loss.label_smoothing, ", ",
                            batches.batch_size, " x ", batches.classes, " logits times ",
                            batches.logits_scale, batches.masked ? ", masked" : ""));
  EXPECT_NEAR(got, expected.loss, kRelativeError * expected.loss);
  double largest = 0.0;
  for (const float value : expected.gradient) {
    largest = std::max(largest, std::abs(static_cast<double>(value)));
  }
  for (size_t i = 0; i < gradient.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(gradient[i]), static_cast<double>(expected.gradient[i]),
                kRelativeError * largest)
        << i;
  }
}

class TorchLoss : public ::testing::TestWithParam<std::string> {
 protected:
  const testing::ScopedKernelTarget target_{GetParam()};
};

TEST_P(TorchLoss, EveryLossAndSize) {
  for (const LossOptions& loss : kLosses) {
    for (const int64_t classes : {2, 10, 70}) {
      for (const int64_t batch_size : {1, 7}) {
        ExpectMatchesTorch(loss, {.classes = classes, .batch_size = batch_size});
      }
    }
  }
}

TEST_P(TorchLoss, LargeLogits) {
  for (const LossOptions& loss : kLosses) ExpectMatchesTorch(loss, {.logits_scale = 1000.0f});
}

TEST_P(TorchLoss, WithoutTheClassesThatAreAbsent) {
  for (const LossOptions& loss : kLosses) {
    for (const int64_t classes : {3, 10, 70}) {
      ExpectMatchesTorch(loss, {.classes = classes, .masked = true});
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, TorchLoss, ::testing::ValuesIn(testing::KernelTargets()),
                         [](const auto& param) { return param.param; });

}  // namespace
}  // namespace tern
