// A training step of the engine beside LibTorch's, one thread each.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/engine/aligned_floats.h"
#include "core/engine/program.h"
#include "core/model/parameter_layout.h"
#include "core/model/zoo.h"
#include "tests/bench/kernel_benchmarks.h"
#include "tests/core/engine/torch_reference.h"

namespace tern {
namespace {

constexpr float kLearningRate = 1e-3f;

struct Workload {
  ModelSpec spec;
  std::vector<float> parameters;
  std::vector<float> inputs;
  std::vector<int32_t> labels;
};

// The depthwise-separable block of MobileNet (Howard et al. 2017), 32 -> 64 channels.
ModelSpec SeparableBlock() {
  return {.name = "separable_block",
          .input = {32, 28, 28},
          .layers = {{.name = "depthwise",
                      .kind = LayerKind::kConv2d,
                      .units = 32,
                      .kernel = 3,
                      .padding = 1,
                      .groups = 32},
                     {.name = "relu1", .kind = LayerKind::kRelu6},
                     {.name = "pointwise", .kind = LayerKind::kConv2d, .units = 64, .kernel = 1},
                     {.name = "relu2", .kind = LayerKind::kRelu6},
                     {.name = "pool", .kind = LayerKind::kGlobalAvgPool2d},
                     {.name = "fc", .kind = LayerKind::kDense, .units = 10}}};
}

ModelSpec Model(const std::string& name) {
  return name == "separable_block" ? SeparableBlock() : ZooModel(name).value();
}

Workload MakeWorkload(const std::string& model, int64_t batch_size) {
  Workload workload;
  workload.spec = Model(model);
  workload.parameters = InitialParameters(MakeParameterLayout(workload.spec).value(), 1);
  RandomStream random({.seed = 1});
  workload.inputs.resize(static_cast<size_t>(batch_size * NumElements(workload.spec.input)));
  for (float& value : workload.inputs) value = random.NextFloat();
  for (int64_t i = 0; i < batch_size; ++i) {
    workload.labels.push_back(static_cast<int32_t>(random.Below(10)));
  }
  return workload;
}

void TernStep(benchmark::State& state, const std::string& model) {
  const int64_t batch_size = state.range(0);
  const Workload workload = MakeWorkload(model, batch_size);
  const Program program = Program::Compile(workload.spec, batch_size).value();
  AlignedFloats arena = AlignedFloats::Allocate(program.arena_floats()).value();
  // Aligned, as in training.
  AlignedFloats parameters = AlignedFloats::Allocate(program.layout().size).value();
  std::copy(workload.parameters.begin(), workload.parameters.end(), parameters.span().begin());
  for (auto _ : state) {
    benchmark::DoNotOptimize(program.Step(parameters.span(), {workload.inputs, workload.labels},
                                          arena.span(), {.learning_rate = kLearningRate}));
  }
  state.counters["arena_bytes"] = static_cast<double>(program.arena_floats()) * sizeof(float);
}

void TorchStep(benchmark::State& state, const std::string& model) {
  const Workload workload = MakeWorkload(model, state.range(0));
  testing::TorchModel torch(workload.spec, workload.parameters);
  for (auto _ : state) {
    benchmark::DoNotOptimize(torch.Step(workload.inputs, workload.labels, kLearningRate));
  }
}

void RegisterAll() {
  const struct {
    const char* model;
    std::vector<int64_t> batch_sizes;
  } kSteps[] = {{"mlp_200_200", {1, 10, 32}}, {"tiny_cnn", {1, 10}},     {"lenet5", {1, 10}},
                {"mcmahan_cnn", {10}},        {"mobilenet_small", {10}}, {"separable_block", {10}}};
  for (const auto& step : kSteps) {
    const std::string model = step.model;
    for (const int64_t batch_size : step.batch_sizes) {
      benchmark::RegisterBenchmark(("step/tern/" + model).c_str(), TernStep, model)
          ->Arg(batch_size)
          ->Unit(benchmark::kMicrosecond);
      benchmark::RegisterBenchmark(("step/torch/" + model).c_str(), TorchStep, model)
          ->Arg(batch_size)
          ->Unit(benchmark::kMicrosecond);
    }
  }
}

}  // namespace
}  // namespace tern

int main(int argc, char** argv) { return tern::RunKernelBenchmarks(argc, argv, tern::RegisterAll); }
