// Programs that train a part of a model, in little memory, or with another loss.
#include "core/engine/program_options.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/model/zoo.h"
#include "tests/core/engine/allocation_counter.h"
#include "tests/core/engine/engine_run.h"
#include "tests/core/engine/sgd_reference.h"
#include "tests/testing/status_matchers.h"

namespace tern {
namespace {

using testing::EngineRun;
using testing::StatusIs;

std::vector<ModelSpec> Models() {
  std::vector<ModelSpec> models;
  for (const std::string& name : ZooModelNames()) models.push_back(ZooModel(name).value());
  // Parameters that layers share, ReLUs in every place.
  models.push_back(
      {.name = "shared",
       .input = {6},
       .layers = {{.name = "relu0", .kind = LayerKind::kRelu},
                  {.name = "a", .kind = LayerKind::kDense, .units = 6},
                  {.name = "relu1", .kind = LayerKind::kRelu},
                  {.name = "scale", .kind = LayerKind::kScale, .factor = 2.0f},
                  {.name = "b", .kind = LayerKind::kDense, .parameters = "a", .units = 6},
                  {.name = "relu2", .kind = LayerKind::kRelu6},
                  {.name = "relu3", .kind = LayerKind::kRelu},
                  {.name = "c", .kind = LayerKind::kDense, .units = 6},
                  {.name = "relu4", .kind = LayerKind::kRelu}}});
  return models;
}

// The names of the model's layers that have parameters.
std::vector<std::string> LayersWithParameters(const ModelSpec& model) {
  const ParameterLayout layout = MakeParameterLayout(model).value();
  std::vector<std::string> names;
  for (size_t i = 0; i < model.layers.size(); ++i) {
    if (layout.weight_of_layer[i] >= 0) names.push_back(model.layers[i].name);
  }
  return names;
}

std::vector<UpdateScope> Scopes(const ModelSpec& model) {
  return {{.last_layers = 1},
          {.biases_only = true},
          {.channels = 0.4f},
          {.frozen_layers = {LayersWithParameters(model).back()}},
          {.frozen_layers = {LayersWithParameters(model).front()}, .channels = 0.7f},
          {.last_layers = 2, .biases_only = true}};
}

// What the whole vector `values` has at the trained coordinates.
std::vector<float> Trained(const TrainedParameters& trained, const std::vector<float>& values) {
  std::vector<float> result;
  for (const TrainedRange& range : trained.ranges) {
    const auto begin = values.begin() + range.begin;
    result.insert(result.end(), begin, begin + range.size);
  }
  return result;
}

void ExpectNear(const std::vector<float>& values, const std::vector<float>& expected,
                const std::string& what) {
  ASSERT_EQ(values.size(), expected.size()) << what;
  float largest = 0.0f;
  for (const float value : expected) largest = std::max(largest, std::abs(value));
  for (size_t i = 0; i < values.size(); ++i) {
    ASSERT_NEAR(values[i], expected[i], 1e-5f * (largest + 1e-3f)) << what << " " << i;
  }
}

TEST(UpdateScopes, Gradient_IsThatOfTheWholeModelAtTheTrainedCoordinates) {
  for (const ModelSpec& model : Models()) {
    EngineRun whole(model, 3);
    const std::vector<float> gradient = whole.Gradient();
    for (const MemoryMode memory : {MemoryMode::kFast, MemoryMode::kSmall}) {
      for (const UpdateScope& scope : Scopes(model)) {
        EngineRun part(model, {.batch_size = 3, .memory = memory, .scope = scope});
        ExpectNear(part.Gradient(), Trained(part.program.trained(), gradient), model.name);
      }
    }
  }
}

TEST(UpdateScopes, Steps_LeaveFrozenCoordinatesAsTheyAre) {
  for (const ModelSpec& model : Models()) {
    for (const UpdateScope& scope : Scopes(model)) {
      for (const SgdOptions& options :
           {SgdOptions{.learning_rate = 0.1f}, testing::SgdOptionGrid(0.1f, 1.0f, 0.1f).back(),
            SgdOptions{.learning_rate = 0.1f, .momentum = 0.9f, .weight_decay = 0.1f}}) {
        EngineRun run(model, {.batch_size = 3, .scope = scope});
        const TrainedParameters& trained = run.program.trained();
        const std::vector<float> before = run.parameters;
        testing::SgdMemory memory(options, Trained(trained, before));
        run.program.Step(absl::MakeSpan(run.parameters), run.AllExamples(), run.arena.span(),
                         options, memory.vectors());
        EXPECT_NE(run.parameters, before);
        std::vector<float> expected = before;
        for (const TrainedRange& range : trained.ranges) {
          std::copy_n(run.parameters.begin() + range.begin, range.size,
                      expected.begin() + range.begin);
        }
        EXPECT_EQ(run.parameters, expected) << model.name;
      }
    }
  }
}

TEST(UpdateScopes, Part_TakesNoMoreMemoryThanAll) {
  for (const ModelSpec& model : Models()) {
    for (const MemoryMode memory : {MemoryMode::kFast, MemoryMode::kSmall}) {
      const Program whole = Program::Compile(model, {.batch_size = 8, .memory = memory}).value();
      for (const UpdateScope& scope : Scopes(model)) {
        const Program part =
            Program::Compile(model, {.batch_size = 8, .memory = memory, .scope = scope}).value();
        EXPECT_LE(part.arena_floats(), whole.arena_floats()) << model.name;
      }
    }
  }
}

TEST(UpdateScopes, BiasesOnly_NeedLittleBesideInference) {
  const ModelSpec model = ZooModel("mcmahan_cnn").value();
  const Program all = Program::Compile(model, 10).value();
  const Program biases =
      Program::Compile(model, {.batch_size = 10, .scope = {.biases_only = true}}).value();
  EXPECT_LT(biases.arena_floats(), all.arena_floats());
}

TEST(MicroBatches, Gradients_AddUpToThatOfTheBatch) {
  for (const ModelSpec& model : Models()) {
    EngineRun whole(model, 7);
    float whole_loss = 0.0f;
    const std::vector<float> expected = whole.Gradient(&whole_loss);
    EngineRun micro(model, 3);
    std::vector<float> gradient(expected.size(), std::nanf(""));
    double loss = 0.0;
    const size_t example = whole.inputs.size() / 7;
    for (size_t begin = 0; begin < 7; begin += 3) {
      const size_t count = std::min<size_t>(3, 7 - begin);
      const Batch batch = {
          .inputs = absl::MakeSpan(whole.inputs).subspan(begin * example, count * example),
          .labels = absl::MakeSpan(whole.labels).subspan(begin, count)};
      const double share = static_cast<double>(count) / 7.0;
      loss += share * static_cast<double>(micro.program.Gradient(
                          whole.parameters, batch, micro.arena.span(), absl::MakeSpan(gradient),
                          {.share = share, .accumulate = begin > 0}));
    }
    EXPECT_NEAR(loss, static_cast<double>(whole_loss), 1e-5);
    ExpectNear(gradient, expected, model.name);
  }
}

// Convolutions whose pooling is not the layer right behind them, or not the only one.
std::vector<ModelSpec> PoolingModels() {
  const auto pool = [](const std::string& name, int64_t size) {
    return LayerSpec{.name = name, .kind = LayerKind::kMaxPool2d, .kernel = size, .stride = size};
  };
  const LayerSpec conv = {.name = "conv", .kind = LayerKind::kConv2d, .units = 3, .kernel = 3};
  const LayerSpec wide = {.name = "wide", .kind = LayerKind::kConv2d, .units = 3, .kernel = 12};
  const LayerSpec relu = {.name = "relu", .kind = LayerKind::kRelu};
  const LayerSpec scale = {.name = "scale", .kind = LayerKind::kScale, .factor = -2.0f};
  const LayerSpec fc = {.name = "fc", .kind = LayerKind::kDense, .units = 4};
  const LayerSpec flatten = {.name = "flatten", .kind = LayerKind::kFlatten};
  std::vector<ModelSpec> models;
  for (const std::vector<LayerSpec>& layers :
       std::vector<std::vector<LayerSpec>>{{conv, pool("p1", 2), pool("p2", 2), flatten, fc},
                                           {conv, pool("p1", 2), relu, pool("p2", 3), flatten, fc},
                                           {conv, pool("p1", 1), pool("p2", 2), flatten, fc},
                                           {conv, pool("p1", 2), pool("p2", 1), flatten, fc},
                                           {conv, scale, relu, pool("p1", 2), flatten, fc},
                                           {conv, pool("p1", 2), scale, relu, flatten, fc},
                                           {relu, pool("p0", 1), wide, flatten, fc}}) {
    models.push_back({.name = "pools", .input = {2, 14, 14}, .layers = layers});
  }
  return models;
}

TEST(SmallMode, GradientAndPredictions_AreThoseOfFastMode) {
  std::vector<ModelSpec> models = Models();
  for (const ModelSpec& model : PoolingModels()) models.push_back(model);
  for (const ModelSpec& model : models) {
    for (const int64_t batch_size : {1, 5}) {
      EngineRun fast(model, batch_size);
      EngineRun small(model, {.batch_size = batch_size, .memory = MemoryMode::kSmall});
      ExpectNear(small.Gradient(), fast.Gradient(), model.name);
      ExpectNear(small.Predict(), fast.Predict(), model.name);
    }
  }
}

// What is computed again has the same bits: memory changes nothing else.
TEST(SmallMode, RepeatedSteps_DoNotDependOnWhatTheArenaHeld) {
  for (const ModelSpec& model : Models()) {
    const ProgramOptions options = {.batch_size = 4, .memory = MemoryMode::kSmall};
    EngineRun run(model, options);
    EngineRun same(model, options);
    std::fill(same.arena.span().begin(), same.arena.span().end(), 1.0f);
    for (int step = 0; step < 2; ++step) EXPECT_EQ(run.Step(0.05f), same.Step(0.05f));
    EXPECT_EQ(run.parameters, same.parameters) << model.name;
  }
}

// In 256 KiB: parameters, the input, activations, gradients, workspace.
TEST(SmallMode, LeNet5AtBatchOne_TrainsIn256KiB) {
  const ModelSpec model = ZooModel("lenet5").value();
  const Program program = Program::Compile(model, {.memory = MemoryMode::kSmall}).value();
  const int64_t floats = program.layout().size + NumElements(model.input) + program.arena_floats();
  EXPECT_LE(floats * static_cast<int64_t>(sizeof(float)), 256 * 1024);
}

TEST(LossThatIsNotFinite, Step_ChangesNothing) {
  for (const ModelSpec& model : Models()) {
    for (const SgdOptions& options : testing::SgdOptionGrid(0.1f, 1.0f, 0.1f)) {
      EngineRun run(model, 2);
      run.inputs[0] = std::numeric_limits<float>::quiet_NaN();
      run.inputs[1] = std::numeric_limits<float>::infinity();
      const std::vector<float> before = run.parameters;
      std::vector<float> velocity(before.size(), 1.0f);
      std::vector<float> gradient(before.size());
      EXPECT_FALSE(std::isfinite(run.program.Step(absl::MakeSpan(run.parameters), run.AllExamples(),
                                                  run.arena.span(), options,
                                                  {.velocity = absl::MakeSpan(velocity),
                                                   .gradient = absl::MakeSpan(gradient),
                                                   .start = before})));
      EXPECT_EQ(run.parameters, before) << model.name;
      EXPECT_EQ(velocity, std::vector<float>(before.size(), 1.0f));
    }
  }
}

TEST(PresentClasses, Others_GetNoGradient) {
  const ModelSpec model = ZooModel("tiny_cnn").value();
  EngineRun run(model, 4);
  run.labels = {2, 5, 5, 2};
  std::vector<uint8_t> present(10);
  present[2] = present[5] = 1;
  Batch batch = run.AllExamples();
  batch.present_classes = present;
  std::vector<float> gradient(run.parameters.size());
  run.program.Gradient(run.parameters, batch, run.arena.span(), absl::MakeSpan(gradient));
  const Parameter& bias = run.program.layout().parameters.back();
  for (size_t c = 0; c < 10; ++c) {
    const float value = gradient[static_cast<size_t>(bias.offset) + c];
    if (present[c] == 0) {
      EXPECT_EQ(value, 0.0f) << c;
    } else {
      EXPECT_NE(value, 0.0f) << c;
    }
  }
}

TEST(ProgramOptions, EveryLoss_IsTrained) {
  const ModelSpec model = ZooModel("mlp_200_200").value();
  for (const LossOptions& loss :
       {LossOptions{.label_smoothing = 0.1f}, LossOptions{.kind = LossKind::kBinaryCrossEntropy},
        LossOptions{.kind = LossKind::kMeanSquaredError}}) {
    EngineRun run(model, {.batch_size = 10, .loss = loss});
    const float first = run.Step(0.1f);
    float last = first;
    for (int step = 0; step < 200; ++step) last = run.Step(0.1f);
    EXPECT_LT(last, 0.7f * first) << LossKindName(loss.kind);
  }
}

TEST(ProgramOptions, BadOptions_AreInvalidArgument) {
  const ModelSpec model = ZooModel("tiny_cnn").value();
  using absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(Program::Compile(model, {.loss = {.label_smoothing = 1.0f}}),
              StatusIs(kInvalidArgument, "label_smoothing is 1"));
  EXPECT_THAT(Program::Compile(model, {.memory = static_cast<MemoryMode>(3)}),
              StatusIs(kInvalidArgument, "memory is 3"));
  EXPECT_THAT(Program::Compile(model, {.scope = {.frozen_layers = {"nothing"}}}),
              StatusIs(kInvalidArgument, "frozen_layers has 'nothing'"));
}

TEST(ProgramOptions, StepInEveryMode_AllocatesNothing) {
  if (!testing::CanCountAllocations()) GTEST_SKIP() << "a sanitizer has replaced malloc";
  for (const ModelSpec& model : Models()) {
    for (const UpdateScope& scope : Scopes(model)) {
      EngineRun run(model, {.batch_size = 5, .memory = MemoryMode::kSmall, .scope = scope});
      const int64_t before = testing::NumAllocations();
      run.Step(0.1f);
      EXPECT_EQ(testing::NumAllocations(), before) << model.name;
    }
  }
}

}  // namespace
}  // namespace tern
