// The main function of benchmarks whose results depend on the kernel target.
#ifndef TERN_TESTS_BENCH_KERNEL_BENCHMARKS_H_
#define TERN_TESTS_BENCH_KERNEL_BENCHMARKS_H_

#include <benchmark/benchmark.h>

#include <cstdio>
#include <string>

#include "core/engine/kernel_target.h"

namespace tern {

inline int RunKernelBenchmarks(int argc, char** argv, void (*register_all)()) {
  benchmark::Initialize(&argc, argv);
  const absl::Status target = ApplyKernelTargetFromEnvironment();
  if (!target.ok()) {
    std::fprintf(stderr, "%s\n", target.ToString().c_str());
    return 1;
  }
  benchmark::AddCustomContext("kernel_target", std::string(KernelTarget()));
  register_all();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace tern

#endif  // TERN_TESTS_BENCH_KERNEL_BENCHMARKS_H_
