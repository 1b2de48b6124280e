// What every model of the zoo needs to train, by batch size and memory mode: tab-separated, one
// line each.
#include <cstdio>

#include "core/engine/program.h"
#include "core/model/zoo.h"

namespace tern {
namespace {

void Print(const std::string& name, int64_t batch_size, MemoryMode memory) {
  const ModelSpec model = ZooModel(name).value();
  const Program program =
      Program::Compile(model, {.batch_size = batch_size, .memory = memory}).value();
  const int64_t inputs = batch_size * NumElements(model.input);
  const auto bytes = [](int64_t floats) {
    return static_cast<long long>(floats) * static_cast<long long>(sizeof(float));
  };
  std::printf("%s\t%lld\t%s\t%lld\t%lld\t%lld\n", name.c_str(), static_cast<long long>(batch_size),
              memory == MemoryMode::kSmall ? "small" : "fast",
              bytes(program.layout().size + inputs + program.arena_floats()),
              bytes(program.arena_floats()), bytes(program.schedule().training.lower_bound_floats));
}

}  // namespace
}  // namespace tern

int main() {
  std::printf("model\tbatch\tmemory\ttotal_bytes\tarena_bytes\tlower_bound_bytes\n");
  for (const std::string& name : tern::ZooModelNames()) {
    for (const int64_t batch_size : {1, 10, 32}) {
      tern::Print(name, batch_size, tern::MemoryMode::kFast);
      tern::Print(name, batch_size, tern::MemoryMode::kSmall);
    }
  }
  return 0;
}
