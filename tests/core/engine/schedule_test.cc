#include "core/engine/schedule.h"

#include <gtest/gtest.h>

#include "core/model/zoo.h"

namespace tern {
namespace {

Schedule ScheduleOf(std::vector<LayerSpec> layers) {
  return MakeSchedule({.name = "m", .input = {6}, .layers = std::move(layers)}, 2).value();
}

LayerSpec Dense(const std::string& name) {
  return {.name = name, .kind = LayerKind::kDense, .units = 6};
}
LayerSpec Relu(const std::string& name) { return {.name = name, .kind = LayerKind::kRelu}; }
LayerSpec Scale(const std::string& name) {
  return {.name = name, .kind = LayerKind::kScale, .factor = 2.0f};
}
LayerSpec Flatten(const std::string& name) { return {.name = name, .kind = LayerKind::kFlatten}; }

TEST(MakeSchedule, Relu_RunsInPlace) {
  const Schedule schedule = ScheduleOf({Dense("a"), Relu("r"), Dense("b")});
  EXPECT_EQ(schedule.layers[1].training.output, schedule.layers[1].training.input);
  EXPECT_EQ(schedule.layers[1].training.input_gradient,
            schedule.layers[1].training.output_gradient);
  EXPECT_NE(schedule.layers[2].training.output, schedule.layers[2].training.input);
}

TEST(MakeSchedule, ReluOfTheInput_HasItsOwnOutput) {
  const Schedule schedule = ScheduleOf({Relu("r"), Dense("a")});
  EXPECT_EQ(schedule.layers[0].training.input, kNotInArena);
  EXPECT_NE(schedule.layers[0].training.output, kNotInArena);
}

// A scale layer between a layer with parameters and its ReLU takes no memory: the ReLU too still
// runs in place.
TEST(MakeSchedule, ScaleAfterParameters_NeedsNoMemory) {
  const Schedule plain = ScheduleOf({Dense("a"), Relu("r"), Dense("b")});
  const Schedule scaled = ScheduleOf({Dense("a"), Scale("s"), Relu("r"), Dense("b")});
  EXPECT_EQ(scaled.training_arena_floats, plain.training_arena_floats);
  EXPECT_EQ(scaled.inference_arena_floats, plain.inference_arena_floats);
  for (const size_t in_place : {1, 2}) {
    const LayerBuffers& buffers = scaled.layers[in_place].training;
    EXPECT_EQ(buffers.output, buffers.input);
    EXPECT_EQ(buffers.input_gradient, buffers.output_gradient);
  }
}

TEST(MakeSchedule, ScaleAfterParameters_IsFoldedIntoTheirLayer) {
  const Schedule schedule = ScheduleOf({Dense("a"), Scale("s"), Scale("t"), Dense("b")});
  EXPECT_EQ(schedule.layers[0].shape.factor, 2.0f);
  EXPECT_EQ(schedule.layers[1].kernel->output_buffer, OutputBuffer::kView);
  EXPECT_NE(schedule.layers[2].kernel->output_buffer, OutputBuffer::kView);
  EXPECT_EQ(schedule.layers[3].shape.factor, 1.0f);
}

TEST(MakeSchedule, ScaleOfARelu_LeavesWhatTheReluReads) {
  const Schedule schedule = ScheduleOf({Dense("a"), Relu("r"), Scale("s"), Dense("b")});
  EXPECT_NE(schedule.layers[2].training.output, schedule.layers[2].training.input);
}

// The backward pass of the first reads its output: it must find it as it was, also through a view.
TEST(MakeSchedule, InPlaceLayerAfterOneThatReadsItsOutput_HasItsOwnOutput) {
  const Schedule schedule = ScheduleOf({Dense("a"), Relu("r1"), Flatten("f"), Relu("r2")});
  EXPECT_EQ(schedule.layers[2].training.output, schedule.layers[1].training.output);
  EXPECT_NE(schedule.layers[3].training.output, schedule.layers[3].training.input);
}

TEST(MakeSchedule, LayersBeforeTheFirstParameters_HaveNoBackwardPass) {
  const Schedule schedule = ScheduleOf({Relu("r"), Flatten("f"), Dense("a"), Dense("b")});
  EXPECT_FALSE(schedule.layers[0].trained);
  EXPECT_FALSE(schedule.layers[1].trained);
  EXPECT_TRUE(schedule.layers[2].trained);
  EXPECT_EQ(schedule.layers[2].training.input_gradient, kNotInArena);
  EXPECT_NE(schedule.layers[3].training.input_gradient, kNotInArena);
}

TEST(MakeSchedule, SharedParameters_HaveOneGradientInTheArena) {
  LayerSpec again = Dense("again");
  again.parameters = "a";
  const Schedule schedule = ScheduleOf({Dense("a"), again, Dense("b")});
  EXPECT_EQ(schedule.layers[0].training.shared_gradient,
            schedule.layers[1].training.shared_gradient);
  EXPECT_NE(schedule.layers[0].training.shared_gradient, kNotInArena);
  EXPECT_EQ(schedule.layers[2].training.shared_gradient, kNotInArena);
  EXPECT_TRUE(schedule.layers[1].first_gradient && !schedule.layers[1].last_gradient);
  EXPECT_TRUE(schedule.layers[0].last_gradient && !schedule.layers[0].first_gradient);
}

TEST(MakeSchedule, InferenceArena_HasNothingOfTraining) {
  const Schedule schedule = MakeSchedule(ZooModel("lenet5").value(), 10).value();
  for (const CompiledLayer& layer : schedule.layers) {
    EXPECT_EQ(layer.inference.backward_workspace, kNotInArena);
    EXPECT_EQ(layer.inference.output_gradient, kNotInArena);
    EXPECT_EQ(layer.inference.input_gradient, kNotInArena);
  }
  EXPECT_LT(schedule.inference_arena_floats, schedule.training_arena_floats);
}

}  // namespace
}  // namespace tern
