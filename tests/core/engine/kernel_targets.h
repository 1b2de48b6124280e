// Runs tests once for every kernel target of this machine.
#ifndef TERN_TESTS_CORE_ENGINE_KERNEL_TARGETS_H_
#define TERN_TESTS_CORE_ENGINE_KERNEL_TARGETS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/check.h"
#include "core/engine/simd_targets.h"
// simd_targets.h comes first.
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

// While it lives, kernels run on the given target of this machine, also on one that
// TERN_KERNEL_TARGET rules out.
class ScopedKernelTarget {
 public:
  explicit ScopedKernelTarget(const std::string& name) : before_(hwy::SupportedTargets()) {
    hwy::SetSupportedTargetsForTest(0);
    for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
      if (name != hwy::TargetName(target)) continue;
      hwy::SetSupportedTargetsForTest(target);
      return;
    }
    TERN_CHECK(false && "this machine has the target");
  }
  ~ScopedKernelTarget() { hwy::SetSupportedTargetsForTest(before_); }
  ScopedKernelTarget(const ScopedKernelTarget&) = delete;
  ScopedKernelTarget& operator=(const ScopedKernelTarget&) = delete;

 private:
  int64_t before_;
};

}  // namespace tern::testing

#endif  // TERN_TESTS_CORE_ENGINE_KERNEL_TARGETS_H_
