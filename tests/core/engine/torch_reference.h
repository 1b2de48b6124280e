// A model executed by LibTorch, the reference for the engine's gradients and speed. The only place
// of the tests that includes LibTorch, whose headers take seconds to compile.
#ifndef TERN_TESTS_CORE_ENGINE_TORCH_REFERENCE_H_
#define TERN_TESTS_CORE_ENGINE_TORCH_REFERENCE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "core/engine/loss.h"
#include "core/engine/sgd.h"
#include "core/model/model_spec.h"

namespace tern::testing {

struct TorchResult {
  double loss = 0.0;  // mean loss of the batch
  std::vector<float> logits;
  std::vector<float> gradient;  // in the order of the ParameterLayout
};

// Runs on one thread, whatever LibTorch was told before.
class TorchModel {
 public:
  // `spec` is a model. `parameters` is its flat vector. `present_classes` as for LossGradient.
  TorchModel(const ModelSpec& spec, const std::vector<float>& parameters,
             const LossOptions& loss = {}, const std::vector<uint8_t>& present_classes = {});
  ~TorchModel();

  // `inputs` are the examples one after the other.
  TorchResult Gradient(const std::vector<float>& inputs, const std::vector<int32_t>& labels);

  // One step of plain SGD, in place. Returns the loss before it.
  double Step(const std::vector<float>& inputs, const std::vector<int32_t>& labels,
              double learning_rate);

  // From here SgdStep is a step of torch::optim::SGD; the proximal term, of the parameters of now,
  // is part of the loss, and gradients are clipped by torch::nn::utils. Returns the batch's loss
  // without the term.
  void UseSgd(const SgdOptions& options);
  double SgdStep(const std::vector<float>& inputs, const std::vector<int32_t>& labels);

  std::vector<float> Parameters() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tern::testing

#endif  // TERN_TESTS_CORE_ENGINE_TORCH_REFERENCE_H_
