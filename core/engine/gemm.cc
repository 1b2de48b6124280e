#include "core/engine/gemm.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/check.h"
#include "core/engine/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/engine/gemm.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes first.
#include "core/engine/gemm-inl.h"
#include "hwy/highway.h"

#if HWY_ONCE
namespace tern {
namespace {

HWY_EXPORT(GemmOnTarget);

int64_t AvailableTargets() { return hwy::SupportedTargets() & HWY_TARGETS; }

absl::Status LowerKernelTarget(absl::string_view name) {
  std::vector<absl::string_view> names;
  for (int64_t rest = AvailableTargets(); rest != 0; rest &= rest - 1) {
    const int64_t target = rest & -rest;
    if (name == hwy::TargetName(target)) {
      // A lower bit is a better target. DisableTargets would be the call for this, but with Highway
      // 1.0.3 the dispatch forgets it at the next call of SupportedTargets, whoever makes it.
      hwy::SetSupportedTargetsForTest(hwy::SupportedTargets() & ~(target - 1));
      return absl::OkStatus();
    }
    names.push_back(hwy::TargetName(target));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "TERN_KERNEL_TARGET is '", name,
      "', expected one that this machine has: ", absl::StrJoin(names, ", "), "; using ", names[0]));
}

// Reads the environment at the first call only: the target must not change between two results.
const absl::Status& EnvironmentStatus() {
  static const absl::Status& status = *new absl::Status([] {
    const char* name = std::getenv("TERN_KERNEL_TARGET");
    return name == nullptr || *name == '\0' ? absl::OkStatus() : LowerKernelTarget(name);
  }());
  return status;
}

}  // namespace

int64_t GemmWorkspaceFloats(int64_t m, int64_t n, int64_t k) {
  const int64_t block_k = std::min(k, kBlockK);
  const int64_t a_rows = RoundUp(std::min(m, kBlockM), kMaxPanelRows);
  // Packing writes whole groups of four columns.
  const int64_t b_columns = std::min(RoundUp(n, 4), kMaxPanelColumns);
  return (a_rows + b_columns) * block_k;
}

void Gemm(int64_t m, int64_t n, int64_t k, float alpha, MatrixView a, MatrixView b, float beta,
          float* c, int64_t c_stride, absl::Span<float> workspace) {
  TERN_CHECK(static_cast<int64_t>(workspace.size()) >= GemmWorkspaceFloats(m, n, k));
  (void)EnvironmentStatus();
  HWY_DYNAMIC_DISPATCH(GemmOnTarget)
  ({.m = m,
    .n = n,
    .k = k,
    .alpha = alpha,
    .a = a,
    .b = b,
    .accumulate = beta != 0.0f,
    .c = c,
    .c_stride = c_stride,
    .workspace = workspace.data()});
}

absl::string_view KernelTarget() {
  (void)EnvironmentStatus();
  const int64_t targets = AvailableTargets();
  return hwy::TargetName(targets & -targets);
}

absl::Status ApplyKernelTargetFromEnvironment() { return EnvironmentStatus(); }

}  // namespace tern
#endif  // HWY_ONCE
