#include "core/engine/schedule.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/engine/step_planner.h"

namespace tern {
namespace {

LayerShape MakeLayerShape(const LayerSpec& layer, const Shape& input, const Shape& output) {
  // What is no image is its elements.
  const auto as_image = [](const Shape& tensor) {
    return tensor.size() == 3 ? tensor : Shape{NumElements(tensor), 1, 1};
  };
  const Shape from = as_image(input);
  const Shape to = as_image(output);
  return {.in_channels = from[0],
          .in_height = from[1],
          .in_width = from[2],
          .out_channels = to[0],
          .out_height = to[1],
          .out_width = to[2],
          .kernel = layer.kernel,
          .stride = layer.stride,
          .padding = layer.padding,
          .groups = layer.groups,
          .dilation = layer.dilation,
          .factor = layer.kind == LayerKind::kScale ? layer.factor : 1.0f};
}

// A dense or conv2d layer multiplies by the factor of a scale layer right behind it at no cost: of
// that one nothing is left to run, its output is a view.
void FoldScaleLayers(std::vector<CompiledLayer>& layers) {
  for (size_t i = 1; i < layers.size(); ++i) {
    if (layers[i].kernel->kind != LayerKind::kScale || layers[i - 1].weight_offset < 0) continue;
    layers[i - 1].shape.factor = layers[i].shape.factor;
    layers[i].kernel = FindLayerKernel(LayerKind::kFlatten);
  }
}

// The maximum of a window under a ReLU is the ReLU of its maximum, and has the same gradient: the
// ReLU behind the pooling has fewer elements, and an output that the next layer keeps anyway.
void MoveReluBehindMaxPool(std::vector<CompiledLayer>& layers) {
  for (size_t i = layers.size() - 1; i-- > 0;) {
    const LayerKind kind = layers[i].kernel->kind;
    const bool is_relu = kind == LayerKind::kRelu || kind == LayerKind::kRelu6;
    if (!is_relu || layers[i + 1].kernel->kind != LayerKind::kMaxPool2d) continue;
    std::swap(layers[i], layers[i + 1]);
    const LayerShape& pool = layers[i].shape;
    LayerShape& relu = layers[i + 1].shape;
    relu.in_height = relu.out_height = pool.out_height;
    relu.in_width = relu.out_width = pool.out_width;
  }
}

// A convolution that runs row by row pools its rows at once, where windows do not overlap.
void FusePooling(std::vector<CompiledLayer>& layers) {
  for (size_t i = 1; i < layers.size(); ++i) {
    const LayerShape& pool = layers[i].shape;
    if (layers[i].kernel->kind != LayerKind::kMaxPool2d || pool.kernel != pool.stride) continue;
    size_t before = i - 1;
    while (before > 0 && layers[before].kernel->output_buffer == OutputBuffer::kView) --before;
    // Of two in a row the second stays.
    if (layers[before].kernel->kind != LayerKind::kConv2d || layers[before].shape.pool > 1)
      continue;
    layers[before].shape.pool = pool.kernel;
    layers[i].kernel = FindLayerKernel(LayerKind::kFlatten);
  }
}

void MarkTrained(std::vector<CompiledLayer>& layers) {
  bool trained = false;
  for (CompiledLayer& layer : layers) {
    trained = trained || layer.weight.size > 0 || layer.bias.size > 0;
    layer.trained = trained;
  }
}

void MarkSharedParameters(std::vector<CompiledLayer>& layers) {
  for (size_t i = 0; i < layers.size(); ++i) {
    for (size_t later = i + 1; later < layers.size(); ++later) {
      if (layers[i].weight_offset < 0 || layers[i].weight_offset != layers[later].weight_offset) {
        continue;
      }
      layers[i].first_gradient = false;
      layers[later].last_gradient = false;
    }
  }
}

absl::StatusOr<CompiledLayer> CompileLayer(const LayerSpec& layer, const Shape& input,
                                           const Shape& output, MemoryMode memory) {
  CompiledLayer compiled;
  compiled.kernel = FindLayerKernel(layer.kind, memory);
  if (compiled.kernel == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("layer '", layer.name,
                                                   "': the engine cannot train layers of kind ",
                                                   LayerKindName(layer.kind)));
  }
  compiled.shape = MakeLayerShape(layer, input, output);
  return compiled;
}

void AttachParameters(const Schedule& schedule, CompiledLayer& layer) {
  const int index = schedule.layout.weight_of_layer[layer.spec_index];
  if (index < 0) return;
  const auto weight = static_cast<size_t>(index);
  const Parameter& parameter = schedule.layout.parameters[weight];
  layer.weight_offset = parameter.offset;
  layer.bias_offset = schedule.layout.parameters[weight + 1].offset;
  layer.weight = schedule.trained.of_parameter[weight];
  layer.bias = schedule.trained.of_parameter[weight + 1];
  layer.weight_channels = layer.weight.size / (parameter.size / parameter.shape[0]);
}

absl::Status CompileLayers(const ModelSpec& spec, MemoryMode memory, Schedule& schedule) {
  TERN_ASSIGN_OR_RETURN(const std::vector<Shape> shapes, InferShapes(spec));
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    TERN_ASSIGN_OR_RETURN(
        CompiledLayer layer,
        CompileLayer(spec.layers[i], i == 0 ? spec.input : shapes[i - 1], shapes[i], memory));
    layer.spec_index = i;
    AttachParameters(schedule, layer);
    schedule.layers.push_back(layer);
  }
  FoldScaleLayers(schedule.layers);
  MoveReluBehindMaxPool(schedule.layers);
  if (memory == MemoryMode::kSmall) FusePooling(schedule.layers);
  MarkTrained(schedule.layers);
  MarkSharedParameters(schedule.layers);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Schedule> MakeSchedule(const ModelSpec& spec, const ProgramOptions& options) {
  const int64_t batch_size = options.batch_size;
  if (batch_size < 1 || batch_size > kMaxBatchSize) {
    return absl::InvalidArgumentError(
        absl::StrCat("batch_size is ", batch_size, ", expected 1 to ", kMaxBatchSize));
  }
  if (options.memory != MemoryMode::kFast && options.memory != MemoryMode::kSmall) {
    return absl::InvalidArgumentError(
        absl::StrCat("memory is ", static_cast<int32_t>(options.memory), ", no known mode"));
  }
  Schedule schedule;
  TERN_ASSIGN_OR_RETURN(schedule.layout, MakeParameterLayout(spec));
  if (schedule.layout.size == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("model '", spec.name, "' has no parameters; give it a dense or conv2d layer"));
  }
  TERN_ASSIGN_OR_RETURN(schedule.trained,
                        FindTrainedParameters(spec, schedule.layout, options.scope));
  TERN_RETURN_IF_ERROR(CompileLayers(spec, options.memory, schedule));
  schedule.training = options.memory == MemoryMode::kSmall
                          ? PlanTrainingInSegments(schedule.layers, batch_size)
                          : PlanTraining(schedule.layers, batch_size);
  schedule.inference = PlanInference(schedule.layers, batch_size);
  return schedule;
}

}  // namespace tern
