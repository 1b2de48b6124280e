#include "core/engine/kernel_target.h"

#include <cstdint>
#include <cstdlib>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/engine/simd_targets.h"
// simd_targets.h comes first.
#include "hwy/highway.h"

namespace tern {
namespace {

#ifdef HWY_COMPILE_ONLY_STATIC
// Built for one target, that of the compiler's flags: there is nothing to choose from, and nothing
// of Highway's library to link.
int64_t AvailableTargets() { return HWY_STATIC_TARGET; }
void UseTargetsFrom(int64_t /*target*/) {}
#else
int64_t AvailableTargets() { return hwy::SupportedTargets() & HWY_TARGETS; }

// A lower bit is a better target. DisableTargets would be the call for this, but with Highway 1.0.3
// the dispatch forgets it at the next call of SupportedTargets, whoever makes it.
void UseTargetsFrom(int64_t target) {
  hwy::SetSupportedTargetsForTest(hwy::SupportedTargets() & ~(target - 1));
}
#endif

absl::Status LowerKernelTarget(absl::string_view name) {
  std::vector<absl::string_view> names;
  for (int64_t rest = AvailableTargets(); rest != 0; rest &= rest - 1) {
    const int64_t target = rest & -rest;
    if (name == hwy::TargetName(target)) {
      UseTargetsFrom(target);
      return absl::OkStatus();
    }
    names.push_back(hwy::TargetName(target));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "TERN_KERNEL_TARGET is '", name,
      "', expected one that this machine has: ", absl::StrJoin(names, ", "), "; using ", names[0]));
}

}  // namespace

// Reads the environment at the first call only: the target must not change between two results.
const absl::Status& ApplyKernelTargetFromEnvironment() {
  static const absl::Status& status = *new absl::Status([] {
    const char* name = std::getenv("TERN_KERNEL_TARGET");
    return name == nullptr || *name == '\0' ? absl::OkStatus() : LowerKernelTarget(name);
  }());
  return status;
}

absl::string_view KernelTarget() {
  (void)ApplyKernelTargetFromEnvironment();
  const int64_t targets = AvailableTargets();
  return hwy::TargetName(targets & -targets);
}

}  // namespace tern
