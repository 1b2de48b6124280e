#include "core/model/model_spec.h"

#include <cmath>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"

namespace tern {
namespace {

absl::Status LayerError(const LayerSpec& layer, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat("layer '", layer.name, "': ", problem));
}

absl::Status CheckRange(const LayerSpec& layer, absl::string_view field, int64_t value,
                        int64_t minimum, int64_t maximum = kMaxDimension) {
  if (value >= minimum && value <= maximum) return absl::OkStatus();
  return LayerError(layer,
                    absl::StrCat(field, " is ", value, ", expected ", minimum, " to ", maximum));
}

absl::Status CheckSize(absl::string_view what, const Shape& shape) {
  int64_t elements = 1;
  for (const int64_t dimension : shape) {
    if (dimension < 1 || dimension > kMaxDimension || elements > kMaxElements / dimension) {
      return absl::InvalidArgumentError(absl::StrCat(what, " ", BatchShapeString(shape),
                                                     ": dimensions must be 1 to ", kMaxDimension,
                                                     " and their product at most ", kMaxElements));
    }
    elements *= dimension;
  }
  return absl::OkStatus();
}

absl::Status CheckIsImage(const LayerSpec& layer, const Shape& input) {
  if (input.size() == 3) return absl::OkStatus();
  return LayerError(layer, absl::StrCat("expected input [N, channels, height, width], got ",
                                        BatchShapeString(input)));
}

absl::StatusOr<Shape> WindowOutput(const LayerSpec& layer, const Shape& input, int64_t channels) {
  TERN_RETURN_IF_ERROR(CheckRange(layer, "kernel", layer.kernel, 1));
  TERN_RETURN_IF_ERROR(CheckRange(layer, "stride", layer.stride, 1));
  TERN_RETURN_IF_ERROR(CheckRange(layer, "padding", layer.padding, 0));
  TERN_RETURN_IF_ERROR(CheckRange(layer, "dilation", layer.dilation, 1, kMaxDilation));
  TERN_RETURN_IF_ERROR(CheckIsImage(layer, input));
  const int64_t extent = layer.dilation * (layer.kernel - 1) + 1;
  std::string window = absl::StrCat("kernel ", layer.kernel);
  if (layer.dilation > 1) absl::StrAppend(&window, " with dilation ", layer.dilation);
  if (layer.padding >= extent) {
    return LayerError(layer,
                      absl::StrCat("padding ", layer.padding, " must be smaller than ", window));
  }
  Shape output = {channels, 0, 0};
  for (size_t axis = 1; axis < 3; ++axis) {
    const int64_t padded = input[axis] + 2 * layer.padding;
    if (padded < extent) {
      return LayerError(layer,
                        absl::StrCat(window, " is larger than input ", BatchShapeString(input),
                                     " with padding ", layer.padding));
    }
    output[axis] = (padded - extent) / layer.stride + 1;
  }
  return output;
}

absl::StatusOr<Shape> Conv2dOutput(const LayerSpec& layer, const Shape& input) {
  TERN_RETURN_IF_ERROR(CheckRange(layer, "units", layer.units, 1));
  TERN_RETURN_IF_ERROR(CheckRange(layer, "groups", layer.groups, 1));
  TERN_RETURN_IF_ERROR(CheckIsImage(layer, input));
  if (input[0] % layer.groups != 0 || layer.units % layer.groups != 0) {
    return LayerError(
        layer, absl::StrCat("groups is ", layer.groups, ", expected a divisor of its ", input[0],
                            " input channels and of its ", layer.units, " units"));
  }
  return WindowOutput(layer, input, layer.units);
}

absl::StatusOr<Shape> PoolOutput(const LayerSpec& layer, const Shape& input) {
  if (layer.padding != 0 || layer.dilation != 1) {
    return LayerError(layer,
                      absl::StrCat(LayerKindName(layer.kind), " takes no padding and no dilation"));
  }
  return WindowOutput(layer, input, input.empty() ? 0 : input[0]);
}

absl::StatusOr<Shape> InferLayerShape(const LayerSpec& layer, const Shape& input) {
  switch (layer.kind) {
    case LayerKind::kDense:
      TERN_RETURN_IF_ERROR(CheckRange(layer, "units", layer.units, 1));
      if (input.size() != 1) {
        return LayerError(
            layer, absl::StrCat("expected input [N, features], got ", BatchShapeString(input),
                                "; put a flatten layer before it"));
      }
      return Shape{layer.units};
    case LayerKind::kConv2d:
      return Conv2dOutput(layer, input);
    case LayerKind::kMaxPool2d:
    case LayerKind::kAvgPool2d:
      return PoolOutput(layer, input);
    case LayerKind::kGlobalAvgPool2d:
      TERN_RETURN_IF_ERROR(CheckIsImage(layer, input));
      return Shape{input[0]};
    case LayerKind::kScale:
      if (!std::isfinite(layer.factor) || layer.factor == 0.0f) {
        return LayerError(layer,
                          absl::StrCat("factor is ", layer.factor, ", expected finite and not 0"));
      }
      return input;
    case LayerKind::kRelu:
    case LayerKind::kRelu6:
      return input;
    case LayerKind::kFlatten:
      return Shape{NumElements(input)};
  }
  return LayerError(layer, absl::StrCat("unknown kind ", static_cast<int32_t>(layer.kind)));
}

absl::Status CheckOutputs(const ModelSpec& spec, const std::vector<Shape>& shapes,
                          const std::vector<int>& readers) {
  for (size_t i = 0; i + 1 < spec.layers.size(); ++i) {
    if (readers[i] == 1) continue;
    return LayerError(spec.layers[i], absl::StrCat("its output is read by ", readers[i],
                                                   " layers, expected exactly one"));
  }
  const Shape& logits = shapes.back();
  if (logits.size() != 1 || logits[0] < 2) {
    return LayerError(spec.layers.back(),
                      absl::StrCat("the last layer must give logits [N, classes] with at least "
                                   "2 classes, got ",
                                   BatchShapeString(logits)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::string_view LayerKindName(LayerKind kind) {
  switch (kind) {
    case LayerKind::kDense:
      return "dense";
    case LayerKind::kConv2d:
      return "conv2d";
    case LayerKind::kMaxPool2d:
      return "max_pool2d";
    case LayerKind::kRelu:
      return "relu";
    case LayerKind::kFlatten:
      return "flatten";
    case LayerKind::kScale:
      return "scale";
    case LayerKind::kAvgPool2d:
      return "avg_pool2d";
    case LayerKind::kGlobalAvgPool2d:
      return "global_avg_pool2d";
    case LayerKind::kRelu6:
      return "relu6";
  }
  return "unknown";
}

absl::StatusOr<std::vector<Shape>> InferShapes(const ModelSpec& spec) {
  const auto num_layers = static_cast<int64_t>(spec.layers.size());
  if (num_layers < 1 || num_layers > kMaxLayers) {
    return absl::InvalidArgumentError(absl::StrCat("model '", spec.name, "' has ", num_layers,
                                                   " layers, expected 1 to ", kMaxLayers));
  }
  TERN_RETURN_IF_ERROR(CheckSize(absl::StrCat("model '", spec.name, "': input"), spec.input));
  std::vector<Shape> shapes;
  std::vector<int> readers(spec.layers.size(), 0);
  absl::flat_hash_map<std::string, size_t> index_of;
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    const LayerSpec& layer = spec.layers[i];
    if (layer.name.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("model '", spec.name, "': layer ", i, " has no name"));
    }
    const Shape* input = i == 0 ? &spec.input : &shapes[i - 1];
    if (!layer.input.empty()) {
      const auto found = index_of.find(layer.input);
      if (found == index_of.end()) {
        return LayerError(layer,
                          absl::StrCat("its input '", layer.input, "' is not an earlier layer"));
      }
      input = &shapes[found->second];
      ++readers[found->second];
    } else if (i > 0) {
      ++readers[i - 1];
    }
    TERN_ASSIGN_OR_RETURN(Shape output, InferLayerShape(layer, *input));
    TERN_RETURN_IF_ERROR(CheckSize(absl::StrCat("layer '", layer.name, "': output"), output));
    shapes.push_back(std::move(output));
    if (!index_of.emplace(layer.name, i).second) {
      return LayerError(layer, "a second layer of this name; names must be unique");
    }
  }
  TERN_RETURN_IF_ERROR(CheckOutputs(spec, shapes, readers));
  return shapes;
}

}  // namespace tern
