// The matrix product beside LibTorch's, one thread each.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/random.h"
#include "core/engine/aligned_floats.h"
#include "core/engine/gemm.h"
#include "tests/bench/kernel_benchmarks.h"
#include "tests/core/engine/torch_matmul.h"

namespace tern {
namespace {

constexpr double kZerosBehindRelu = 0.5;

struct Product {
  std::string name;
  int64_t m, n, k;
  bool transpose_a = false;
  bool transpose_b = false;
  bool accumulate = false;  // ours only: C += 1e-6 op(A) op(B)
  double zeros = 0.0;       // share of A's elements that are 0, as behind a ReLU
};

// The matrices of a product and a call of it.
struct Operands {
  AlignedFloats a, b, c, workspace;
  GemmCall call;

  explicit Operands(const Product& p)
      : a(AlignedFloats::Allocate(p.m * p.k).value()),
        b(AlignedFloats::Allocate(p.k * p.n).value()),
        c(AlignedFloats::Allocate(p.m * p.n).value()),
        workspace(AlignedFloats::Allocate(
                      GemmWorkspaceFloats(p.m, p.n, p.k, p.transpose_a, p.transpose_b))
                      .value()) {
    RandomStream random({.seed = 1});
    for (float& value : a.span()) {
      value = random.NextFloat() < static_cast<float>(p.zeros) ? 0.0f : random.NextFloat();
    }
    for (float& value : b.span()) value = random.NextFloat();
    call = {.m = p.m,
            .n = p.n,
            .k = p.k,
            .alpha = p.accumulate ? 1e-6f : 1.0f,
            .a = {a.span().data(), p.transpose_a ? p.m : p.k, p.transpose_a},
            .b = {b.span().data(), p.transpose_b ? p.k : p.n, p.transpose_b},
            .accumulate = p.accumulate,
            .c = c.span().data(),
            .c_stride = p.n};
  }
};

void CountOperations(benchmark::State& state, const Product& p) {
  state.counters["FLOP"] = benchmark::Counter(static_cast<double>(2 * p.m * p.n * p.k),
                                              benchmark::Counter::kIsIterationInvariantRate);
}

void TernProduct(benchmark::State& state, const Product& product) {
  Operands operands(product);
  for (auto _ : state) {
    Gemm(operands.call, operands.workspace.span());
    benchmark::ClobberMemory();
  }
  CountOperations(state, product);
}

void TorchProduct(benchmark::State& state, const Product& product) {
  const Operands operands(product);
  testing::TorchMatmul torch(operands.call);
  for (auto _ : state) {
    torch.Run();
    benchmark::ClobberMemory();
  }
  CountOperations(state, product);
}

std::vector<Product> Products() {
  std::vector<Product> products;
  for (const int64_t size : {512, 1024, 2048}) {
    products.push_back({absl::StrCat("square/", size), size, size, size});
  }
  for (const int64_t m : {1, 4, 10, 16}) {
    products.push_back({absl::StrCat("small/plain/", m), m, 200, 784});
    products.push_back({absl::StrCat("small/transposed/", m), m, 200, 784, false, true});
  }
  // Of a step of mlp_200_200.
  for (const int64_t batch : {1, 10}) {
    const std::string of = absl::StrCat("/", batch);
    products.push_back({"dense_forward" + of, batch, 200, 784, false, true});
    products.push_back(
        {"dense_input_gradient" + of, batch, 200, 200, false, false, false, kZerosBehindRelu});
    products.push_back({"dense_update" + of, 200, 784, batch, true, false, true, kZerosBehindRelu});
    products.push_back({"dense_update_of_no_relu" + of, 200, 784, batch, true, false, true});
  }
  // Of a step of mcmahan_cnn's second convolution.
  products.push_back({"conv_forward", 64, 196, 800});
  products.push_back({"conv_input_gradient", 800, 196, 64, true});
  products.push_back({"conv_update", 64, 800, 196, false, true});
  return products;
}

void RegisterAll() {
  for (const Product& product : Products()) {
    benchmark::RegisterBenchmark(("gemm/tern/" + product.name).c_str(), TernProduct, product)
        ->Unit(benchmark::kMicrosecond);
    benchmark::RegisterBenchmark(("gemm/torch/" + product.name).c_str(), TorchProduct, product)
        ->Unit(benchmark::kMicrosecond);
  }
}

}  // namespace
}  // namespace tern

int main(int argc, char** argv) { return tern::RunKernelBenchmarks(argc, argv, tern::RegisterAll); }
