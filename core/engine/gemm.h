// Single-precision matrix product, the one that everything in the engine uses.
#ifndef TERN_CORE_ENGINE_GEMM_H_
#define TERN_CORE_ENGINE_GEMM_H_

#include <cstdint>

#include "absl/types/span.h"
#include "core/engine/activation.h"

namespace tern {

// A row-major matrix or its transpose: element (i, j) of op(A) is data[i * stride + j], or data[j *
// stride + i].
struct MatrixView {
  const float* data = nullptr;
  int64_t stride = 0;
  bool transposed = false;
};

// C = activation(alpha * (op(A) op(B) + bias)), plus C within the activation where `accumulate`; C
// row-major [m, n].
struct GemmCall {
  int64_t m = 0;  // m, n and k are at least 1
  int64_t n = 0;
  int64_t k = 0;
  float alpha = 1.0f;
  MatrixView a;  // op(A) [m, k]
  MatrixView b;  // op(B) [k, n]
  // Null: none. Only without `accumulate`.
  const float* row_bias = nullptr;     // [m]
  const float* column_bias = nullptr;  // [n]
  Activation activation = Activation::kNone;
  bool accumulate = false;  // else C need not be initialised
  float* c = nullptr;       // overlaps nothing else
  int64_t c_stride = 0;
};

// Floats of workspace that Gemm needs for a call of these sizes, and for one of smaller m or n, or
// of a smaller k where op(B) is no transpose. At most 32,768. None for the products of a dense
// layer at batch 1; hardly any at up to 16, where op(B) is read where it lies.
int64_t GemmWorkspaceFloats(int64_t m, int64_t n, int64_t k, bool a_transposed, bool b_transposed);

// Blocking is fixed, so that the bits depend on the kernel target and the values alone. No
// allocation; `workspace` has GemmWorkspaceFloats floats and is the caller's.
//
// NaN and infinities reach C as the arithmetic says, but for one case: products with an element of
// op(A) that is exactly 0 may be left out where m is 1, or op(A) is a transpose and k at most 32.
// Whether what is not finite in that row of op(B) then reaches C may depend on other rows of op(A).
void Gemm(const GemmCall& call, absl::Span<float> workspace);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_GEMM_H_
