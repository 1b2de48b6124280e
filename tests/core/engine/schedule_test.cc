#include "core/engine/schedule.h"

#include <gtest/gtest.h>

#include "core/model/zoo.h"

namespace tern {
namespace {

Schedule ScheduleOf(std::vector<LayerSpec> layers, const ProgramOptions& options = {}) {
  ProgramOptions two = options;
  two.batch_size = 2;
  return MakeSchedule({.name = "m", .input = {6}, .layers = std::move(layers)}, two).value();
}

// The only step of that kind of a layer of the spec; null without one.
const ScheduledStep* FindStep(const Schedule& schedule, const StepPlan& plan, StepKind kind,
                              size_t spec_index) {
  const ScheduledStep* found = nullptr;
  for (const ScheduledStep& step : plan.steps) {
    if (step.kind != kind || schedule.layers[step.layer].spec_index != spec_index) continue;
    EXPECT_EQ(found, nullptr);
    found = &step;
  }
  return found;
}
const ScheduledStep* Forward(const Schedule& schedule, size_t spec_index) {
  return FindStep(schedule, schedule.training, StepKind::kForward, spec_index);
}
const ScheduledStep* Backward(const Schedule& schedule, size_t spec_index) {
  return FindStep(schedule, schedule.training, StepKind::kBackward, spec_index);
}

LayerSpec Dense(const std::string& name) {
  return {.name = name, .kind = LayerKind::kDense, .units = 6};
}
LayerSpec Relu(const std::string& name) { return {.name = name, .kind = LayerKind::kRelu}; }
LayerSpec Scale(const std::string& name) {
  return {.name = name, .kind = LayerKind::kScale, .factor = 2.0f};
}
LayerSpec Flatten(const std::string& name) { return {.name = name, .kind = LayerKind::kFlatten}; }

TEST(MakeSchedule, ReluBehindParameters_IsDoneByTheirLayer) {
  const Schedule schedule = ScheduleOf({Dense("a"), Relu("r"), Dense("b")});
  EXPECT_EQ(Forward(schedule, 0)->activation, Activation::kRelu);
  EXPECT_EQ(Forward(schedule, 1), nullptr);
  EXPECT_EQ(Forward(schedule, 2)->activation, Activation::kNone);
  // Its backward pass reads the output, which the next layer keeps anyway.
  EXPECT_EQ(Backward(schedule, 1)->buffers.output, Forward(schedule, 0)->buffers.output);
  EXPECT_EQ(Backward(schedule, 1)->saved_bytes, 0);
  EXPECT_EQ(Backward(schedule, 1)->buffers.input_gradient,
            Backward(schedule, 1)->buffers.output_gradient);
}

TEST(MakeSchedule, ReluWhoseOutputNobodyKeeps_SavesABitForEachElement) {
  const Schedule schedule = ScheduleOf({Dense("a"), Relu("r"), Scale("s"), Dense("b")});
  const ScheduledStep* relu = Forward(schedule, 1);
  EXPECT_EQ(relu->saved_bytes, 2);  // of 2 x 6 elements
  EXPECT_EQ(relu->buffers.output, relu->buffers.input);
  EXPECT_EQ(Backward(schedule, 1)->buffers.output, kNotInArena);
  EXPECT_EQ(Backward(schedule, 1)->buffers.saved, relu->buffers.saved);
  // So that the scale may overwrite what the ReLU gave.
  EXPECT_EQ(Forward(schedule, 2)->buffers.output, relu->buffers.output);
}

TEST(MakeSchedule, ReluOfTheInput_HasItsOwnOutput) {
  const Schedule schedule = ScheduleOf({Relu("r"), Dense("a")});
  EXPECT_EQ(Forward(schedule, 0)->buffers.input, kNotInArena);
  EXPECT_NE(Forward(schedule, 0)->buffers.output, kNotInArena);
}

// A scale layer between a layer with parameters and its ReLU takes no memory and no step.
TEST(MakeSchedule, ScaleAfterParameters_IsFoldedIntoTheirLayer) {
  const Schedule plain = ScheduleOf({Dense("a"), Relu("r"), Dense("b")});
  const Schedule scaled = ScheduleOf({Dense("a"), Scale("s"), Relu("r"), Dense("b")});
  EXPECT_EQ(scaled.training.arena_floats, plain.training.arena_floats);
  EXPECT_EQ(scaled.inference.arena_floats, plain.inference.arena_floats);
  EXPECT_EQ(scaled.training.steps.size(), plain.training.steps.size());
  EXPECT_EQ(scaled.layers[0].shape.factor, 2.0f);
  EXPECT_EQ(Forward(scaled, 0)->activation, Activation::kRelu);
}

TEST(MakeSchedule, SecondScaleAfterParameters_IsAStepOfItsOwn) {
  const Schedule schedule = ScheduleOf({Dense("a"), Scale("s"), Scale("t"), Dense("b")});
  EXPECT_EQ(Forward(schedule, 1), nullptr);
  EXPECT_NE(Forward(schedule, 2), nullptr);
  EXPECT_EQ(schedule.layers[3].shape.factor, 1.0f);
}

// The backward pass of the first reads its output: it must find it as it was, also through a view.
TEST(MakeSchedule, InPlaceLayerAfterOneThatReadsItsOutput_HasItsOwnOutput) {
  const Schedule schedule =
      ScheduleOf({Dense("a"), Relu("r1"), Flatten("f"), Dense("b"), Relu("r2"), Dense("c")});
  EXPECT_EQ(Backward(schedule, 1)->buffers.output, Forward(schedule, 0)->buffers.output);
  EXPECT_NE(Forward(schedule, 3)->buffers.output, Forward(schedule, 0)->buffers.output);
}

TEST(MakeSchedule, ReluBeforeMaxPool_RunsBehindIt) {
  const ModelSpec spec = {
      .name = "m",
      .input = {1, 8, 8},
      .layers = {{.name = "conv", .kind = LayerKind::kConv2d, .units = 2, .kernel = 3},
                 Relu("relu"),
                 {.name = "pool", .kind = LayerKind::kMaxPool2d, .kernel = 2, .stride = 2},
                 Flatten("flatten"),
                 Dense("fc")}};
  const Schedule schedule = MakeSchedule(spec, {.batch_size = 1}).value();
  EXPECT_EQ(schedule.layers[1].spec_index, 2u);
  EXPECT_EQ(schedule.layers[2].spec_index, 1u);
  EXPECT_EQ(schedule.layers[2].shape.in_elements(), 2 * 3 * 3);
  EXPECT_EQ(Forward(schedule, 2)->saved_bytes, Backward(schedule, 2)->saved_bytes);
  EXPECT_GT(Backward(schedule, 2)->saved_bytes, 0);
}

TEST(MakeSchedule, LayersBeforeTheFirstParameters_HaveNoBackwardPass) {
  const Schedule schedule = ScheduleOf({Relu("r"), Flatten("f"), Dense("a"), Dense("b")});
  EXPECT_EQ(Backward(schedule, 0), nullptr);
  EXPECT_EQ(Backward(schedule, 1), nullptr);
  EXPECT_EQ(Backward(schedule, 2)->buffers.input_gradient, kNotInArena);
  EXPECT_NE(Backward(schedule, 3)->buffers.input_gradient, kNotInArena);
}

TEST(MakeSchedule, FrozenFirstLayers_HaveNoBackwardPassAndKeepNothing) {
  const std::vector<LayerSpec> layers = {Dense("a"), Relu("r"), Dense("b"), Relu("s"), Dense("c")};
  const Schedule schedule = ScheduleOf(layers, {.scope = {.last_layers = 1}});
  for (const size_t frozen : {0, 1, 2, 3}) EXPECT_EQ(Backward(schedule, frozen), nullptr);
  EXPECT_EQ(Backward(schedule, 4)->buffers.input_gradient, kNotInArena);
  EXPECT_EQ(schedule.trained.size, 6 * 6 + 6);
  EXPECT_LT(schedule.training.arena_floats, ScheduleOf(layers).training.arena_floats);
}

TEST(MakeSchedule, BiasesOnly_KeepNoInputs) {
  const std::vector<LayerSpec> layers = {Dense("a"), Relu("r"), Dense("b"), Relu("s"), Dense("c")};
  const Schedule schedule = ScheduleOf(layers, {.scope = {.biases_only = true}});
  EXPECT_EQ(Backward(schedule, 2)->buffers.input, kNotInArena);
  EXPECT_GT(Backward(schedule, 1)->saved_bytes, 0);
  EXPECT_EQ(schedule.trained.size, 3 * 6);
}

TEST(MakeSchedule, SharedParameters_HaveOneGradientInTheArena) {
  LayerSpec again = Dense("again");
  again.parameters = "a";
  const Schedule schedule = ScheduleOf({Dense("a"), again, Dense("b")});
  const int64_t shared = Backward(schedule, 0)->buffers.shared_gradient;
  EXPECT_NE(shared, kNotInArena);
  EXPECT_EQ(Backward(schedule, 1)->buffers.shared_gradient, shared);
  EXPECT_EQ(Backward(schedule, 2)->buffers.shared_gradient, kNotInArena);
  EXPECT_TRUE(schedule.layers[1].first_gradient && !schedule.layers[1].last_gradient);
  EXPECT_TRUE(schedule.layers[0].last_gradient && !schedule.layers[0].first_gradient);
}

TEST(MakeSchedule, Inference_HasNothingOfTraining) {
  const Schedule schedule = MakeSchedule(ZooModel("lenet5").value(), {.batch_size = 10}).value();
  for (const ScheduledStep& step : schedule.inference.steps) {
    EXPECT_EQ(step.kind, StepKind::kForward);
    EXPECT_EQ(step.saved_bytes, 0);
  }
  EXPECT_LT(schedule.inference.arena_floats, schedule.training.arena_floats);
}

// The planner is greedy; here it is within a twentieth of what no plan can beat.
TEST(MakeSchedule, ZooModels_AreNearTheirLowerBound) {
  for (const std::string& name : ZooModelNames()) {
    for (const MemoryMode memory : {MemoryMode::kFast, MemoryMode::kSmall}) {
      for (const int64_t batch_size : {1, 10, 32}) {
        const Schedule schedule =
            MakeSchedule(ZooModel(name).value(), {.batch_size = batch_size, .memory = memory})
                .value();
        for (const StepPlan& plan : {schedule.training, schedule.inference}) {
          EXPECT_GE(plan.arena_floats, plan.lower_bound_floats);
          EXPECT_LE(static_cast<double>(plan.arena_floats),
                    1.05 * static_cast<double>(plan.lower_bound_floats))
              << name << " batch " << batch_size;
        }
      }
    }
  }
}

// Whoever computes an activation again keeps fewer.
TEST(MakeSchedule, SmallMode_TakesNoMoreMemoryThanFast) {
  for (const std::string& name : ZooModelNames()) {
    const ModelSpec spec = ZooModel(name).value();
    const Schedule fast = MakeSchedule(spec, {.batch_size = 10}).value();
    const Schedule small =
        MakeSchedule(spec, {.batch_size = 10, .memory = MemoryMode::kSmall}).value();
    EXPECT_LE(small.training.arena_floats, fast.training.arena_floats) << name;
  }
}

}  // namespace
}  // namespace tern
