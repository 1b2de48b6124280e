#include "core/engine/schedule.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/engine/memory_planner.h"

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
void FoldScaleLayers(const ModelSpec& spec, std::vector<CompiledLayer>& layers) {
  for (size_t i = 1; i < layers.size(); ++i) {
    if (spec.layers[i].kind != LayerKind::kScale || layers[i - 1].weight_offset < 0) continue;
    layers[i - 1].shape.factor = layers[i].shape.factor;
    layers[i].kernel = FindLayerKernel(LayerKind::kFlatten);
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

// Gives every tensor a life on a time axis and lets PlanMemory place them. With L layers the
// forward pass of layer i is step i, the loss step L, the backward pass of layer i step 2L - i. An
// earlier check (InferShapes: every output is read once) leaves only chains: layer i reads layer
// i - 1.
class ArenaPlanner {
 public:
  // `layers` must outlive the planner.
  ArenaPlanner(std::vector<CompiledLayer>& layers, int64_t batch_size, bool training)
      : layers_(layers), batch_size_(batch_size), training_(training), ids_(layers.size()) {}

  // Writes every layer's offsets to its `buffers` and returns the size of the arena.
  int64_t Plan(LayerBuffers CompiledLayer::*buffers) {
    PlaceActivations();
    if (training_) PlaceGradients();
    const MemoryPlan plan = PlanMemory(tensors_);
    const auto offset = [&](int64_t id) {
      return id == kNotInArena ? kNotInArena : plan.offsets[static_cast<size_t>(id)];
    };
    for (size_t i = 0; i < layers_.size(); ++i) {
      layers_[i].*buffers = {.input = offset(ids_[i].input),
                             .output = offset(ids_[i].output),
                             .forward_workspace = offset(ids_[i].forward_workspace),
                             .backward_workspace = offset(ids_[i].backward_workspace),
                             .output_gradient = offset(ids_[i].output_gradient),
                             .input_gradient = offset(ids_[i].input_gradient),
                             .shared_gradient = offset(ids_[i].shared_gradient)};
    }
    return plan.total_floats;
  }

 private:
  int64_t num_layers() const { return static_cast<int64_t>(layers_.size()); }
  int64_t BackwardStep(size_t layer) const {
    return 2 * num_layers() - static_cast<int64_t>(layer);
  }

  int64_t NewTensor(int64_t floats, int64_t step) {
    tensors_.push_back({.floats = floats, .first_use = step, .last_use = step});
    return static_cast<int64_t>(tensors_.size()) - 1;
  }

  void Use(int64_t tensor, int64_t step) {
    if (tensor == kNotInArena) return;
    TensorLife& life = tensors_[static_cast<size_t>(tensor)];
    life.first_use = std::min(life.first_use, step);
    life.last_use = std::max(life.last_use, step);
  }

  int64_t NewWorkspace(const CompiledLayer& layer, int64_t step) {
    return layer.workspace_floats == 0 ? kNotInArena : NewTensor(layer.workspace_floats, step);
  }

  void PlaceActivations() {
    int64_t input = kNotInArena;
    // Whether the layer that made `input` still needs it as it is.
    bool producer_reads = false;
    for (size_t i = 0; i < layers_.size(); ++i) {
      const LayerKernel& kernel = *layers_[i].kernel;
      const auto step = static_cast<int64_t>(i);
      const bool in_place =
          kernel.output_buffer == OutputBuffer::kInPlace && input != kNotInArena && !producer_reads;
      const bool is_view = kernel.output_buffer == OutputBuffer::kView;
      const int64_t output = in_place || is_view
                                 ? input
                                 : NewTensor(batch_size_ * layers_[i].shape.out_elements(), step);
      Use(input, step);
      ids_[i].input = input;
      ids_[i].output = output;
      ids_[i].forward_workspace = NewWorkspace(layers_[i], step);
      if (training_ && layers_[i].trained) {
        if (kernel.backward_reads_input) Use(input, BackwardStep(i));
        if (kernel.backward_reads_output) Use(output, BackwardStep(i));
      }
      if (!is_view) producer_reads = kernel.backward_reads_output;
      input = output;
    }
    // The loss reads the logits.
    Use(input, num_layers());
  }

  void PlaceGradients() {
    int64_t gradient = NewTensor(batch_size_ * layers_.back().shape.out_elements(), num_layers());
    for (size_t i = layers_.size(); i-- > 0 && layers_[i].trained;) {
      const CompiledLayer& layer = layers_[i];
      const int64_t step = BackwardStep(i);
      Use(gradient, step);
      ids_[i].output_gradient = gradient;
      ids_[i].backward_workspace = NewWorkspace(layer, step);
      PlaceSharedGradient(i);
      if (i == 0 || !layers_[i - 1].trained) break;
      if (layer.kernel->output_buffer == OutputBuffer::kOwn) {
        gradient = NewTensor(batch_size_ * layer.shape.in_elements(), step);
      }
      ids_[i].input_gradient = gradient;
    }
  }

  void PlaceSharedGradient(size_t i) {
    const CompiledLayer& layer = layers_[i];
    if (layer.first_gradient && layer.last_gradient) return;
    if (layer.first_gradient) {
      ids_[i].shared_gradient = NewTensor(layer.parameter_floats, BackwardStep(i));
      return;
    }
    for (size_t later = i + 1; later < layers_.size(); ++later) {
      if (layers_[later].weight_offset != layer.weight_offset) continue;
      ids_[i].shared_gradient = ids_[later].shared_gradient;
      Use(ids_[i].shared_gradient, BackwardStep(i));
      return;
    }
  }

  std::vector<CompiledLayer>& layers_;
  const int64_t batch_size_;
  const bool training_;
  std::vector<TensorLife> tensors_;
  std::vector<LayerBuffers> ids_;  // of tensors, where the caller gets offsets
};

absl::StatusOr<CompiledLayer> CompileLayer(const LayerSpec& layer, const Shape& input,
                                           const Shape& output, int64_t batch_size) {
  CompiledLayer compiled;
  compiled.kernel = FindLayerKernel(layer.kind);
  if (compiled.kernel == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("layer '", layer.name,
                                                   "': the engine cannot train layers of kind ",
                                                   LayerKindName(layer.kind)));
  }
  compiled.shape = MakeLayerShape(layer, input, output);
  if (compiled.kernel->workspace_floats != nullptr) {
    compiled.workspace_floats = compiled.kernel->workspace_floats(compiled.shape, batch_size);
  }
  return compiled;
}

void AttachParameters(const ParameterLayout& layout, size_t layer, CompiledLayer& compiled) {
  if (layout.weight_of_layer[layer] < 0) return;
  const auto weight = static_cast<size_t>(layout.weight_of_layer[layer]);
  compiled.weight_offset = layout.parameters[weight].offset;
  compiled.bias_offset = layout.parameters[weight + 1].offset;
  compiled.parameter_floats = layout.parameters[weight].size + layout.parameters[weight + 1].size;
}

}  // namespace

absl::StatusOr<Schedule> MakeSchedule(const ModelSpec& spec, int64_t batch_size) {
  if (batch_size < 1 || batch_size > kMaxBatchSize) {
    return absl::InvalidArgumentError(
        absl::StrCat("batch_size is ", batch_size, ", expected 1 to ", kMaxBatchSize));
  }
  Schedule schedule;
  TERN_ASSIGN_OR_RETURN(const std::vector<Shape> shapes, InferShapes(spec));
  TERN_ASSIGN_OR_RETURN(schedule.layout, MakeParameterLayout(spec));
  if (schedule.layout.size == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("model '", spec.name, "' has no parameters; give it a dense or conv2d layer"));
  }
  bool trained = false;
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    TERN_ASSIGN_OR_RETURN(
        CompiledLayer layer,
        CompileLayer(spec.layers[i], i == 0 ? spec.input : shapes[i - 1], shapes[i], batch_size));
    AttachParameters(schedule.layout, i, layer);
    trained = trained || layer.weight_offset >= 0;
    layer.trained = trained;
    schedule.layers.push_back(layer);
  }
  FoldScaleLayers(spec, schedule.layers);
  MarkSharedParameters(schedule.layers);
  schedule.training_arena_floats =
      ArenaPlanner(schedule.layers, batch_size, true).Plan(&CompiledLayer::training);
  schedule.inference_arena_floats =
      ArenaPlanner(schedule.layers, batch_size, false).Plan(&CompiledLayer::inference);
  return schedule;
}

}  // namespace tern
