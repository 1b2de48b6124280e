// Single-precision matrix product, the one that everything in the engine uses.
#ifndef TERN_CORE_ENGINE_GEMM_H_
#define TERN_CORE_ENGINE_GEMM_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace tern {

// A row-major matrix or its transpose: element (i, j) of op(A) is data[i * stride + j], or data[j *
// stride + i].
struct MatrixView {
  const float* data = nullptr;
  int64_t stride = 0;
  bool transposed = false;
};

// Floats of workspace that Gemm needs for op(A) [m, k] and op(B) [k, n]; at most 32,768.
int64_t GemmWorkspaceFloats(int64_t m, int64_t n, int64_t k);

// C = alpha * op(A) op(B) + beta * C, C row-major [m, n] with row stride `c_stride`; m, n and k are
// at least 1. beta is 0 or 1; with 0, C need not be initialised. C overlaps neither A nor B.
// Blocking is fixed, so that the bits depend on the kernel target alone. No allocation; `workspace`
// has GemmWorkspaceFloats(m, n, k) floats and is the caller's.
void Gemm(int64_t m, int64_t n, int64_t k, float alpha, MatrixView a, MatrixView b, float beta,
          float* c, int64_t c_stride, absl::Span<float> workspace);

// The instruction set that the kernels run with on this machine: "AVX3", "AVX2", "SSE4", "NEON",
// ... Recorded in every result: bits are the same for the same target. TERN_KERNEL_TARGET in the
// environment, read once at first use, can lower it.
absl::string_view KernelTarget();

// What became of TERN_KERNEL_TARGET: OK when it is unset, empty or obeyed. INVALID_ARGUMENT: this
// machine has no such target (the message lists those it has) and the best one is used. A program
// calls this when it starts, so that a slip in the name does not go unseen.
absl::Status ApplyKernelTargetFromEnvironment();

}  // namespace tern

#endif  // TERN_CORE_ENGINE_GEMM_H_
