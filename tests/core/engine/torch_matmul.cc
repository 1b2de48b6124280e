#include "tests/core/engine/torch_matmul.h"

#include <torch/torch.h>

namespace tern::testing {
namespace {

torch::Tensor Matrix(const MatrixView& view, int64_t rows, int64_t columns) {
  std::vector<int64_t> strides = {view.stride, 1};
  if (view.transposed) std::swap(strides[0], strides[1]);
  return torch::from_blob(const_cast<float*>(view.data), {rows, columns}, strides);
}

}  // namespace

struct TorchMatmul::State {
  torch::Tensor a, b, c;
};

TorchMatmul::TorchMatmul(const GemmCall& call) {
  torch::set_num_threads(1);
  state_ =
      std::make_unique<State>(State{Matrix(call.a, call.m, call.k), Matrix(call.b, call.k, call.n),
                                    Matrix({call.c, call.c_stride}, call.m, call.n)});
}

TorchMatmul::~TorchMatmul() = default;

void TorchMatmul::Run() {
  const torch::NoGradGuard no_grad;
  torch::mm_out(state_->c, state_->a, state_->b);
}

}  // namespace tern::testing
