// The engine's losses, logits and gradients against LibTorch's autograd, for each kind of layer
// alone and for whole models.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/engine/gemm.h"
#include "core/model/submodel.h"
#include "core/model/zoo.h"
#include "tests/core/engine/engine_run.h"
#include "tests/core/engine/kernel_targets.h"
#include "tests/core/engine/torch_reference.h"

namespace tern {
namespace {

using testing::EngineRun;
using testing::TorchModel;
using testing::TorchResult;

constexpr double kRelativeError = 1e-4;

// Differences are relative to the largest element of the tensor.
void ExpectClose(absl::Span<const float> got, absl::Span<const float> expected,
                 const std::string& what) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  double scale = 0.0;
  for (const float value : expected) {
    scale = std::max(scale, std::abs(static_cast<double>(value)));
  }
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(got[i]), static_cast<double>(expected[i]),
                kRelativeError * scale)
        << what << "[" << i << "]";
  }
}

void ExpectMatchesTorch(EngineRun& run) {
  TorchModel torch(run.spec, run.parameters);
  const TorchResult expected = torch.Gradient(run.inputs, run.labels);
  float loss = 0.0f;
  const std::vector<float> gradient = run.Gradient(&loss);
  const std::string name = absl::StrCat(run.spec.name, " batch ", run.labels.size(), " ");
  EXPECT_NEAR(static_cast<double>(loss), expected.loss, kRelativeError * expected.loss) << name;
  ExpectClose(run.Predict(), expected.logits, name + "logits");
  for (const Parameter& parameter : run.program.layout().parameters) {
    const auto offset = static_cast<size_t>(parameter.offset);
    const auto size = static_cast<size_t>(parameter.size);
    ExpectClose(absl::MakeSpan(gradient).subspan(offset, size),
                absl::MakeSpan(expected.gradient).subspan(offset, size), name + parameter.name);
  }
}

// With random parameters and inputs.
void ExpectMatchesTorch(const ModelSpec& model, int64_t batch_size) {
  EngineRun run(model, batch_size);
  ExpectMatchesTorch(run);
}

LayerSpec Flatten() { return {.name = "flatten", .kind = LayerKind::kFlatten}; }
LayerSpec Relu(const std::string& name) { return {.name = name, .kind = LayerKind::kRelu}; }
LayerSpec Scale(const std::string& name, float factor) {
  return {.name = name, .kind = LayerKind::kScale, .factor = factor};
}
LayerSpec Dense(const std::string& name, int64_t units) {
  return {.name = name, .kind = LayerKind::kDense, .units = units};
}
LayerSpec Conv2d(const std::string& name, int64_t channels, int64_t kernel, int64_t stride,
                 int64_t padding) {
  return {.name = name,
          .kind = LayerKind::kConv2d,
          .units = channels,
          .kernel = kernel,
          .stride = stride,
          .padding = padding};
}
LayerSpec MaxPool2d(const std::string& name, int64_t kernel, int64_t stride) {
  return {.name = name, .kind = LayerKind::kMaxPool2d, .kernel = kernel, .stride = stride};
}

LayerSpec AvgPool2d(const std::string& name, int64_t kernel, int64_t stride) {
  return {.name = name, .kind = LayerKind::kAvgPool2d, .kernel = kernel, .stride = stride};
}
LayerSpec GlobalAvgPool2d() { return {.name = "global", .kind = LayerKind::kGlobalAvgPool2d}; }
LayerSpec Relu6(const std::string& name) { return {.name = name, .kind = LayerKind::kRelu6}; }

// Calls body() once on each kernel target of this machine.
template <class Body>
void OnEveryKernelTarget(const Body& body) {
  for (const std::string& target : testing::KernelTargets()) {
    const testing::ScopedKernelTarget scoped(target);
    SCOPED_TRACE(target);
    body();
  }
}

TEST(TorchGradient, Dense_WithAndWithoutInputGradient) {
  for (const int64_t features : {1, 3, 17, 64, 129}) {
    ExpectMatchesTorch({.name = "one_dense", .input = {features}, .layers = {Dense("fc", 5)}}, 7);
    ExpectMatchesTorch(
        {.name = "two_dense", .input = {features}, .layers = {Dense("fc1", 19), Dense("fc2", 5)}},
        7);
  }
}

// Strides, paddings and odd sizes; a layer before gives the convolution an input gradient.
TEST(TorchGradient, Conv2d_EveryGeometry) {
  for (const int64_t kernel : {1, 2, 3, 5}) {
    for (const int64_t stride : {1, 2, 3}) {
      for (int64_t padding = 0; padding < kernel; ++padding) {
        ExpectMatchesTorch(
            {.name = absl::StrCat("conv_k", kernel, "_s", stride, "_p", padding),
             .input = {2, 9, 7},
             .layers = {Conv2d("before", 3, 1, 1, 0), Conv2d("conv", 4, kernel, stride, padding),
                        Flatten(), Dense("fc", 3)}},
            3);
      }
    }
  }
}

// Stride 2 has tiles of its own: images of even and odd sizes, of whole and partial vectors, of one
// pixel; blocks of one channel and of several.
TEST(TorchGradient, Conv2d_OfStrideTwo) {
  OnEveryKernelTarget([] {
    const Shape kImages[] = {{1, 28, 28}, {8, 14, 14}, {3, 1, 2}, {2, 9, 35}, {3, 16, 13}};
    for (const Shape& image : kImages) {
      for (const int64_t kernel : {3, 5}) {
        for (const int64_t units : {1, 8, 13}) {
          ExpectMatchesTorch({.name = absl::StrCat("conv_u", units, "_k", kernel, "_s2_of_",
                                                   BatchShapeString(image)),
                              .input = image,
                              .layers = {Conv2d("before", image[0], 1, 1, 0),
                                         Conv2d("conv", units, kernel, 2, kernel / 2), Relu("relu"),
                                         Conv2d("after", 2, 3, 2, 1), Flatten(), Dense("fc", 3)}},
                             2);
        }
      }
    }
  });
}

// [N, 4, 13, 11] -> conv2d of `units` channels; a layer before it gives it an input gradient.
void ExpectGroupedMatchesTorch(int64_t units, int64_t groups, int64_t kernel, int64_t stride,
                               int64_t dilation, int64_t padding) {
  LayerSpec conv = Conv2d("conv", units, kernel, stride, padding);
  conv.groups = groups;
  conv.dilation = dilation;
  ExpectMatchesTorch({.name = absl::StrCat("conv_u", units, "_g", groups, "_k", kernel, "_s",
                                           stride, "_d", dilation, "_p", padding),
                      .input = {2, 13, 11},
                      .layers = {Conv2d("before", 4, 1, 1, 0), conv, Scale("scale", 1.5f),
                                 Flatten(), Dense("fc", 3)}},
                     3);
}

// All ways: no groups, groups of two channels, depthwise with one and three outputs a channel.
TEST(TorchGradient, Conv2d_EveryGroupingAndDilation) {
  const struct {
    int64_t units;
    int64_t groups;
  } kGroupings[] = {{5, 1}, {6, 2}, {4, 4}, {12, 4}};
  OnEveryKernelTarget([&] {
    for (const auto& [units, groups] : kGroupings) {
      for (const int64_t kernel : {1, 2, 3, 5}) {
        for (const int64_t dilation : {1, 2, 3}) {
          const int64_t extent = dilation * (kernel - 1) + 1;
          for (const int64_t stride : {1, 2, 3}) {
            for (const int64_t padding : {int64_t{0}, extent / 2, extent - 1}) {
              if (extent > 11 + 2 * padding) continue;
              ExpectGroupedMatchesTorch(units, groups, kernel, stride, dilation, padding);
            }
          }
        }
      }
    }
  });
}

// Depthwise convolutions of 7 x 7; images of whole and partial vectors, of fewer rows than a strip,
// of one pixel.
TEST(TorchGradient, Depthwise_EverySizeOfImage) {
  OnEveryKernelTarget([] {
    const Shape kImages[] = {{3, 1, 1},  {3, 3, 40},  {3, 40, 3},
                             {3, 9, 33}, {3, 14, 14}, {3, 7, 16}};
    for (const Shape& image : kImages) {
      for (const int64_t kernel : {3, 5, 7}) {
        for (const int64_t stride : {1, 2}) {
          LayerSpec depthwise = Conv2d("depthwise", 3, kernel, stride, kernel / 2);
          depthwise.groups = 3;
          ExpectMatchesTorch(
              {.name = absl::StrCat("depthwise_k", kernel, "_s", stride, "_of_",
                                    BatchShapeString(image)),
               .input = image,
               .layers = {Conv2d("before", 3, 1, 1, 0), depthwise, Flatten(), Dense("fc", 3)}},
              2);
        }
      }
    }
  });
}

TEST(TorchGradient, GroupsOfTheModelsInput_NeedNoInputGradient) {
  for (const int64_t groups : {2, 4}) {
    LayerSpec conv = Conv2d("conv", 8, 3, 2, 1);
    conv.groups = groups;
    ExpectMatchesTorch(
        {.name = "grouped_input", .input = {4, 9, 9}, .layers = {conv, Flatten(), Dense("fc", 3)}},
        3);
  }
}

// An image whose columns exceed the workspace bound: it is done in several chunks of rows.
TEST(TorchGradient, Conv2d_InChunks) {
  ExpectMatchesTorch({.name = "wide",
                      .input = {8, 61, 67},
                      .layers = {Conv2d("conv1", 8, 3, 1, 1), Relu("relu"),
                                 Conv2d("conv2", 4, 5, 2, 2), Flatten(), Dense("fc", 3)}},
                     2);
}

TEST(TorchGradient, MaxPool2d_EveryGeometry) {
  for (const int64_t kernel : {1, 2, 3}) {
    for (const int64_t stride : {1, 2, 3}) {
      ExpectMatchesTorch({.name = absl::StrCat("pool_k", kernel, "_s", stride),
                          .input = {2, 9, 7},
                          .layers = {Conv2d("conv", 4, 3, 1, 1), MaxPool2d("pool", kernel, stride),
                                     Flatten(), Dense("fc", 3)}},
                         3);
    }
  }
}

TEST(TorchGradient, AvgPool2d_EveryGeometry) {
  OnEveryKernelTarget([] {
    for (const int64_t kernel : {1, 2, 3}) {
      for (const int64_t stride : {1, 2, 3}) {
        ExpectMatchesTorch(
            {.name = absl::StrCat("avg_pool_k", kernel, "_s", stride),
             .input = {2, 9, 7},
             .layers = {Conv2d("conv", 4, 3, 1, 1), AvgPool2d("pool", kernel, stride), Flatten(),
                        Dense("fc", 3)}},
            3);
      }
    }
  });
}

TEST(TorchGradient, GlobalAvgPool2d_OfEverySize) {
  OnEveryKernelTarget([] {
    for (const Shape& image : {Shape{2, 1, 1}, Shape{2, 9, 7}, Shape{2, 3, 40}}) {
      ExpectMatchesTorch(
          {.name = absl::StrCat("global_of_", BatchShapeString(image)),
           .input = image,
           .layers = {Conv2d("conv", 4, 1, 1, 0), Relu("relu"), GlobalAvgPool2d(), Dense("fc", 3)}},
          3);
    }
  });
}

// As logits, and of the model's input.
TEST(TorchGradient, GlobalAvgPool2d_FirstAndLast) {
  ExpectMatchesTorch({.name = "global_last",
                      .input = {2, 5, 5},
                      .layers = {Conv2d("conv", 4, 3, 1, 0), GlobalAvgPool2d()}},
                     3);
  ExpectMatchesTorch(
      {.name = "global_first", .input = {2, 5, 5}, .layers = {GlobalAvgPool2d(), Dense("fc", 3)}},
      3);
}

// The scale takes activations beyond 6.
TEST(TorchGradient, Relu6_InEveryPlace) {
  OnEveryKernelTarget([] {
    ExpectMatchesTorch(
        {.name = "relu6s",
         .input = {2, 6, 6},
         .layers = {Relu6("first"), Conv2d("conv", 3, 3, 1, 1), Scale("scale", 20.0f),
                    Relu6("above"), Relu6("again"), MaxPool2d("pool", 2, 2), Relu6("pooled"),
                    Flatten(), Dense("fc", 4), Relu6("last")}},
        5);
  });
}

// All elements of a window are equal, made from different inputs: which of them takes the gradient
// shows in that of the convolution's weights.
TEST(TorchGradient, MaxPool2d_OfEqualElements_FirstTakesTheGradient) {
  EngineRun run(
      {.name = "ties",
       .input = {2, 4, 4},
       .layers = {Conv2d("conv", 1, 1, 1, 0), MaxPool2d("pool", 2, 2), Flatten(), Dense("fc", 3)}},
      1);
  run.parameters[0] = run.parameters[1] = 1.0f;
  for (size_t pixel = 0; pixel < 16; ++pixel) {
    run.inputs[pixel] = static_cast<float>(pixel);
    run.inputs[16 + pixel] = 16.0f - static_cast<float>(pixel);
  }
  ExpectMatchesTorch(run);
}

TEST(TorchGradient, Relu_InEveryPlace) {
  // First on the model's input, after a pooling layer, twice in a row, through a flatten, last.
  ExpectMatchesTorch({.name = "relus",
                      .input = {2, 6, 6},
                      .layers = {Relu("first"), Conv2d("conv", 3, 3, 1, 1), MaxPool2d("pool", 2, 2),
                                 Relu("after_pool"), Relu("again"), Flatten(), Relu("flat"),
                                 Dense("fc", 4), Relu("last")}},
                     5);
}

TEST(TorchGradient, Submodels_OfEveryWidthOnEveryKernelTarget) {
  OnEveryKernelTarget([] {
    for (const std::string name : {"lenet5", "mcmahan_cnn", "tiny_cnn", "mobilenet_small"}) {
      for (const double width : {0.5, 0.25, 0.125, 0.0625}) {
        ExpectMatchesTorch(MakeSubmodel(*ZooModel(name), {.width = width})->model, 10);
      }
    }
  });
}

TEST(TorchGradient, DirectConvolutions_OfOneExampleAndOfMany) {
  const ModelSpec model = {
      .name = "direct",
      .input = {1, 13, 21},
      .layers = {Conv2d("conv1", 2, 3, 1, 0), MaxPool2d("pool1", 2, 2), Conv2d("conv2", 7, 3, 1, 2),
                 Relu("relu"), Conv2d("conv3", 3, 5, 1, 0), Flatten(), Dense("fc", 4)}};
  for (const int64_t batch_size : {1, 2, 9}) ExpectMatchesTorch(model, batch_size);
}

TEST(TorchGradient, Scale_InEveryPlace) {
  // First on the model's input, in place after a convolution and under a ReLU in place, of a ReLU's
  // output, before pooling, through a flatten, twice in a row, last.
  ExpectMatchesTorch(
      {.name = "scales",
       .input = {2, 6, 6},
       .layers = {Scale("first", 0.5f), Conv2d("conv1", 3, 3, 1, 1), Scale("in_place", 4.0f),
                  Relu("relu1"), Scale("of_relu", -0.3f), Conv2d("conv2", 4, 3, 1, 1),
                  Scale("before_pool", 1.7f), MaxPool2d("pool", 2, 2), Relu("relu2"), Flatten(),
                  Scale("flat", 0.1f), Scale("again", 20.0f), Dense("fc", 4), Scale("last", 3.0f)}},
      5);
}

TEST(TorchGradient, PoolingOfTheInput_NeedsNoGradient) {
  ExpectMatchesTorch({.name = "pool_first",
                      .input = {2, 6, 6},
                      .layers = {MaxPool2d("pool", 2, 2), Flatten(), Dense("fc", 4)}},
                     5);
}

TEST(TorchGradient, SharedParameters_SumTheirGradients) {
  LayerSpec again = Dense("again", 6);
  again.parameters = "fc1";
  LayerSpec third = Dense("third", 6);
  third.parameters = "fc1";
  ExpectMatchesTorch({.name = "shared_dense",
                      .input = {6},
                      .layers = {Dense("fc1", 6), Relu("r1"), again, Relu("r2"), third}},
                     5);
  // Each layer has its own factor, the parameters have one gradient.
  ExpectMatchesTorch(
      {.name = "shared_scaled",
       .input = {6},
       .layers = {Dense("fc1", 6), Scale("s1", 3.0f), Relu("r1"), again, Scale("s2", -0.5f)}},
      5);
  LayerSpec conv_again = Conv2d("again", 3, 3, 1, 1);
  conv_again.parameters = "conv1";
  ExpectMatchesTorch(
      {.name = "shared_conv",
       .input = {3, 5, 5},
       .layers = {Conv2d("conv1", 3, 3, 1, 1), Relu("r1"), conv_again, Flatten(), Dense("fc", 3)}},
      4);
}

class TorchGradientOfZoo : public ::testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(EveryModel, TorchGradientOfZoo, ::testing::ValuesIn(ZooModelNames()),
                         [](const auto& test) { return test.param; });

TEST_P(TorchGradientOfZoo, MatchesOnEveryKernelTarget) {
  OnEveryKernelTarget([] { ExpectMatchesTorch(ZooModel(GetParam()).value(), 10); });
}

}  // namespace
}  // namespace tern
