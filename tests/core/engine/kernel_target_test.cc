#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "core/base/random.h"
#include "core/engine/gemm.h"
#include "core/engine/kernel_target.h"
#include "tests/core/engine/kernel_targets.h"
#include "tests/testing/status_matchers.h"

namespace tern {
namespace {

using testing::KernelTargets;
using testing::ScopedKernelTarget;

TEST(KernelTargets, OfThisMachine_IncludeTheScalarReference) {
  EXPECT_THAT(KernelTargets(), ::testing::Contains(HWY_ARCH_X86 ? "SCALAR" : KernelTarget()));
}

// The environment is read once in a process: these tests look at a fresh one.
class KernelTargetTest : public ::testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

[[noreturn]] void ExitZeroIf(bool condition) { std::exit(condition ? 0 : 1); }

// A product whose bits tell the number of lanes and whether sums are fused.
std::vector<float> TellTaleProduct() {
  constexpr int64_t kM = 5;
  constexpr int64_t kN = 11;
  constexpr int64_t kK = 333;
  RandomStream random({.seed = 15});
  std::vector<float> a(kM * kK);
  std::vector<float> b(kN * kK);
  for (float& value : a) value = random.NextFloat() - 0.5f;
  for (float& value : b) value = random.NextFloat() - 0.5f;
  std::vector<float> c(kM * kN);
  std::vector<float> workspace(static_cast<size_t>(GemmWorkspaceFloats(kM, kN, kK, false, true)));
  Gemm({.m = kM,
        .n = kN,
        .k = kK,
        .a = {a.data(), kK},
        .b = {b.data(), kK, true},
        .c = c.data(),
        .c_stride = kN},
       absl::MakeSpan(workspace));
  return c;
}

std::vector<float> TellTaleProductOn(const std::string& target) {
  const ScopedKernelTarget scoped(target);
  return TellTaleProduct();
}

TEST_F(KernelTargetTest, NamedTargetInEnvironment_RunsTheProducts) {
  const std::vector<std::string> targets = KernelTargets();
  for (const std::string& name : targets) {
    EXPECT_EXIT(
        {
          setenv("TERN_KERNEL_TARGET", name.c_str(), 1);
          const bool named = ApplyKernelTargetFromEnvironment().ok() && KernelTarget() == name;
          const std::vector<float> product = TellTaleProduct();
          const bool is_best = product == TellTaleProductOn(targets.front());
          ExitZeroIf(named && KernelTarget() == name && product == TellTaleProductOn(name) &&
                     is_best == (name == targets.front()));
        },
        ::testing::ExitedWithCode(0), "");
  }
}

TEST_F(KernelTargetTest, UnknownTargetInEnvironment_IsInvalidArgumentAndBestIsUsed) {
  EXPECT_EXIT(
      {
        setenv("TERN_KERNEL_TARGET", "MMX", 1);
        const absl::Status status = ApplyKernelTargetFromEnvironment();
        std::fprintf(stderr, "%s", status.ToString().c_str());
        ExitZeroIf(absl::IsInvalidArgument(status) && KernelTarget() == KernelTargets().front());
      },
      ::testing::ExitedWithCode(0), "TERN_KERNEL_TARGET is 'MMX', expected one that this machine");
}

TEST_F(KernelTargetTest, NothingInEnvironment_IsOkAndBestIsUsed) {
  EXPECT_EXIT(
      {
        unsetenv("TERN_KERNEL_TARGET");
        ExitZeroIf(ApplyKernelTargetFromEnvironment().ok() &&
                   KernelTarget() == KernelTargets().front());
      },
      ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace tern
