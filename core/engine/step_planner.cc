#include "core/engine/step_planner.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/engine/memory_planner.h"

namespace tern {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

bool IsRelu(const CompiledLayer& layer) {
  return layer.kernel->kind == LayerKind::kRelu || layer.kernel->kind == LayerKind::kRelu6;
}

bool IsView(const CompiledLayer& layer) {
  return layer.kernel->output_buffer == OutputBuffer::kView;
}

// What follows from the layers alone, the same in every plan.
class Layers {
 public:
  Layers(absl::Span<const CompiledLayer> layers, bool training)
      : layers_(layers), training_(training) {}

  size_t size() const { return layers_.size(); }
  const CompiledLayer& operator[](size_t i) const { return layers_[i]; }
  bool HasBackward(size_t i) const { return training_ && layers_[i].trained; }
  bool WantsInputGradient(size_t i) const { return i > 0 && HasBackward(i - 1); }

  bool ReadsInput(size_t i) const {
    return HasBackward(i) && layers_[i].kernel->weight_gradient_reads_input &&
           layers_[i].weight.size > 0;
  }
  // An output that the layer behind keeps anyway takes no memory; else saved bits take less.
  bool ReadsOutput(size_t i) const {
    if (!HasBackward(i) || !layers_[i].kernel->backward_reads_output) return false;
    size_t reader = i + 1;
    while (reader < size() && IsView(layers_[reader])) ++reader;
    return reader < size() && ReadsInput(reader);
  }
  bool Saves(size_t i) const {
    const LayerKernel& kernel = *layers_[i].kernel;
    return HasBackward(i) && kernel.saved_bytes != nullptr && !ReadsOutput(i) &&
           kernel.saved_bytes(layers_[i].shape, 1) > 0;
  }
  // Does the layer before it do this one's forward pass?
  bool IsFused(size_t i) const {
    if (!IsRelu(layers_[i]) || Saves(i)) return false;
    size_t before = i;
    while (before > 0 && IsView(layers_[before - 1])) --before;
    return before > 0 && layers_[before - 1].kernel->fuses_activation;
  }
  Activation FusedActivation(size_t i) const {
    size_t next = i + 1;
    while (next < size() && IsView(layers_[next])) ++next;
    if (!layers_[i].kernel->fuses_activation || next == size() || !IsFused(next)) {
      return Activation::kNone;
    }
    return layers_[next].kernel->kind == LayerKind::kRelu ? Activation::kRelu : Activation::kRelu6;
  }
  // Where a segment may begin: at a layer that leaves its input as it is.
  bool MayBeginSegment(size_t i) const {
    return WantsInputGradient(i) && layers_[i].kernel->output_buffer == OutputBuffer::kOwn;
  }

 private:
  absl::Span<const CompiledLayer> layers_;
  bool training_;
};

// Builds a plan step by step; a tensor lives from the first step that uses it to the last.
class StepPlanner {
 public:
  StepPlanner(const Layers& layers, int64_t batch_size)
      : layers_(layers),
        batch_size_(batch_size),
        inputs_(layers.size(), kNotInArena),
        outputs_(layers.size(), kNotInArena),
        saved_(layers.size(), kNotInArena) {}

  StepPlan Inference() && {
    Forward(0, layers_.size(), kNotInArena, /*keep=*/false);
    return std::move(*this).Place(kNoLimit);
  }

  // `cuts`: where segments but the first begin, ascending. A plan whose lower bound is not below
  // `limit` comes without steps and places.
  StepPlan Training(absl::Span<const size_t> cuts, int64_t limit) && {
    std::vector<size_t> borders = {0};
    borders.insert(borders.end(), cuts.begin(), cuts.end());
    borders.push_back(layers_.size());
    std::vector<int64_t> segment_inputs;
    int64_t value = kNotInArena;
    for (size_t segment = 0; segment + 1 < borders.size(); ++segment) {
      segment_inputs.push_back(value);
      const bool last = segment + 2 == borders.size();
      value = Forward(borders[segment], borders[segment + 1], value, last);
    }
    int64_t gradient = Loss(value);
    for (size_t segment = borders.size() - 1; segment-- > 0;) {
      const size_t begin = borders[segment];
      const size_t end = borders[segment + 1];
      if (end < layers_.size()) {
        const size_t again = EndOfRecomputation(begin, end, segment_inputs[segment + 1]);
        Forward(begin, again, segment_inputs[segment], /*keep=*/true);
        // Skipped layers read what the last one that runs again gave.
        if (again > begin && again < end) inputs_[again] = outputs_[again - 1];
        if (again == begin) inputs_[begin] = segment_inputs[segment];
      }
      for (size_t i = end; i-- > begin && layers_.HasBackward(i);) gradient = Backward(i, gradient);
    }
    return std::move(*this).Place(limit);
  }

 private:
  int64_t Now() const { return static_cast<int64_t>(steps_.size()) - 1; }

  ScheduledStep& NewStep(StepKind kind, size_t layer) {
    steps_.push_back({.kind = kind, .layer = layer});
    return steps_.back();
  }

  int64_t NewTensor(TensorRole role, size_t layer, int64_t floats) {
    tensors_.push_back(
        {.role = role, .layer = layer, .life = {.floats = floats, .first_use = Now()}});
    const auto id = static_cast<int64_t>(tensors_.size()) - 1;
    Use(id);
    return id;
  }

  void Use(int64_t tensor) {
    if (tensor != kNotInArena) tensors_[static_cast<size_t>(tensor)].life.last_use = Now();
  }

  void UseWorkspace(int64_t floats, ScheduledStep& step) {
    step.workspace_floats = floats;
    if (floats > 0) step.buffers.workspace = NewTensor(TensorRole::kWorkspace, step.layer, floats);
  }

  // Layers [begin, end) from `value` on; `keep`: the backward pass comes next. Returns the output.
  int64_t Forward(size_t begin, size_t end, int64_t value, bool keep) {
    // Whether the layer that made `value` still needs it as it is.
    bool producer_reads = false;
    for (size_t i = begin; i < end; ++i) {
      inputs_[i] = value;
      if (!IsView(layers_[i]) && !(i > begin && layers_.IsFused(i))) {
        value = ForwardStep(i, value, producer_reads, keep);
      }
      outputs_[i] = value;
      if (!IsView(layers_[i])) producer_reads = keep && layers_.ReadsOutput(i);
    }
    return value;
  }

  int64_t ForwardStep(size_t i, int64_t input, bool producer_reads, bool keep) {
    const CompiledLayer& layer = layers_[i];
    const LayerKernel& kernel = *layer.kernel;
    ScheduledStep& step = NewStep(StepKind::kForward, i);
    Use(input);
    const bool in_place =
        kernel.output_buffer == OutputBuffer::kInPlace && input != kNotInArena && !producer_reads;
    const int64_t output =
        in_place ? input
                 : NewTensor(TensorRole::kActivation, i, batch_size_ * layer.shape.out_elements());
    step.activation = layers_.FusedActivation(i);
    step.buffers.input = input;
    step.buffers.output = output;
    if (keep && layers_.Saves(i)) {
      step.saved_bytes = kernel.saved_bytes(layer.shape, batch_size_);
      const int64_t floats = (step.saved_bytes + 3) / 4;
      step.buffers.saved = saved_[i] = NewTensor(TensorRole::kSaved, i, floats);
    }
    if (kernel.forward_workspace_floats != nullptr) {
      UseWorkspace(kernel.forward_workspace_floats(layer.shape, batch_size_), step);
    }
    return output;
  }

  // The logits' gradient takes the place of the logits, which nothing reads any more.
  int64_t Loss(int64_t logits) {
    ScheduledStep& step = NewStep(StepKind::kLoss, layers_.size() - 1);
    Use(logits);
    step.buffers.input = step.buffers.output_gradient = logits;
    return logits;
  }

  // Of a segment whose output `checkpoint` still exists, what has to run again to give the backward
  // pass all that it reads: layers [begin, result).
  size_t EndOfRecomputation(size_t begin, size_t end, int64_t checkpoint) {
    while (end > begin && !layers_.Saves(end - 1)) {
      const CompiledLayer& layer = layers_[end - 1];
      const bool own = layer.kernel->output_buffer == OutputBuffer::kOwn;
      // Of layers in place only a ReLU leaves what a ReLU before it can read.
      if (!own && !IsView(layer) && !IsRelu(layer)) break;
      --end;
      outputs_[end] = checkpoint;
      if (own) break;
    }
    return end;
  }

  // Returns the gradient of the layer's input.
  int64_t Backward(size_t i, int64_t gradient) {
    const CompiledLayer& layer = layers_[i];
    const LayerKernel& kernel = *layer.kernel;
    if (IsView(layer)) return gradient;
    ScheduledStep& step = NewStep(StepKind::kBackward, i);
    Use(gradient);
    step.buffers.output_gradient = gradient;
    if (layers_.ReadsInput(i)) Use(step.buffers.input = inputs_[i]);
    if (layers_.ReadsOutput(i)) Use(step.buffers.output = outputs_[i]);
    if (layers_.Saves(i)) {
      step.saved_bytes = kernel.saved_bytes(layer.shape, batch_size_);
      Use(step.buffers.saved = saved_[i]);
    }
    const BackwardWork work = {.input_gradient = layers_.WantsInputGradient(i),
                               .weight_channels = layer.weight_channels};
    if (kernel.backward_workspace_floats != nullptr) {
      UseWorkspace(kernel.backward_workspace_floats(layer.shape, batch_size_, work), step);
    }
    UseSharedGradient(i, step);
    if (!work.input_gradient) return kNotInArena;
    if (kernel.output_buffer == OutputBuffer::kOwn) {
      gradient = NewTensor(TensorRole::kGradient, i - 1, batch_size_ * layer.shape.in_elements());
    }
    step.buffers.input_gradient = gradient;
    return gradient;
  }

  void UseSharedGradient(size_t i, ScheduledStep& step) {
    const CompiledLayer& layer = layers_[i];
    const int64_t floats = layer.weight.size + layer.bias.size;
    if ((layer.first_gradient && layer.last_gradient) || floats == 0) return;
    int64_t shared = kNotInArena;
    for (const ScheduledStep& other : steps_) {
      if (other.kind == StepKind::kBackward && other.layer != i &&
          layers_[other.layer].weight_offset == layer.weight_offset) {
        shared = other.buffers.shared_gradient;
      }
    }
    if (shared == kNotInArena) shared = NewTensor(TensorRole::kSharedGradient, i, floats);
    Use(step.buffers.shared_gradient = shared);
  }

  // From ids of tensors to offsets.
  StepPlan Place(int64_t limit) && {
    std::vector<TensorLife> lives;
    for (const PlacedTensor& tensor : tensors_) lives.push_back(tensor.life);
    const int64_t lower_bound = LowerBoundFloats(lives);
    if (lower_bound >= limit) {
      return {.arena_floats = lower_bound, .lower_bound_floats = lower_bound};
    }
    const MemoryPlan memory = PlanMemory(lives);
    for (size_t i = 0; i < tensors_.size(); ++i) tensors_[i].offset = memory.offsets[i];
    for (ScheduledStep& step : steps_) {
      StepBuffers& buffers = step.buffers;
      for (int64_t* id :
           {&buffers.input, &buffers.output, &buffers.saved, &buffers.workspace,
            &buffers.output_gradient, &buffers.input_gradient, &buffers.shared_gradient}) {
        if (*id != kNotInArena) *id = memory.offsets[static_cast<size_t>(*id)];
      }
    }
    return {.steps = std::move(steps_),
            .tensors = std::move(tensors_),
            .arena_floats = memory.total_floats,
            .lower_bound_floats = lower_bound};
  }

  const Layers& layers_;
  const int64_t batch_size_;
  std::vector<ScheduledStep> steps_;  // with ids of tensors in place of offsets
  std::vector<PlacedTensor> tensors_;
  // Of the layers' latest forward pass.
  std::vector<int64_t> inputs_;
  std::vector<int64_t> outputs_;
  std::vector<int64_t> saved_;
};

// Of each way to cut, so that a model of a thousand layers is still compiled in seconds.
constexpr size_t kMaxPlans = 24;

// Cuts that part the floats which the places in `allowed` stand for evenly.
std::vector<size_t> EvenCuts(const Layers& layers, absl::Span<const size_t> allowed,
                             size_t num_segments) {
  int64_t all = 0;
  for (size_t i = 0; i < layers.size(); ++i) all += layers[i].shape.out_elements();
  std::vector<size_t> cuts;
  int64_t before = 0;
  size_t next = 0;
  for (size_t i = 0; i < layers.size() && next < allowed.size(); ++i) {
    if (i == allowed[next]) {
      ++next;
      const auto share = static_cast<int64_t>(cuts.size() + 1);
      if (before * static_cast<int64_t>(num_segments) >= share * all) cuts.push_back(i);
    }
    before += layers[i].shape.out_elements();
  }
  return cuts;
}

}  // namespace

StepPlan PlanInference(absl::Span<const CompiledLayer> layers, int64_t batch_size) {
  return StepPlanner(Layers(layers, false), batch_size).Inference();
}

StepPlan PlanTraining(absl::Span<const CompiledLayer> layers, int64_t batch_size) {
  return StepPlanner(Layers(layers, true), batch_size).Training({}, kNoLimit);
}

StepPlan PlanTrainingInSegments(absl::Span<const CompiledLayer> all, int64_t batch_size) {
  const Layers layers(all, true);
  std::vector<size_t> allowed;
  for (size_t i = 0; i < layers.size(); ++i) {
    if (layers.MayBeginSegment(i)) allowed.push_back(i);
  }
  StepPlan best = PlanTraining(all, batch_size);
  const auto consider = [&](absl::Span<const size_t> cuts) {
    StepPlan plan = StepPlanner(layers, batch_size).Training(cuts, best.arena_floats);
    if (plan.arena_floats < best.arena_floats) best = std::move(plan);
  };
  const size_t distance = (allowed.size() + kMaxPlans - 1) / kMaxPlans;
  for (size_t i = 0; i < allowed.size(); i += distance) consider({allowed[i]});
  const size_t most_segments = std::min(allowed.size() + 1, kMaxPlans);
  for (size_t segments = 2; segments <= most_segments; ++segments) {
    consider(EvenCuts(layers, allowed, segments));
  }
  return best;
}

}  // namespace tern
