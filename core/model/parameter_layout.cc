#include "core/model/parameter_layout.h"

#include <cmath>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/random.h"
#include "core/base/status_macros.h"

namespace tern {
namespace {

// {out, in} or {out, in / groups, kernel, kernel}; empty for layers without parameters.
Shape WeightShape(const LayerSpec& layer, const Shape& input) {
  switch (layer.kind) {
    case LayerKind::kDense:
      return {layer.units, input[0]};
    case LayerKind::kConv2d:
      return {layer.units, input[0] / layer.groups, layer.kernel, layer.kernel};
    default:
      return {};
  }
}

// The product of a parameter's dimensions, or anything above kMaxElements where it is above: four
// dimensions that are each allowed can overflow 64 bits.
int64_t BoundedElements(const Shape& shape) {
  int64_t elements = 1;
  for (const int64_t dimension : shape) {
    if (elements > kMaxElements / dimension) return kMaxElements + 1;
    elements *= dimension;
  }
  return elements;
}

std::string ShapeString(const Shape& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

absl::Status Append(Parameter parameter, ParameterLayout& layout) {
  parameter.offset = layout.size;
  parameter.size = BoundedElements(parameter.shape);
  layout.size += parameter.size;
  if (layout.size > kMaxElements) {
    return absl::InvalidArgumentError(
        absl::StrCat("parameter '", parameter.name, "' of shape ", ShapeString(parameter.shape),
                     ": the model has more than ", kMaxElements, " parameters"));
  }
  layout.parameters.push_back(std::move(parameter));
  return absl::OkStatus();
}

}  // namespace

std::string ParameterLayout::CoordinateName(int64_t index) const {
  for (const Parameter& parameter : parameters) {
    if (index >= parameter.offset && index < parameter.offset + parameter.size) {
      return absl::StrCat(parameter.name, "[", index - parameter.offset, "]");
    }
  }
  return absl::StrCat("coordinate ", index, " (outside the model)");
}

absl::StatusOr<ParameterLayout> MakeParameterLayout(const ModelSpec& spec) {
  TERN_ASSIGN_OR_RETURN(const std::vector<Shape> shapes, InferShapes(spec));
  ParameterLayout layout;
  absl::flat_hash_map<std::string, const Shape*> output_of;
  absl::flat_hash_map<std::string, int> weight_of;
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    const LayerSpec& layer = spec.layers[i];
    const Shape& previous = i == 0 ? spec.input : shapes[i - 1];
    const Shape& input = layer.input.empty() ? previous : *output_of.at(layer.input);
    output_of[layer.name] = &shapes[i];
    const Shape weight = WeightShape(layer, input);
    if (weight.empty()) {
      layout.weight_of_layer.push_back(-1);
      continue;
    }
    const std::string name = layer.parameters.empty() ? layer.name : layer.parameters;
    const auto [found, is_new] =
        weight_of.emplace(name, static_cast<int>(layout.parameters.size()));
    layout.weight_of_layer.push_back(found->second);
    if (!is_new) {
      const Shape& shared = layout.parameters[static_cast<size_t>(found->second)].shape;
      if (shared == weight) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("layer '", layer.name, "': shares parameters '", name, "' of shape ",
                       ShapeString(shared), " but needs ", ShapeString(weight)));
    }
    const int64_t fan_in = BoundedElements(weight) / weight[0];
    TERN_RETURN_IF_ERROR(Append({.name = absl::StrCat(name, ".weight"),
                                 .shape = weight,
                                 .role = ParameterRole::kWeight,
                                 .fan_in = fan_in},
                                layout));
    TERN_RETURN_IF_ERROR(Append({.name = absl::StrCat(name, ".bias"),
                                 .shape = {weight[0]},
                                 .role = ParameterRole::kBias,
                                 .fan_in = fan_in},
                                layout));
  }
  return layout;
}

std::vector<float> InitialParameters(const ParameterLayout& layout, uint64_t seed) {
  std::vector<float> values(static_cast<size_t>(layout.size));
  RandomStream random({.seed = seed, .purpose = RandomPurpose::kInitialParameters});
  for (const Parameter& parameter : layout.parameters) {
    const float bound = 1.0f / std::sqrt(static_cast<float>(parameter.fan_in));
    for (int64_t i = 0; i < parameter.size; ++i) {
      values[static_cast<size_t>(parameter.offset + i)] =
          (2.0f * random.NextFloat() - 1.0f) * bound;
    }
  }
  return values;
}

}  // namespace tern
