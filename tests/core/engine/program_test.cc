#include "core/engine/program.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/model/zoo.h"
#include "tests/core/engine/allocation_counter.h"
#include "tests/core/engine/engine_run.h"
#include "tests/core/engine/kernel_targets.h"
#include "tests/core/engine/sgd_reference.h"
#include "tests/testing/status_matchers.h"

namespace tern {
namespace {

using testing::EngineRun;
using testing::StatusIs;

LayerSpec Dense(const std::string& name, int64_t units, const std::string& parameters = "") {
  return {.name = name, .kind = LayerKind::kDense, .parameters = parameters, .units = units};
}

LayerSpec Relu(const std::string& name) { return {.name = name, .kind = LayerKind::kRelu}; }

LayerSpec Scale(const std::string& name) {
  return {.name = name, .kind = LayerKind::kScale, .factor = 4.0f};
}

// Two layers with one set of parameters, around layers with their own.
ModelSpec SharedModel() {
  return {.name = "shared",
          .input = {6},
          .layers = {Dense("in", 8), Relu("r1"), Dense("a", 8, "both"), Relu("r2"),
                     Dense("b", 8, "both"), Relu("r3"), Dense("out", 3)}};
}

// Scale layers that run in place and one that does not.
ModelSpec ScaledModel() {
  return {.name = "scaled",
          .input = {6},
          .layers = {Dense("in", 8), Scale("s1"), Relu("r1"), Scale("s2"), Dense("out", 3)}};
}

// Convolutions with groups and with dilation, both means.
ModelSpec GroupedModel() {
  return {.name = "grouped",
          .input = {4, 9, 9},
          .layers = {
              {.name = "depthwise",
               .kind = LayerKind::kConv2d,
               .units = 8,
               .kernel = 3,
               .stride = 2,
               .padding = 2,
               .groups = 4,
               .dilation = 2},
              {.name = "grouped", .kind = LayerKind::kConv2d, .units = 6, .kernel = 2, .groups = 2},
              {.name = "pool", .kind = LayerKind::kAvgPool2d, .kernel = 2, .stride = 1},
              {.name = "global", .kind = LayerKind::kGlobalAvgPool2d},
              Dense("out", 3)}};
}

std::vector<ModelSpec> Models() {
  std::vector<ModelSpec> models = {SharedModel(), ScaledModel(), GroupedModel()};
  for (const std::string& name : ZooModelNames()) models.push_back(ZooModel(name).value());
  return models;
}

double MaxAbs(const std::vector<float>& values) {
  double largest = 0.0;
  for (const float value : values) {
    largest = std::max(largest, std::abs(static_cast<double>(value)));
  }
  return largest;
}

TEST(ProgramCompile, ModelWithoutParameters_IsInvalidArgument) {
  const ModelSpec spec = {.name = "bare", .input = {4}, .layers = {Relu("r")}};
  EXPECT_THAT(Program::Compile(spec, 1),
              StatusIs(absl::StatusCode::kInvalidArgument, "model 'bare' has no parameters"));
}

TEST(ProgramCompile, SpecThatIsNoModel_IsInvalidArgumentAndNamesTheLayer) {
  const ModelSpec spec = {.name = "m", .input = {1, 4, 4}, .layers = {Dense("fc", 3)}};
  EXPECT_THAT(Program::Compile(spec, 1),
              StatusIs(absl::StatusCode::kInvalidArgument, "layer 'fc'"));
}

TEST(ProgramCompile, BatchSizeOutOfRange_IsInvalidArgument) {
  const ModelSpec spec = ZooModel("tiny_cnn").value();
  EXPECT_THAT(Program::Compile(spec, 0),
              StatusIs(absl::StatusCode::kInvalidArgument, "batch_size is 0, expected 1 to 4096"));
  EXPECT_THAT(Program::Compile(spec, 4097),
              StatusIs(absl::StatusCode::kInvalidArgument, "batch_size is 4097"));
}

TEST(Program, Step_SubtractsLearningRateTimesGradient) {
  for (const ModelSpec& model : Models()) {
    EngineRun run(model, 4);
    const std::vector<float> before = run.parameters;
    float gradient_loss = 0.0f;
    const std::vector<float> gradient = run.Gradient(&gradient_loss);
    EXPECT_EQ(run.parameters, before);
    run.SpoilArena();
    EXPECT_EQ(run.Step(0.1f), gradient_loss);
    const double bound = 1e-6 * (1.0 + MaxAbs(gradient));
    for (size_t i = 0; i < before.size(); ++i) {
      ASSERT_NEAR(static_cast<double>(run.parameters[i]),
                  static_cast<double>(before[i]) - 0.1 * static_cast<double>(gradient[i]), bound)
          << model.name << " " << run.program.layout().CoordinateName(static_cast<int64_t>(i));
    }
  }
}

TEST(Program, StepWithOptions_IsTheirUpdateWithTheGradient) {
  for (const ModelSpec& model : {SharedModel(), ScaledModel()}) {
    for (const SgdOptions& options : testing::SgdOptionGrid(0.1f, 0.5f, 0.05f)) {
      EngineRun run(model, 4);
      testing::SgdReference reference(options, run.parameters);
      testing::SgdMemory memory(options, run.parameters);
      for (int step = 0; step < 3; ++step) {
        float loss = 0.0f;
        reference.Step(run.Gradient(&loss));
        run.SpoilArena();
        EXPECT_EQ(run.program.Step(absl::MakeSpan(run.parameters), run.AllExamples(),
                                   run.arena.span(), options, memory.vectors()),
                  loss);
      }
      for (size_t i = 0; i < run.parameters.size(); ++i) {
        ASSERT_NEAR(static_cast<double>(run.parameters[i]), reference.parameters[i], 1e-5)
            << model.name << " " << testing::ToString(options);
      }
    }
  }
}

TEST(Program, Step_DoesNotDependOnWhatTheArenaHeld) {
  for (const ModelSpec& model : Models()) {
    EngineRun run(model, 3);
    EngineRun same(model, 3);
    std::fill(same.arena.span().begin(), same.arena.span().end(), 1.0f);
    for (int step = 0; step < 3; ++step) EXPECT_EQ(run.Step(0.05f), same.Step(0.05f));
    EXPECT_EQ(run.parameters, same.parameters) << model.name;
  }
}

TEST(Program, ShortBatch_IsAsIfCompiledForIt) {
  for (const ModelSpec& model : Models()) {
    EngineRun run(model, 7);
    EngineRun three(model, 3);
    three.inputs.assign(run.inputs.begin(),
                        run.inputs.begin() + static_cast<std::ptrdiff_t>(three.inputs.size()));
    three.labels.assign(run.labels.begin(), run.labels.begin() + 3);
    const float loss = run.program.Step(absl::MakeSpan(run.parameters), run.FirstExamples(3),
                                        run.arena.span(), {.learning_rate = 0.1f});
    EXPECT_EQ(loss, three.Step(0.1f));
    EXPECT_EQ(run.parameters, three.parameters) << model.name;
  }
}

TEST(Program, Step_AllocatesNothing) {
  if (!testing::CanCountAllocations()) GTEST_SKIP() << "a sanitizer has replaced malloc";
  for (const ModelSpec& model : Models()) {
    EngineRun run(model, 5);
    std::vector<float> gradient(run.parameters.size());
    std::vector<float> logits(5 * static_cast<size_t>(run.program.num_classes()));
    const SgdOptions every = testing::SgdOptionGrid(0.1f, 1.0f, 0.1f).back();
    testing::SgdMemory memory(every, run.parameters);
    const int64_t before = testing::NumAllocations();
    run.Step(0.1f);
    run.program.Step(absl::MakeSpan(run.parameters), run.AllExamples(), run.arena.span(), every,
                     memory.vectors());
    run.program.Gradient(run.parameters, run.AllExamples(), run.arena.span(),
                         absl::MakeSpan(gradient));
    run.program.Predict(run.parameters, run.inputs, 5, run.arena.span(), absl::MakeSpan(logits));
    EXPECT_EQ(testing::NumAllocations(), before) << model.name;
  }
}

TEST(AllocationCounter, CountsNewAndMalloc) {
  if (!testing::CanCountAllocations()) GTEST_SKIP() << "a sanitizer has replaced malloc";
  const int64_t before = testing::NumAllocations();
  std::vector<float> values(1000);
  ASSERT_NE(values.data(), nullptr);
  EXPECT_EQ(testing::NumAllocations(), before + 1);
}

TEST(Program, RepeatedSteps_LearnARule) {
  // The class is the index of the largest input.
  const ModelSpec model = {
      .name = "toy", .input = {3}, .layers = {Dense("fc1", 16), Relu("r"), Dense("fc2", 3)}};
  EngineRun run(model, 64);
  for (size_t i = 0; i < run.labels.size(); ++i) {
    const auto first = run.inputs.begin() + static_cast<std::ptrdiff_t>(3 * i);
    run.labels[i] = static_cast<int32_t>(std::max_element(first, first + 3) - first);
  }
  const float first_loss = run.Step(0.5f);
  float loss = first_loss;
  for (int step = 0; step < 300; ++step) loss = run.Step(0.5f);
  EXPECT_NEAR(first_loss, std::log(3.0f), 0.3f);
  EXPECT_LT(loss, 0.1f);
}

TEST(Program, SharedParameters_TrainAsTheSumOfTheirUses) {
  // Unroll the sharing into two layers of equal values: the shared gradient is the sum of theirs.
  const ModelSpec shared = SharedModel();
  ModelSpec unrolled = shared;
  unrolled.layers[2].parameters.clear();
  unrolled.layers[4].parameters.clear();
  EngineRun run(shared, 4);
  EngineRun reference(unrolled, 4);
  reference.inputs = run.inputs;
  reference.labels = run.labels;
  const ParameterLayout& to = reference.program.layout();
  const auto copy_values = [&](const std::vector<float>& from_values) {
    std::vector<float> values(static_cast<size_t>(to.size));
    for (size_t layer = 0; layer < shared.layers.size(); ++layer) {
      const int weight = run.program.layout().weight_of_layer[layer];
      for (int part = 0; part < (weight < 0 ? 0 : 2); ++part) {
        const Parameter& source =
            run.program.layout().parameters[static_cast<size_t>(weight + part)];
        const Parameter& target =
            to.parameters[static_cast<size_t>(to.weight_of_layer[layer] + part)];
        std::copy_n(from_values.begin() + source.offset, source.size,
                    values.begin() + target.offset);
      }
    }
    return values;
  };
  reference.parameters = copy_values(run.parameters);
  float loss = 0.0f;
  float reference_loss = 0.0f;
  const std::vector<float> gradient = copy_values(run.Gradient(&loss));
  std::vector<float> expected = reference.Gradient(&reference_loss);
  EXPECT_EQ(loss, reference_loss);
  const auto a = static_cast<size_t>(to.parameters[2].offset);
  const auto b = static_cast<size_t>(to.parameters[4].offset);
  for (size_t i = 0; i < 8 * 8 + 8; ++i) expected[a + i] = expected[b + i] += expected[a + i];
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(gradient[i], expected[i], 1e-6f);
}

TEST(Program, Arena_HoldsLessThanAllTensorsTogether) {
  EngineRun run(ZooModel("mcmahan_cnn").value(), 10);
  // Activations and their gradients, one after the other, without any workspace.
  const int64_t all = 10 * 2 * (2 * 32 * 28 * 28 + 32 * 14 * 14 + 2 * 64 * 14 * 14 + 64 * 7 * 7);
  EXPECT_LT(run.program.arena_floats(), all);
  EXPECT_LT(run.program.predict_arena_floats(), run.program.arena_floats());
}

TEST(Program, Predict_DoesNotDependOnTheBatchAnExampleIsIn) {
  for (const ModelSpec& model : Models()) {
    EngineRun run(model, 6);
    const std::vector<float> logits = run.Predict();
    const auto classes = static_cast<size_t>(run.program.num_classes());
    for (size_t i = 0; i < 6; ++i) {
      std::vector<float> alone(classes);
      run.program.Predict(
          run.parameters,
          absl::MakeSpan(run.inputs).subspan(i * run.inputs.size() / 6, run.inputs.size() / 6), 1,
          run.arena.span(), absl::MakeSpan(alone));
      for (size_t j = 0; j < classes; ++j) {
        EXPECT_NEAR(alone[j], logits[i * classes + j], 1e-5f) << model.name;
      }
    }
  }
}

TEST(ProgramDeathTest, WrongSizes_AreOurBug) {
  EngineRun run(ZooModel("tiny_cnn").value(), 2);
  EXPECT_DEATH(run.program.Step(absl::MakeSpan(run.parameters).subspan(1), run.AllExamples(),
                                run.arena.span(), {}),
               "parameters.size");
  EXPECT_DEATH(run.program.Step(absl::MakeSpan(run.parameters), run.AllExamples(),
                                run.arena.span().subspan(16), {}),
               "arena.size");
  EXPECT_DEATH(run.program.Predict(run.parameters, run.inputs, 3, run.arena.span(), {}), "count");
}

}  // namespace
}  // namespace tern
