#include "core/train/plan_cost.h"

#include "core/base/status_macros.h"
#include "core/engine/program.h"
#include "core/train/memory_report.h"

namespace tern {

namespace {

// Of one example, with what runs a second time.
int64_t TrainingFlops(const Schedule& schedule, const std::vector<LayerFlops>& layers) {
  int64_t flops = 0;
  bool before_loss = true;
  for (const ScheduledStep& step : schedule.training.steps) {
    if (step.kind == StepKind::kLoss) before_loss = false;
    if (before_loss || step.kind != StepKind::kForward) continue;
    flops += layers[schedule.layers[step.layer].spec_index].forward;
  }
  // Also of layers whose work others do.
  bool input_gradient_wanted = false;
  for (const CompiledLayer& layer : schedule.layers) {
    const LayerFlops& each = layers[layer.spec_index];
    flops += each.forward;
    if (input_gradient_wanted) flops += each.input_gradient;
    if (layer.weight.size > 0) {
      flops += each.weight_gradient / layer.shape.out_channels * layer.weight_channels;
    }
    if (layer.bias.size > 0) flops += each.bias_gradient;
    input_gradient_wanted = layer.trained;
  }
  return flops;
}

}  // namespace

bool NeedsGradient(const TrainOptions& train) {
  const bool is_cut = train.micro_batch_size > 0 && train.micro_batch_size < train.batch_size;
  return is_cut || ToSgdOptions(train).needs_gradient();
}

absl::StatusOr<Cost> PlanCost(const Plan& plan, int64_t num_examples) {
  TERN_ASSIGN_OR_RETURN(Cost cost, CountCost(plan.model));
  TERN_ASSIGN_OR_RETURN(const std::vector<LayerFlops> layers, CountLayerFlops(plan.model));
  TERN_ASSIGN_OR_RETURN(const Program program,
                        Program::Compile(plan.model, ToProgramOptions(plan.train)));
  cost.training_flops = TrainingFlops(program.schedule(), layers);
  cost.train_bytes = program.arena_floats() * static_cast<int64_t>(sizeof(float));
  for (const MemoryItem& item : HeldItems(plan, program, num_examples)) {
    cost.train_bytes += item.bytes;
  }
  return cost;
}

int64_t ExamplesTrained(const TrainOptions& train, int64_t num_examples) {
  const int64_t all = train.local_epochs * num_examples;
  if (train.max_local_steps == 0) return all;
  const int64_t steps_per_epoch = (num_examples - 1) / train.batch_size + 1;
  const int64_t epochs = train.max_local_steps / steps_per_epoch;
  if (epochs >= train.local_epochs) return all;
  return epochs * num_examples + train.max_local_steps % steps_per_epoch * train.batch_size;
}

double StartFlops(const Cost& cost, const TrainOptions& train, int64_t num_examples) {
  const auto examples = static_cast<double>(num_examples);
  if (train.method == ClientMethod::kScaffoldGradient) {
    return static_cast<double>(cost.training_flops) * examples;
  }
  return train.measure_start_loss ? static_cast<double>(cost.forward_flops) * examples : 0.0;
}

}  // namespace tern
