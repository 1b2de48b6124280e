#include "core/train/engine_trainer.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "core/base/random.h"
#include "core/base/status_macros.h"
#include "core/engine/elementwise.h"
#include "core/train/fit.h"

namespace tern {
namespace {

absl::Status Diverged(const TrainOptions& options, int64_t step, absl::string_view what) {
  return absl::AbortedError(absl::StrCat("training diverged at step ", step, ": ", what,
                                         " not finite; lower learning_rate, which is ",
                                         options.learning_rate));
}

// Whether `steps` are all that the plan allows, wherever in an epoch.
bool HasTakenAllSteps(const TrainOptions& options, int64_t steps) {
  return options.max_local_steps > 0 && steps >= options.max_local_steps;
}

}  // namespace

absl::StatusOr<TrainReport> EngineTrainer::Train(const Plan& plan, uint64_t client,
                                                 const Dataset& dataset,
                                                 absl::Span<float> parameters) {
  TERN_RETURN_IF_ERROR(Prepare(plan, dataset.size()));
  TERN_RETURN_IF_ERROR(CheckFit(plan.model, *program_, dataset, parameters));
  RandomStream random({.seed = plan.seed,
                       .round = plan.round,
                       .client = client,
                       .purpose = RandomPurpose::kBatchOrder});
  std::iota(order_.begin(), order_.end(), 0);
  // Of a round: nothing is carried over from the one before.
  const absl::Span<float> velocity = velocity_.span();
  std::fill(velocity.begin(), velocity.end(), 0.0f);
  if (start_.size() > 0) std::copy(parameters.begin(), parameters.end(), start_.span().begin());
  TrainReport report = {.num_examples = dataset.size(), .train_bytes = HeldBytes()};
  double total_loss = 0.0;
  for (int64_t epoch = 0; epoch < plan.train.local_epochs; ++epoch) {
    if (HasTakenAllSteps(plan.train, report.local_steps)) break;
    random.Shuffle(absl::MakeSpan(order_));
    TERN_RETURN_IF_ERROR(TrainEpoch(plan, dataset, parameters, report, total_loss));
  }
  // The loss of a step tells of the parameters before it.
  if (!AllFinite(parameters.data(), program_->layout().size)) {
    return Diverged(plan.train, report.local_steps, "parameters are");
  }
  report.train_loss = total_loss / static_cast<double>(report.local_steps);
  return report;
}

absl::Status EngineTrainer::Prepare(const Plan& plan, int64_t num_examples) {
  TERN_RETURN_IF_ERROR(ValidateTrainOptions(plan.train));
  TERN_RETURN_IF_ERROR(PrepareProgram(plan));
  return PrepareBuffers(plan, num_examples);
}

absl::Status EngineTrainer::PrepareProgram(const Plan& plan) {
  if (program_.has_value() && program_->batch_size() == plan.train.batch_size &&
      model_ == plan.model) {
    return absl::OkStatus();
  }
  TERN_ASSIGN_OR_RETURN(program_, Program::Compile(plan.model, plan.train.batch_size));
  model_ = plan.model;
  return absl::OkStatus();
}

absl::Status EngineTrainer::PrepareBuffers(const Plan& plan, int64_t num_examples) {
  const SgdOptions sgd = ToSgdOptions(plan.train);
  const int64_t parameters = program_->layout().size;
  struct Buffer {
    AlignedFloats& floats;
    int64_t size;
  };
  const Buffer buffers[] = {
      {arena_, program_->arena_floats()},
      {inputs_, plan.train.batch_size * NumElements(plan.model.input)},
      {velocity_, sgd.needs_velocity() ? parameters : 0},
      {gradient_, sgd.needs_gradient() ? parameters : 0},
      {start_, sgd.needs_start() ? parameters : 0},
  };
  // The old buffers go before the new ones come.
  for (const Buffer& buffer : buffers) {
    if (buffer.floats.size() != buffer.size) buffer.floats = AlignedFloats();
  }
  const auto batch_size = static_cast<size_t>(plan.train.batch_size);
  const auto examples = static_cast<size_t>(num_examples);
  if (labels_.capacity() != batch_size) std::vector<int32_t>().swap(labels_);
  if (order_.capacity() != examples) std::vector<int32_t>().swap(order_);
  for (const Buffer& buffer : buffers) {
    if (buffer.floats.size() == buffer.size) continue;
    TERN_ASSIGN_OR_RETURN(buffer.floats, AlignedFloats::Allocate(buffer.size));
  }
  labels_.resize(batch_size);
  order_.resize(examples);
  return absl::OkStatus();
}

absl::Status EngineTrainer::TrainEpoch(const Plan& plan, const Dataset& dataset,
                                       absl::Span<float> parameters, TrainReport& report,
                                       double& total_loss) {
  const auto example_floats = static_cast<size_t>(NumElements(plan.model.input));
  for (size_t begin = 0; begin < order_.size(); begin += labels_.size()) {
    if (HasTakenAllSteps(plan.train, report.local_steps)) break;
    // The last batch of an epoch may be smaller.
    const auto indices = absl::MakeConstSpan(order_).subspan(begin, labels_.size());
    const auto inputs = inputs_.span().first(indices.size() * example_floats);
    const auto labels = absl::MakeSpan(labels_).first(indices.size());
    dataset.Gather(indices, inputs, labels);
    const float loss = program_->Step(
        parameters, {.inputs = inputs, .labels = labels}, arena_.span(), ToSgdOptions(plan.train),
        {.velocity = velocity_.span(), .gradient = gradient_.span(), .start = start_.span()});
    ++report.local_steps;
    if (!std::isfinite(loss)) return Diverged(plan.train, report.local_steps, "the loss is");
    total_loss += static_cast<double>(loss);
  }
  return absl::OkStatus();
}

int64_t EngineTrainer::HeldBytes() const {
  const int64_t floats = program_->layout().size + arena_.size() + inputs_.size() +
                         velocity_.size() + gradient_.size() + start_.size();
  return floats * static_cast<int64_t>(sizeof(float)) +
         static_cast<int64_t>((labels_.capacity() + order_.capacity()) * sizeof(int32_t));
}

}  // namespace tern
