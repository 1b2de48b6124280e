#include "core/engine/gemm.h"
#include "core/engine/kernel_target.h"

#include <gtest/gtest.h>

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
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
  bool accumulate = false;
  bool row_bias = false;
  bool column_bias = false;
  Activation activation = Activation::kNone;
  double zeros = 0.0;        // share of A's elements that are 0
  int64_t extra_stride = 0;  // floats between the end of a row and the next, in all three
  int64_t offset = 0;        // floats before each matrix
};

std::string Describe(const Problem& p) {
  return absl::StrCat(
      p.m, "x", p.n, "x", p.k, p.transpose_a ? " A^T" : "", p.transpose_b ? " B^T" : "", " alpha ",
      p.alpha, p.accumulate ? " accumulate" : "", p.row_bias ? " row bias" : "",
      p.column_bias ? " column bias" : "", " activation ", static_cast<int>(p.activation),
      " zeros ", p.zeros, " stride +", p.extra_stride);
}

// One or more of every path of the product, of every way through it.
std::vector<Problem> EveryPath() {
  std::vector<Problem> problems = {
      {1, 70, 50},                             // rows of C: one,
      {130, 70, 10, true},                     // many, or tiles where few factors are 0,
      {130, 70, 10, true, false, 1.0f, true},  // the same, accumulating,
      {130, 70, 1, true, false, 1.0f, true},   // of one factor each
      {30, 70, 20},                            // tiles: of few factors,
      {10, 70, 600},                           // of few rows and factors beyond a block
      {16, 70, 300, true},                     // that are transposed
      {1, 70, 333, false, true},               // sums along rows: of one,
      {13, 70, 200, false, true},              // of some
      {40, 70, 300},                           // packed: one block of rows,
      {150, 70, 300, true},                    // several,
      {20, 70, 50, false, true},               // on the stack,
      {40, 70, 300, false, true},              // with op(B) a transpose,
      {5, 70, 300, true, true},                // and both
  };
  for (const size_t i : {0, 1, 4, 5, 7, 9, 10}) {
    problems.push_back(problems[i]);
    problems.back().n = 3;  // less than a vector
  }
  return problems;
}

// A matrix as it is stored: what is before it, between its rows and behind is not a number.
struct Stored {
  int64_t rows, columns, stride, offset;
  std::vector<float> values;

  Stored(int64_t r, int64_t c, const Problem& p, RandomStream& random, double zeros = 0.0)
      : rows(r),
        columns(c),
        stride(c + p.extra_stride),
        offset(p.offset),
        values(static_cast<size_t>(offset + (r - 1) * stride + c), std::nanf("")) {
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < columns; ++j) {
        const float value = 2.0f * random.NextFloat() - 1.0f;
        At(i, j) = random.NextFloat() < static_cast<float>(zeros) ? 0.0f : value;
      }
    }
  }
  float* data() { return values.data() + offset; }
  float& At(int64_t i, int64_t j) { return data()[i * stride + j]; }
  Matrix ToEigen(bool transposed) const {
    const Eigen::Map<const Matrix, 0, Eigen::OuterStride<>> map(
        values.data() + offset, rows, columns, Eigen::OuterStride<>(stride));
    if (transposed) return map.transpose();
    return map;
  }
};

struct Operands {
  Stored a, b, c, row_bias, column_bias;

  Operands(const Problem& p, RandomStream& random)
      : a(p.transpose_a ? p.k : p.m, p.transpose_a ? p.m : p.k, p, random, p.zeros),
        b(p.transpose_b ? p.n : p.k, p.transpose_b ? p.k : p.n, p, random),
        c(p.m, p.n, p, random),
        row_bias(1, p.m, p, random),
        column_bias(1, p.n, p, random) {}
};

void RunGemm(const Problem& p, Operands& operands) {
  // Garbage, to show that nothing is read before it is written; a guard behind it.
  const auto floats =
      static_cast<size_t>(GemmWorkspaceFloats(p.m, p.n, p.k, p.transpose_a, p.transpose_b));
  std::vector<float> workspace(floats + 16, std::numeric_limits<float>::quiet_NaN());
  std::fill(workspace.begin() + static_cast<std::ptrdiff_t>(floats), workspace.end(), kUntouched);
  Gemm({.m = p.m,
        .n = p.n,
        .k = p.k,
        .alpha = p.alpha,
        .a = {operands.a.data(), operands.a.stride, p.transpose_a},
        .b = {operands.b.data(), operands.b.stride, p.transpose_b},
        .row_bias = p.row_bias ? operands.row_bias.data() : nullptr,
        .column_bias = p.column_bias ? operands.column_bias.data() : nullptr,
        .activation = p.activation,
        .accumulate = p.accumulate,
        .c = operands.c.data(),
        .c_stride = operands.c.stride},
       floats == 0 ? absl::Span<float>() : absl::MakeSpan(workspace.data(), floats));
  for (size_t i = floats; i < workspace.size(); ++i) ASSERT_EQ(workspace[i], kUntouched);
}

double Activated(double x, Activation activation) {
  if (activation != Activation::kNone) x = std::max(x, 0.0);
  return activation == Activation::kRelu6 ? std::min(x, 6.0) : x;
}

void ExpectMatchesReference(const Problem& p, RandomStream& random) {
  Operands operands(p, random);
  const Matrix before = operands.c.ToEigen(false);
  if (!p.accumulate) {
    for (int64_t i = 0; i < p.m; ++i) operands.c.At(i, 0) = std::nanf("");
  }
  const Eigen::MatrixXd exact = operands.a.ToEigen(p.transpose_a).cast<double>() *
                                operands.b.ToEigen(p.transpose_b).cast<double>();
  RunGemm(p, operands);
  // Rounding errors of a sum of k products within [-1, 1], in the worst case and with room.
  const double bound = 1e-6 * std::sqrt(static_cast<double>(p.k)) * (1.0 + std::abs(p.alpha));
  for (int64_t i = 0; i < p.m; ++i) {
    for (int64_t j = 0; j < p.n; ++j) {
      double sum = exact(i, j);
      if (p.row_bias) sum += static_cast<double>(operands.row_bias.At(0, i));
      if (p.column_bias) sum += static_cast<double>(operands.column_bias.At(0, j));
      const double start = p.accumulate ? static_cast<double>(before(i, j)) : 0.0;
      const double expected = Activated(static_cast<double>(p.alpha) * sum + start, p.activation);
      ASSERT_NEAR(static_cast<double>(operands.c.At(i, j)), expected, bound)
          << Describe(p) << " at " << i << ", " << j;
    }
    for (int64_t j = p.n; j < operands.c.stride && i + 1 < p.m; ++j) {
      ASSERT_TRUE(std::isnan(operands.c.At(i, j))) << Describe(p) << ": wrote between rows";
    }
  }
}

Activation RandomActivation(RandomStream& random) {
  constexpr Activation kActivations[] = {Activation::kNone, Activation::kRelu, Activation::kRelu6};
  return kActivations[random.Below(3)];
}

// The same product with another alpha, other biases and so on.
Problem Varied(Problem p, RandomStream& random) {
  constexpr double kZeros[] = {0.0, 0.5, 1.0};
  constexpr float kAlphas[] = {1.0f, -0.05f, 40.0f};  // the last reaches the 6 of ReLU6
  p.alpha = kAlphas[random.Below(3)];
  p.accumulate = random.Below(2) == 1;
  p.row_bias = !p.accumulate && random.Below(2) == 1;
  p.column_bias = !p.accumulate && random.Below(2) == 1;
  p.activation = RandomActivation(random);
  p.zeros = kZeros[random.Below(3)];
  p.extra_stride = random.Below(2) == 1 ? 3 : 0;
  p.offset = random.Below(2) == 1 ? 1 : 0;
  return p;
}

class GemmTest : public ::testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(EveryTarget, GemmTest, ::testing::ValuesIn(KernelTargets()),
                         [](const auto& test) { return test.param; });

TEST_P(GemmTest, RandomShapes_MatchDoublePrecision) {
  const ScopedKernelTarget target(GetParam());
  ASSERT_EQ(KernelTarget(), GetParam());
  RandomStream random({.seed = 11});
  for (int trial = 0; trial < 500; ++trial) {
    // Mostly small, so that every edge of a tile occurs; sometimes beyond the blocks.
    const auto dimension = [&](uint32_t large) {
      return int64_t{1} + random.Below(trial % 10 == 0 ? large : 40);
    };
    const Problem shape = {.m = dimension(250),
                           .n = dimension(100),
                           .k = dimension(600),
                           .transpose_a = random.Below(2) == 1,
                           .transpose_b = random.Below(2) == 1};
    ASSERT_NO_FATAL_FAILURE(ExpectMatchesReference(Varied(shape, random), random));
  }
}

TEST_P(GemmTest, EveryPath_MatchesDoublePrecisionWhateverTheEpilogue) {
  const ScopedKernelTarget target(GetParam());
  RandomStream random({.seed = 16});
  for (const Problem& problem : EveryPath()) {
    for (int trial = 0; trial < 10; ++trial) {
      ASSERT_NO_FATAL_FAILURE(ExpectMatchesReference(Varied(problem, random), random));
    }
  }
}

TEST_P(GemmTest, ShapesOfTrainingSteps_MatchDoublePrecision) {
  const ScopedKernelTarget target(GetParam());
  RandomStream random({.seed = 12});
  for (const int64_t batch : {1, 10, 32}) {
    ASSERT_NO_FATAL_FAILURE(ExpectMatchesReference({.m = batch,
                                                    .n = 200,
                                                    .k = 784,
                                                    .transpose_b = true,
                                                    .column_bias = true,
                                                    .activation = Activation::kRelu},
                                                   random));
    ASSERT_NO_FATAL_FAILURE(
        ExpectMatchesReference({.m = batch, .n = 200, .k = 10, .zeros = 0.5}, random));
    for (const double zeros : {0.0, 0.5}) {
      ASSERT_NO_FATAL_FAILURE(ExpectMatchesReference({.m = 200,
                                                      .n = 784,
                                                      .k = batch,
                                                      .transpose_a = true,
                                                      .alpha = -0.05f,
                                                      .accumulate = true,
                                                      .zeros = zeros},
                                                     random));
    }
  }
  ASSERT_NO_FATAL_FAILURE(ExpectMatchesReference(
      {.m = 64, .n = 196, .k = 800, .row_bias = true, .activation = Activation::kRelu6}, random));
}

TEST_P(GemmTest, SameOperandsElsewhereInMemory_SameBits) {
  const ScopedKernelTarget target(GetParam());
  RandomStream variations({.seed = 17});
  for (const Problem& shape : EveryPath()) {
    Problem problem = Varied(shape, variations);
    problem.extra_stride = problem.offset = 0;
    Problem spread = problem;
    spread.extra_stride = 5;
    spread.offset = 3;
    RandomStream random({.seed = 13});
    RandomStream same_random({.seed = 13});
    Operands operands(problem, random);
    Operands spread_operands(spread, same_random);
    RunGemm(problem, operands);
    RunGemm(spread, spread_operands);
    EXPECT_EQ(operands.c.ToEigen(false), spread_operands.c.ToEigen(false)) << Describe(problem);
  }
}

TEST_P(GemmTest, RowsBesideOthers_SameBitsWhetherTheOthersAreZeroOrNot) {
  const ScopedKernelTarget target(GetParam());
  const Problem problem = {.m = 70, .n = 50, .k = 10, .transpose_a = true, .accumulate = true};
  RandomStream random({.seed = 18});
  Operands full(problem, random);
  Operands sparse = full;
  for (int64_t p = 0; p < problem.k; ++p) {
    for (int64_t i = 5; i < problem.m; ++i) sparse.a.At(p, i) = 0.0f;
  }
  RunGemm(problem, full);
  RunGemm(problem, sparse);
  EXPECT_EQ(full.c.ToEigen(false).topRows(5), sparse.c.ToEigen(false).topRows(5));
}

TEST_P(GemmTest, NotANumberInA_ReachesItsRowOfTheProductAndNoOther) {
  const ScopedKernelTarget target(GetParam());
  for (const Problem& problem : EveryPath()) {
    RandomStream random({.seed = 14});
    Operands operands(problem, random);
    const int64_t row = problem.m - 1;
    const int64_t p = problem.k - 1;
    (problem.transpose_a ? operands.a.At(p, row) : operands.a.At(row, p)) = std::nanf("");
    RunGemm(problem, operands);
    for (int64_t j = 0; j < problem.n; ++j) {
      EXPECT_TRUE(std::isnan(operands.c.At(row, j))) << Describe(problem);
      EXPECT_FALSE(row > 0 && std::isnan(operands.c.At(row - 1, j))) << Describe(problem);
    }
  }
}

TEST_P(GemmTest, NotANumberBeforeAnActivation_IsKept) {
  const ScopedKernelTarget target(GetParam());
  for (Problem problem : EveryPath()) {
    problem.activation = problem.m % 20 == 0 ? Activation::kRelu : Activation::kRelu6;
    RandomStream random({.seed = 14});
    Operands operands(problem, random);
    operands.b.At(0, 0) = std::nanf("");
    RunGemm(problem, operands);
    EXPECT_TRUE(std::isnan(operands.c.At(0, 0))) << Describe(problem);
  }
}

TEST_P(GemmTest, UpdateByAGradientOfZeros_LeavesCAsItIs) {
  const ScopedKernelTarget target(GetParam());
  RandomStream random({.seed = 19});
  for (const int64_t batch : {1, 10}) {
    const Problem problem = {
        .m = 9, .n = 40, .k = batch, .transpose_a = true, .accumulate = true, .zeros = 1.0};
    Operands operands(problem, random);
    // Left out, whatever it is: 0 times infinity would not be a number.
    operands.b.At(0, 0) = std::numeric_limits<float>::infinity();
    const Matrix before = operands.c.ToEigen(false);
    RunGemm(problem, operands);
    EXPECT_EQ(operands.c.ToEigen(false), before);
  }
}

TEST(GemmWorkspace, IsBoundedWhateverTheShape) {
  constexpr int64_t kHuge = 1 << 20;
  for (const bool transpose_a : {false, true}) {
    for (const bool transpose_b : {false, true}) {
      const int64_t floats = GemmWorkspaceFloats(kHuge, kHuge, kHuge, transpose_a, transpose_b);
      EXPECT_LE(floats, 32768);
    }
  }
  EXPECT_GT(GemmWorkspaceFloats(kHuge, kHuge, kHuge, false, false), 0);
}

// x W^T, dY W and dY^T x.
TEST(GemmWorkspace, OfADenseLayer_IsNoneAtBatchOneAndLittleAtSixteen) {
  constexpr int64_t kPanelRows = 12;
  for (const int64_t batch : {1, 2, 10, 16}) {
    for (const int64_t in : {200, 784, 3136}) {
      for (const int64_t out : {10, 62, 200, 1024}) {
        const int64_t input_gradient = GemmWorkspaceFloats(batch, in, out, false, false);
        const int64_t update = GemmWorkspaceFloats(out, in, batch, true, false);
        EXPECT_EQ(GemmWorkspaceFloats(batch, out, in, false, true), 0) << batch << " " << in;
        EXPECT_LE(input_gradient, batch == 1 ? 0 : kPanelRows * out);
        EXPECT_LE(update, batch == 1 ? 0 : kPanelRows * batch);
      }
    }
  }
}

// What Program relies on when it runs a batch smaller than the one that it was compiled for.
TEST(GemmWorkspace, OfALargerProduct_IsEnough) {
  RandomStream random({.seed = 20});
  const std::vector<float> zeros(600 * 600);
  std::vector<float> c(100 * 40);
  for (int trial = 0; trial < 2000; ++trial) {
    const bool transpose_a = random.Below(2) == 1;
    const bool transpose_b = random.Below(2) == 1;
    const auto below = [&](int64_t size) {
      return int64_t{1} + random.Below(static_cast<uint32_t>(size));
    };
    const int64_t m = below(100);
    const int64_t n = below(40);
    const int64_t k = below(600);
    std::vector<float> workspace(
        static_cast<size_t>(GemmWorkspaceFloats(m, n, k, transpose_a, transpose_b)));
    // Dies if the workspace is too small.
    Gemm({.m = below(m),
          .n = below(n),
          .k = transpose_b ? k : below(k),
          .a = {zeros.data(), 600, transpose_a},
          .b = {zeros.data(), 600, transpose_b},
          .c = c.data(),
          .c_stride = n},
         absl::MakeSpan(workspace));
  }
}

}  // namespace
}  // namespace tern
