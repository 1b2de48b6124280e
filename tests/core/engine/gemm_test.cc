#include "core/engine/gemm.h"

#include <gtest/gtest.h>

#include <Eigen/Core>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <vector>

#include "core/base/random.h"
#include "tests/core/engine/kernel_targets.h"
#include "tests/testing/status_matchers.h"

namespace tern {
namespace {

using testing::KernelTargets;
using testing::ScopedKernelTarget;
using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr float kUntouched = -12345.0f;

struct Problem {
  int64_t m, n, k;
  bool transpose_a = false;
  bool transpose_b = false;
  float alpha = 1.0f;
  float beta = 0.0f;
  int64_t extra_stride = 0;  // floats between the end of a row and the next, in all three
};

std::string Describe(const Problem& p) {
  return absl::StrCat(p.m, "x", p.n, "x", p.k, p.transpose_a ? " A^T" : "",
                      p.transpose_b ? " B^T" : "", " alpha ", p.alpha, " beta ", p.beta,
                      " stride +", p.extra_stride);
}

// A matrix as it is stored, with what lies between its rows.
struct Stored {
  int64_t rows, columns, stride;
  std::vector<float> values;

  Stored(int64_t r, int64_t c, int64_t extra, RandomStream& random)
      : rows(r),
        columns(c),
        stride(c + extra),
        values(static_cast<size_t>(r * stride), kUntouched) {
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < columns; ++j) At(i, j) = 2.0f * random.NextFloat() - 1.0f;
    }
  }
  float& At(int64_t i, int64_t j) { return values[static_cast<size_t>(i * stride + j)]; }
  Matrix ToEigen(bool transposed) const {
    const Eigen::Map<const Matrix, 0, Eigen::OuterStride<>> map(values.data(), rows, columns,
                                                                Eigen::OuterStride<>(stride));
    if (transposed) return map.transpose();
    return map;
  }
};

struct Operands {
  Stored a, b, c;

  Operands(const Problem& p, RandomStream& random)
      : a(p.transpose_a ? p.k : p.m, p.transpose_a ? p.m : p.k, p.extra_stride, random),
        b(p.transpose_b ? p.n : p.k, p.transpose_b ? p.k : p.n, p.extra_stride, random),
        c(p.m, p.n, p.extra_stride, random) {}
};

void RunGemm(const Problem& p, Operands& operands) {
  // Garbage, to show that nothing is read before it is written; a guard behind it.
  const auto floats = static_cast<size_t>(GemmWorkspaceFloats(p.m, p.n, p.k));
  std::vector<float> workspace(floats + 16, std::numeric_limits<float>::quiet_NaN());
  std::fill(workspace.begin() + static_cast<std::ptrdiff_t>(floats), workspace.end(), kUntouched);
  Gemm(p.m, p.n, p.k, p.alpha, {operands.a.values.data(), operands.a.stride, p.transpose_a},
       {operands.b.values.data(), operands.b.stride, p.transpose_b}, p.beta,
       operands.c.values.data(), operands.c.stride, absl::MakeSpan(workspace.data(), floats));
  for (size_t i = floats; i < workspace.size(); ++i) ASSERT_EQ(workspace[i], kUntouched);
}

void ExpectMatchesReference(const Problem& p, RandomStream& random) {
  Operands operands(p, random);
  if (p.beta == 0.0f) {
    for (int64_t i = 0; i < p.m; ++i) operands.c.At(i, 0) = std::nanf("");
  }
  const Matrix a = operands.a.ToEigen(p.transpose_a);
  const Matrix b = operands.b.ToEigen(p.transpose_b);
  const Matrix before = operands.c.ToEigen(false);
  const Eigen::MatrixXd exact = a.cast<double>() * b.cast<double>();
  const Matrix eigen = a * b;
  RunGemm(p, operands);
  // Rounding errors of a sum of k products within [-1, 1], in the worst case and with room.
  const double bound = 1e-6 * std::sqrt(static_cast<double>(p.k)) * (1.0 + std::abs(p.alpha));
  for (int64_t i = 0; i < p.m; ++i) {
    for (int64_t j = 0; j < p.n; ++j) {
      const double start = p.beta == 0.0f ? 0.0 : static_cast<double>(before(i, j));
      const double expected = static_cast<double>(p.alpha) * exact(i, j) + start;
      const double got = static_cast<double>(operands.c.At(i, j));
      ASSERT_NEAR(got, expected, bound) << Describe(p) << " at " << i << ", " << j;
      ASSERT_NEAR(got, static_cast<double>(p.alpha * eigen(i, j)) + start, 2 * bound);
    }
    for (int64_t j = p.n; j < operands.c.stride && i + 1 < p.m; ++j) {
      ASSERT_EQ(operands.c.At(i, j), kUntouched) << Describe(p) << ": wrote between rows";
    }
  }
}

class GemmTest : public ::testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(EveryTarget, GemmTest, ::testing::ValuesIn(KernelTargets()),
                         [](const auto& test) { return test.param; });

TEST_P(GemmTest, RandomShapes_MatchEigenAndDoublePrecision) {
  const ScopedKernelTarget target(GetParam());
  ASSERT_EQ(KernelTarget(), GetParam());
  RandomStream random({.seed = 11});
  for (int trial = 0; trial < 300; ++trial) {
    // Mostly small, so that every edge of a tile occurs; sometimes beyond the blocks.
    const auto dimension = [&](uint32_t large) {
      return int64_t{1} + random.Below(trial % 10 == 0 ? large : 40);
    };
    const Problem problem = {.m = dimension(250),
                             .n = dimension(100),
                             .k = dimension(600),
                             .transpose_a = random.Below(2) == 1,
                             .transpose_b = random.Below(2) == 1,
                             .alpha = random.Below(2) == 1 ? 1.0f : -0.05f,
                             .beta = random.Below(2) == 1 ? 1.0f : 0.0f,
                             .extra_stride = random.Below(2) == 1 ? 3 : 0};
    ASSERT_NO_FATAL_FAILURE(ExpectMatchesReference(problem, random));
  }
}

TEST_P(GemmTest, ShapesOfTrainingSteps_MatchEigenAndDoublePrecision) {
  const ScopedKernelTarget target(GetParam());
  RandomStream random({.seed = 12});
  for (const int64_t batch : {1, 10, 32}) {
    ASSERT_NO_FATAL_FAILURE(ExpectMatchesReference(
        {.m = batch, .n = 200, .k = 784, .transpose_b = true, .beta = 1.0f}, random));
    ASSERT_NO_FATAL_FAILURE(ExpectMatchesReference({.m = batch, .n = 200, .k = 10}, random));
    ASSERT_NO_FATAL_FAILURE(ExpectMatchesReference(
        {.m = 200, .n = 784, .k = batch, .transpose_a = true, .alpha = -0.05f, .beta = 1.0f},
        random));
  }
  ASSERT_NO_FATAL_FAILURE(ExpectMatchesReference({.m = 64, .n = 196, .k = 800}, random));
}

TEST_P(GemmTest, SameOperandsElsewhereInMemory_SameBits) {
  const ScopedKernelTarget target(GetParam());
  for (const bool transpose_b : {false, true}) {
    const Problem problem = {.m = 23, .n = 71, .k = 300, .transpose_b = transpose_b, .beta = 1.0f};
    Problem spread = problem;
    spread.extra_stride = 5;
    RandomStream random({.seed = 13});
    RandomStream same_random({.seed = 13});
    Operands operands(problem, random);
    Operands spread_operands(spread, same_random);
    RunGemm(problem, operands);
    RunGemm(spread, spread_operands);
    EXPECT_EQ(operands.c.ToEigen(false), spread_operands.c.ToEigen(false));
  }
}

TEST_P(GemmTest, NotANumberInAnOperand_ReachesTheProduct) {
  const ScopedKernelTarget target(GetParam());
  for (const bool transpose_b : {false, true}) {
    const Problem problem = {.m = 7, .n = 9, .k = 40, .transpose_b = transpose_b};
    RandomStream random({.seed = 14});
    Operands operands(problem, random);
    operands.a.At(3, 39) = std::nanf("");
    RunGemm(problem, operands);
    for (int64_t j = 0; j < problem.n; ++j) {
      EXPECT_TRUE(std::isnan(operands.c.At(3, j)));
      EXPECT_FALSE(std::isnan(operands.c.At(2, j)));
    }
  }
}

TEST(GemmWorkspace, IsBoundedWhateverTheShape) {
  EXPECT_LE(GemmWorkspaceFloats(1 << 20, 1 << 20, 1 << 20), 32768);
  EXPECT_LE(GemmWorkspaceFloats(10, 200, 10), 1000);
}

// The environment is read once in a process: these tests look at a fresh one.
class KernelTargetTest : public ::testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

[[noreturn]] void ExitZeroIf(bool condition) { std::exit(condition ? 0 : 1); }

// A product whose bits tell the number of lanes and whether sums are fused.
std::vector<float> TellTaleProduct() {
  const Problem problem = {.m = 5, .n = 11, .k = 333, .transpose_b = true};
  RandomStream random({.seed = 15});
  Operands operands(problem, random);
  RunGemm(problem, operands);
  return operands.c.values;
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
