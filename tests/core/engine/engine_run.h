// A program with everything that it needs to run, for tests.
#ifndef TERN_TESTS_CORE_ENGINE_ENGINE_RUN_H_
#define TERN_TESTS_CORE_ENGINE_ENGINE_RUN_H_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/base/random.h"
#include "core/engine/aligned_floats.h"
#include "core/engine/program.h"

namespace tern::testing {

struct EngineRun {
  ModelSpec spec;
  Program program;
  std::vector<float> parameters;
  std::vector<float> inputs;  // batch_size examples in [-1, 1)
  std::vector<int32_t> labels;
  AlignedFloats arena;

  EngineRun(const ModelSpec& model, int64_t batch_size, uint64_t seed = 1)
      : EngineRun(model, ProgramOptions{.batch_size = batch_size}, seed) {}

  EngineRun(const ModelSpec& model, const ProgramOptions& options, uint64_t seed = 1)
      : spec(model),
        program(Program::Compile(model, options).value()),
        parameters(InitialParameters(program.layout(), seed)),
        inputs(static_cast<size_t>(options.batch_size * NumElements(model.input))),
        arena(AlignedFloats::Allocate(program.arena_floats()).value()) {
    RandomStream random({.seed = seed});
    for (float& value : inputs) value = 2.0f * random.NextFloat() - 1.0f;
    for (int64_t i = 0; i < options.batch_size; ++i) {
      labels.push_back(
          static_cast<int32_t>(random.Below(static_cast<uint32_t>(program.num_classes()))));
    }
    SpoilArena();
  }

  // Whatever is read before it is written makes the result not a number.
  void SpoilArena() {
    const absl::Span<float> floats = arena.span();
    std::fill(floats.begin(), floats.end(), std::numeric_limits<float>::quiet_NaN());
  }

  // The first `count` examples.
  Batch FirstExamples(size_t count) const {
    return {absl::MakeSpan(inputs).subspan(0, count * inputs.size() / labels.size()),
            absl::MakeSpan(labels).subspan(0, count)};
  }
  Batch AllExamples() const { return {inputs, labels}; }

  std::vector<float> Gradient(float* loss = nullptr) {
    std::vector<float> gradient(static_cast<size_t>(program.trained().size),
                                std::numeric_limits<float>::quiet_NaN());
    const float mean_loss =
        program.Gradient(parameters, AllExamples(), arena.span(), absl::MakeSpan(gradient));
    if (loss != nullptr) *loss = mean_loss;
    return gradient;
  }

  float Step(float learning_rate) {
    return program.Step(absl::MakeSpan(parameters), AllExamples(), arena.span(),
                        {.learning_rate = learning_rate});
  }

  std::vector<float> Predict() {
    AlignedFloats smaller = AlignedFloats::Allocate(program.predict_arena_floats()).value();
    std::fill(smaller.span().begin(), smaller.span().end(),
              std::numeric_limits<float>::quiet_NaN());
    std::vector<float> logits(labels.size() * static_cast<size_t>(program.num_classes()));
    program.Predict(parameters, inputs, static_cast<int64_t>(labels.size()), smaller.span(),
                    absl::MakeSpan(logits));
    return logits;
  }
};

}  // namespace tern::testing

#endif  // TERN_TESTS_CORE_ENGINE_ENGINE_RUN_H_
