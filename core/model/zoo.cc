#include "core/model/zoo.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace tern {
namespace {

LayerSpec Dense(absl::string_view name, int64_t units) {
  return {.name = std::string(name), .kind = LayerKind::kDense, .units = units};
}

LayerSpec Conv2d(absl::string_view name, int64_t channels, int64_t kernel, int64_t stride,
                 int64_t padding) {
  return {.name = std::string(name),
          .kind = LayerKind::kConv2d,
          .units = channels,
          .kernel = kernel,
          .stride = stride,
          .padding = padding};
}

// 3 x 3, each channel by itself, an image of the same size with stride 1.
LayerSpec Depthwise(absl::string_view name, int64_t channels, int64_t stride) {
  LayerSpec layer = Conv2d(name, channels, 3, stride, 1);
  layer.groups = channels;
  return layer;
}

LayerSpec MaxPool2d(absl::string_view name) {
  return {.name = std::string(name), .kind = LayerKind::kMaxPool2d, .kernel = 2, .stride = 2};
}

LayerSpec Relu(absl::string_view name) {
  return {.name = std::string(name), .kind = LayerKind::kRelu};
}

LayerSpec Relu6(absl::string_view name) {
  return {.name = std::string(name), .kind = LayerKind::kRelu6};
}

LayerSpec Flatten() { return {.name = "flatten", .kind = LayerKind::kFlatten}; }

// McMahan et al. 2017, "2NN".
ModelSpec Mlp200x200() {
  return {.name = "mlp_200_200",
          .input = {1, 28, 28},
          .layers = {Flatten(), Dense("fc1", 200), Relu("relu1"), Dense("fc2", 200), Relu("relu2"),
                     Dense("fc3", 10)}};
}

// LeCun et al. 1998 in its common form: valid convolutions, max pooling, ReLU.
ModelSpec LeNet5() {
  return {.name = "lenet5",
          .input = {1, 28, 28},
          .layers = {Conv2d("conv1", 6, 5, 1, 0), Relu("relu1"), MaxPool2d("pool1"),
                     Conv2d("conv2", 16, 5, 1, 0), Relu("relu2"), MaxPool2d("pool2"), Flatten(),
                     Dense("fc1", 120), Relu("relu3"), Dense("fc2", 84), Relu("relu4"),
                     Dense("fc3", 10)}};
}

// McMahan et al. 2017, the CNN of the MNIST experiments.
ModelSpec McMahanCnn() {
  return {.name = "mcmahan_cnn",
          .input = {1, 28, 28},
          .layers = {Conv2d("conv1", 32, 5, 1, 2), Relu("relu1"), MaxPool2d("pool1"),
                     Conv2d("conv2", 64, 5, 1, 2), Relu("relu2"), MaxPool2d("pool2"), Flatten(),
                     Dense("fc1", 512), Relu("relu3"), Dense("fc2", 10)}};
}

ModelSpec TinyCnn() {
  return {.name = "tiny_cnn",
          .input = {1, 28, 28},
          .layers = {Conv2d("conv1", 8, 3, 2, 1), Relu("relu1"), Conv2d("conv2", 16, 3, 2, 1),
                     Relu("relu2"), Flatten(), Dense("fc1", 10)}};
}

// Behind a convolution under a ReLU: with it the initial weights, uniform in ±1/sqrt(fan_in), act
// as those of He et al. 2015, uniform in ±sqrt(6 / fan_in), so that activations keep their size
// without normalisation.
LayerSpec HeScale(absl::string_view name) {
  return {.name = std::string(name), .kind = LayerKind::kScale, .factor = 2.4494897f};
}

// Two depthwise-separable blocks as in MobileNet (Howard et al. 2017), for 28 x 28; scales stand
// where it has batch normalisation.
ModelSpec MobileNetSmall() {
  return {.name = "mobilenet_small",
          .input = {1, 28, 28},
          .layers = {Conv2d("conv", 16, 3, 2, 1),
                     HeScale("scale"),
                     Relu6("relu"),
                     Depthwise("depthwise1", 16, 1),
                     HeScale("scale1d"),
                     Relu6("relu1d"),
                     Conv2d("pointwise1", 32, 1, 1, 0),
                     HeScale("scale1p"),
                     Relu6("relu1p"),
                     Depthwise("depthwise2", 32, 2),
                     HeScale("scale2d"),
                     Relu6("relu2d"),
                     Conv2d("pointwise2", 64, 1, 1, 0),
                     HeScale("scale2p"),
                     Relu6("relu2p"),
                     {.name = "pool", .kind = LayerKind::kGlobalAvgPool2d},
                     Dense("fc", 10)}};
}

struct ZooEntry {
  absl::string_view name;
  ModelSpec (*make)();
};

constexpr ZooEntry kZoo[] = {
    {"mlp_200_200", Mlp200x200},         {"lenet5", LeNet5},
    {"mcmahan_cnn", McMahanCnn},         {"tiny_cnn", TinyCnn},
    {"mobilenet_small", MobileNetSmall},
};

}  // namespace

absl::StatusOr<ModelSpec> ZooModel(absl::string_view name) {
  for (const ZooEntry& entry : kZoo) {
    if (entry.name == name) return entry.make();
  }
  return absl::NotFoundError(absl::StrCat("no model '", name, "' in the zoo; it has ",
                                          absl::StrJoin(ZooModelNames(), ", ")));
}

std::vector<std::string> ZooModelNames() {
  std::vector<std::string> names;
  for (const ZooEntry& entry : kZoo) names.emplace_back(entry.name);
  return names;
}

}  // namespace tern
