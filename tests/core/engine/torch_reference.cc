#include "tests/core/engine/torch_reference.h"

#include <torch/torch.h>

#include "core/model/parameter_layout.h"

namespace tern::testing {

struct TorchModel::State {
  ModelSpec spec;
  ParameterLayout layout;
  std::vector<torch::Tensor> parameters;

  torch::Tensor Input(const std::vector<float>& inputs) const {
    std::vector<int64_t> shape = {static_cast<int64_t>(inputs.size()) / NumElements(spec.input)};
    shape.insert(shape.end(), spec.input.begin(), spec.input.end());
    return torch::from_blob(const_cast<float*>(inputs.data()), shape);
  }

  torch::Tensor Logits(torch::Tensor x) const {
    for (size_t i = 0; i < spec.layers.size(); ++i) {
      const LayerSpec& layer = spec.layers[i];
      const int weight = layout.weight_of_layer[i];
      switch (layer.kind) {
        case LayerKind::kDense:
          x = torch::linear(x, Parameter(weight), Parameter(weight + 1));
          break;
        case LayerKind::kConv2d:
          x = torch::conv2d(x, Parameter(weight), Parameter(weight + 1), layer.stride,
                            layer.padding);
          break;
        case LayerKind::kMaxPool2d:
          x = torch::max_pool2d(x, layer.kernel, layer.stride);
          break;
        case LayerKind::kRelu:
          x = torch::relu(x);
          break;
        case LayerKind::kFlatten:
          x = x.flatten(1);
          break;
        case LayerKind::kScale:
          x = x * layer.factor;
          break;
      }
    }
    return x;
  }

  const torch::Tensor& Parameter(int index) const { return parameters[static_cast<size_t>(index)]; }

  torch::Tensor Loss(const torch::Tensor& logits, const std::vector<int32_t>& labels) const {
    const std::vector<int64_t> targets(labels.begin(), labels.end());
    return torch::cross_entropy_loss(logits, torch::tensor(targets, torch::kInt64));
  }
};

TorchModel::TorchModel(const ModelSpec& spec, const std::vector<float>& parameters)
    : state_(std::make_unique<State>()) {
  torch::set_num_threads(1);
  state_->spec = spec;
  state_->layout = MakeParameterLayout(spec).value();
  for (const Parameter& parameter : state_->layout.parameters) {
    const torch::Tensor values =
        torch::from_blob(const_cast<float*>(parameters.data() + parameter.offset), parameter.shape);
    state_->parameters.push_back(values.clone().requires_grad_());
  }
}

TorchModel::~TorchModel() = default;

TorchResult TorchModel::Gradient(const std::vector<float>& inputs,
                                 const std::vector<int32_t>& labels) {
  const torch::Tensor logits = state_->Logits(state_->Input(inputs));
  const torch::Tensor loss = state_->Loss(logits, labels);
  TorchResult result;
  result.loss = loss.item<double>();
  const torch::Tensor flat = logits.detach().contiguous();
  result.logits.assign(flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel());
  for (const torch::Tensor& gradient : torch::autograd::grad({loss}, state_->parameters)) {
    const torch::Tensor values = gradient.contiguous();
    result.gradient.insert(result.gradient.end(), values.data_ptr<float>(),
                           values.data_ptr<float>() + values.numel());
  }
  return result;
}

double TorchModel::Step(const std::vector<float>& inputs, const std::vector<int32_t>& labels,
                        double learning_rate) {
  const torch::Tensor loss = state_->Loss(state_->Logits(state_->Input(inputs)), labels);
  loss.backward();
  torch::NoGradGuard no_gradient;
  for (torch::Tensor& parameter : state_->parameters) {
    parameter.sub_(parameter.grad(), learning_rate);
    parameter.mutable_grad().reset();
  }
  return loss.item<double>();
}

}  // namespace tern::testing
