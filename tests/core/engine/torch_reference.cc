#include "tests/core/engine/torch_reference.h"

#include <torch/torch.h>

#include "core/model/parameter_layout.h"

namespace tern::testing {

struct TorchModel::State {
  ModelSpec spec;
  ParameterLayout layout;
  std::vector<torch::Tensor> parameters;
  LossOptions loss;
  std::vector<uint8_t> present_classes;
  // Of SgdStep.
  SgdOptions options;
  std::vector<torch::Tensor> start;
  std::unique_ptr<torch::optim::SGD> sgd;

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
                            layer.padding, layer.dilation, layer.groups);
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
        case LayerKind::kAvgPool2d:
          x = torch::avg_pool2d(x, layer.kernel, layer.stride);
          break;
        case LayerKind::kGlobalAvgPool2d:
          x = x.mean({2, 3});
          break;
        case LayerKind::kRelu6:
          x = torch::hardtanh(x, 0.0, 6.0);
          break;
      }
    }
    return x;
  }

  const torch::Tensor& Parameter(int index) const { return parameters[static_cast<size_t>(index)]; }

  torch::Tensor Loss(const torch::Tensor& logits, const std::vector<int32_t>& labels) const {
    std::vector<int64_t> classes(labels.begin(), labels.end());
    if (present_classes.empty()) return LossOfAllClasses(logits, classes);
    // The loss of a model that has the classes that are present only.
    std::vector<int64_t> present;
    std::vector<int64_t> among_present(present_classes.size(), -1);
    for (size_t j = 0; j < present_classes.size(); ++j) {
      if (present_classes[j] == 0) continue;
      among_present[j] = static_cast<int64_t>(present.size());
      present.push_back(static_cast<int64_t>(j));
    }
    for (int64_t& label : classes) label = among_present[static_cast<size_t>(label)];
    return LossOfAllClasses(logits.index_select(1, torch::tensor(present)), classes);
  }

  torch::Tensor LossOfAllClasses(const torch::Tensor& logits,
                                 const std::vector<int64_t>& labels) const {
    const torch::Tensor targets = torch::tensor(labels, torch::kInt64);
    const auto one_hot = [&] {
      return torch::one_hot(targets, logits.size(1)).to(torch::kFloat32);
    };
    switch (loss.kind) {
      case LossKind::kSoftmaxCrossEntropy:
        return torch::cross_entropy_loss(logits, targets, /*weight=*/{}, at::Reduction::Mean,
                                         /*ignore_index=*/-100,
                                         static_cast<double>(loss.label_smoothing));
      case LossKind::kBinaryCrossEntropy:
        return torch::binary_cross_entropy_with_logits(logits, one_hot());
      case LossKind::kMeanSquaredError:
        return torch::mse_loss(logits, one_hot());
    }
    return {};
  }
};

TorchModel::TorchModel(const ModelSpec& spec, const std::vector<float>& parameters,
                       const LossOptions& loss, const std::vector<uint8_t>& present_classes)
    : state_(std::make_unique<State>()) {
  torch::set_num_threads(1);
  state_->spec = spec;
  state_->layout = MakeParameterLayout(spec).value();
  state_->loss = loss;
  state_->present_classes = present_classes;
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

void TorchModel::UseSgd(const SgdOptions& options) {
  state_->options = options;
  state_->start.clear();
  for (const torch::Tensor& parameter : state_->parameters) {
    state_->start.push_back(parameter.detach().clone());
  }
  state_->sgd = std::make_unique<torch::optim::SGD>(
      state_->parameters, torch::optim::SGDOptions(static_cast<double>(options.learning_rate))
                              .momentum(static_cast<double>(options.momentum))
                              .nesterov(options.nesterov)
                              .weight_decay(static_cast<double>(options.weight_decay)));
}

double TorchModel::SgdStep(const std::vector<float>& inputs, const std::vector<int32_t>& labels) {
  const SgdOptions& options = state_->options;
  state_->sgd->zero_grad();
  const torch::Tensor loss = state_->Loss(state_->Logits(state_->Input(inputs)), labels);
  torch::Tensor objective = loss;
  for (size_t i = 0; i < state_->start.size(); ++i) {
    const torch::Tensor distance = state_->parameters[i] - state_->start[i];
    objective = objective + distance.square().sum() * (0.5 * options.proximal_mu);
  }
  objective.backward();
  if (options.clip_value > 0.0f) {
    torch::nn::utils::clip_grad_value_(state_->parameters, static_cast<double>(options.clip_value));
  }
  if (options.clip_norm > 0.0f) {
    torch::nn::utils::clip_grad_norm_(state_->parameters, static_cast<double>(options.clip_norm));
  }
  state_->sgd->step();
  return loss.item<double>();
}

std::vector<float> TorchModel::Parameters() const {
  std::vector<float> result;
  for (const torch::Tensor& parameter : state_->parameters) {
    result.insert(result.end(), parameter.data_ptr<float>(),
                  parameter.data_ptr<float>() + parameter.numel());
  }
  return result;
}

}  // namespace tern::testing
