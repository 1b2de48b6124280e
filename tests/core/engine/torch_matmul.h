// A matrix product by LibTorch, the reference for the speed of Gemm.
#ifndef TERN_TESTS_CORE_ENGINE_TORCH_MATMUL_H_
#define TERN_TESTS_CORE_ENGINE_TORCH_MATMUL_H_

#include <memory>

#include "core/engine/gemm.h"

namespace tern::testing {

// C = op(A) op(B) by torch::mm_out, on one thread. Keeps the call's matrices as tensors, so that a
// run is the product alone.
class TorchMatmul {
 public:
  // Reads only the sizes and matrices of `call`, which outlive this object.
  explicit TorchMatmul(const GemmCall& call);
  ~TorchMatmul();

  void Run();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tern::testing

#endif  // TERN_TESTS_CORE_ENGINE_TORCH_MATMUL_H_
