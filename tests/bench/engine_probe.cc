// What the engine takes by itself, statically linked: trains lenet5 at batch 1 on noise and prints
// the process's peak memory. No protobuf, no gRPC, one kernel target.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "core/base/random.h"
#include "core/engine/aligned_floats.h"
#include "core/engine/kernel_target.h"
#include "core/engine/program.h"
#include "core/model/parameter_layout.h"
#include "core/model/zoo.h"

namespace {

// Of this program alone: getrusage also counts what the process was before it became this one.
long PeakRssBytes() {
  std::FILE* status = std::fopen("/proc/self/status", "r");
  if (status == nullptr) return 0;
  char line[256];
  long kilobytes = 0;
  while (std::fgets(line, sizeof(line), status) != nullptr) {
    if (std::sscanf(line, "VmHWM: %ld", &kilobytes) == 1) break;
  }
  std::fclose(status);
  return kilobytes * 1024;
}

}  // namespace

int main(int argc, char** argv) {
  using tern::AlignedFloats;
  const int steps = argc > 1 ? std::atoi(argv[1]) : 1000;
  const tern::ModelSpec model = tern::ZooModel("lenet5").value();
  const tern::Program program =
      tern::Program::Compile(model, {.memory = tern::MemoryMode::kSmall}).value();
  std::vector<float> parameters = tern::InitialParameters(program.layout(), 1);
  AlignedFloats arena = AlignedFloats::Allocate(program.arena_floats()).value();
  std::vector<float> inputs(static_cast<size_t>(tern::NumElements(model.input)));
  tern::RandomStream random({.seed = 1});
  float loss = 0.0f;
  for (int step = 0; step < steps; ++step) {
    const int32_t label = step % 10;
    for (float& value : inputs) value = random.NextFloat();
    loss = program.Step(absl::MakeSpan(parameters), {inputs, {&label, 1}}, arena.span(),
                        {.learning_rate = 0.01f});
  }
  std::printf(
      "steps\t%d\nloss\t%g\nkernel_target\t%s\ntraining_bytes\t%zu\npeak_rss_bytes\t%ld\n", steps,
      static_cast<double>(loss), std::string(tern::KernelTarget()).c_str(),
      (parameters.size() + inputs.size() + static_cast<size_t>(arena.size())) * sizeof(float),
      PeakRssBytes());
  return std::isfinite(loss) ? 0 : 1;
}
