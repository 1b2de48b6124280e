// Steps of SGD with every combination of options against torch::optim::SGD.
#include <gtest/gtest.h>

#include <vector>

#include "core/model/zoo.h"
#include "tests/core/engine/engine_run.h"
#include "tests/core/engine/sgd_reference.h"
#include "tests/core/engine/torch_reference.h"

namespace tern {
namespace {

using testing::EngineRun;

constexpr int kSteps = 5;

void ExpectMatchesTorch(const ModelSpec& model, const SgdOptions& options) {
  EngineRun run(model, 6);
  testing::TorchModel torch(model, run.parameters);
  torch.UseSgd(options);
  testing::SgdMemory memory(options, run.parameters);
  for (int step = 0; step < kSteps; ++step) {
    const double loss = torch.SgdStep(run.inputs, run.labels);
    run.SpoilArena();
    EXPECT_NEAR(
        static_cast<double>(run.program.Step(absl::MakeSpan(run.parameters), run.AllExamples(),
                                             run.arena.span(), options, memory.vectors())),
        loss, 1e-4)
        << model.name << " step " << step << " " << testing::ToString(options);
  }
  const std::vector<float> expected = torch.Parameters();
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(run.parameters[i], expected[i], 1e-4f)
        << model.name << " " << run.program.layout().CoordinateName(static_cast<int64_t>(i)) << " "
        << testing::ToString(options);
  }
}

TEST(TorchSgd, EveryCombinationOfOptions_OnAConvolutionalModel) {
  for (const SgdOptions& options : testing::SgdOptionGrid(0.1f, 0.5f, 0.05f)) {
    ExpectMatchesTorch(ZooModel("tiny_cnn").value(), options);
  }
}

// Their gradient is complete after the last of their layers only.
TEST(TorchSgd, EveryCombinationOfOptions_WithSharedParameters) {
  const auto dense = [](const std::string& name, const std::string& parameters) {
    return LayerSpec{.name = name, .kind = LayerKind::kDense, .parameters = parameters, .units = 6};
  };
  const LayerSpec relu = {.name = "relu", .kind = LayerKind::kRelu};
  const ModelSpec model = {
      .name = "shared", .input = {6}, .layers = {dense("fc", ""), relu, dense("again", "fc")}};
  for (const SgdOptions& options : testing::SgdOptionGrid(0.1f, 0.5f, 0.05f)) {
    ExpectMatchesTorch(model, options);
  }
}

}  // namespace
}  // namespace tern
