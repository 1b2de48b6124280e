// Runs tests once for every kernel target of this machine.
#ifndef TERN_TESTS_CORE_ENGINE_KERNEL_TARGETS_H_
#define TERN_TESTS_CORE_ENGINE_KERNEL_TARGETS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "core/engine/simd_targets.h"
//
#include "hwy/targets.h"

namespace tern::testing {

// The targets by name: "AVX3", "AVX2", ...; each can be given to ScopedKernelTarget.
inline std::vector<std::string> KernelTargets() {
  std::vector<std::string> names;
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    names.emplace_back(hwy::TargetName(target));
  }
  return names;
}

// While it lives, kernels run on the given target.
class ScopedKernelTarget {
 public:
  explicit ScopedKernelTarget(const std::string& name) {
    for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
      if (name == hwy::TargetName(target)) hwy::SetSupportedTargetsForTest(target);
    }
  }
  ~ScopedKernelTarget() { hwy::SetSupportedTargetsForTest(0); }
  ScopedKernelTarget(const ScopedKernelTarget&) = delete;
  ScopedKernelTarget& operator=(const ScopedKernelTarget&) = delete;
};

}  // namespace tern::testing

#endif  // TERN_TESTS_CORE_ENGINE_KERNEL_TARGETS_H_
