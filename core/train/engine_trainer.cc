#include "core/train/engine_trainer.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/random.h"
#include "core/base/status_macros.h"
#include "core/engine/elementwise.h"
#include "core/train/fit.h"
#include "core/train/plan_cost.h"

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

// Whether `options` are ToProgramOptions(train), whose names of layers would be allocated.
bool IsCompiledFor(const TrainOptions& train, const ProgramOptions& options) {
  const int64_t batch_size = train.micro_batch_size > 0 ? train.micro_batch_size : train.batch_size;
  return options.batch_size == batch_size && options.memory == train.memory &&
         options.scope == train.scope && options.loss == train.loss;
}

absl::Status CheckControl(const TrainOptions& options, absl::Span<const float> control,
                          int64_t num_parameters) {
  if (control.empty()) return absl::OkStatus();
  const auto size = static_cast<int64_t>(control.size());
  if (options.has_control() && size == num_parameters) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("a control variate of ", size, " coordinates, expected ",
                   options.has_control() ? num_parameters : 0, " with the plan's method"));
}

}  // namespace

absl::StatusOr<TrainReport> EngineTrainer::Train(const Plan& plan, uint64_t client,
                                                 const Dataset& dataset,
                                                 absl::Span<float> parameters,
                                                 absl::Span<float> control) {
  TERN_RETURN_IF_ERROR(Prepare(plan, dataset.size()));
  TERN_RETURN_IF_ERROR(CheckFit(plan.model, *program_, dataset, parameters));
  TERN_RETURN_IF_ERROR(CheckControl(plan.train, control, program_->layout().size));
  Begin(plan, dataset, parameters, control);
  RandomStream random({.seed = plan.seed,
                       .round = plan.round,
                       .client = client,
                       .purpose = RandomPurpose::kBatchOrder});
  TrainReport report = {.num_examples = dataset.size(), .train_bytes = HeldBytes()};
  TERN_RETURN_IF_ERROR(MeasureStart(plan, dataset, parameters, report));
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
  UnpackStartGradient(control);
  return report;
}

absl::Status EngineTrainer::Prepare(const Plan& plan, int64_t num_examples) {
  TERN_RETURN_IF_ERROR(ValidateTrainOptions(plan.train));
  TERN_RETURN_IF_ERROR(PrepareProgram(plan));
  return PrepareBuffers(plan, num_examples);
}

absl::Status EngineTrainer::PrepareProgram(const Plan& plan) {
  if (program_.has_value() && IsCompiledFor(plan.train, options_) && model_ == plan.model) {
    return absl::OkStatus();
  }
  ProgramOptions options = ToProgramOptions(plan.train);
  TERN_ASSIGN_OR_RETURN(program_, Program::Compile(plan.model, options));
  model_ = plan.model;
  options_ = std::move(options);
  return absl::OkStatus();
}

absl::Status EngineTrainer::PrepareBuffers(const Plan& plan, int64_t num_examples) {
  const SgdOptions sgd = ToSgdOptions(plan.train);
  const int64_t trained = program_->trained().size;
  struct Buffer {
    AlignedFloats& floats;
    int64_t size;
  };
  const Buffer buffers[] = {
      {arena_, program_->arena_floats()},
      {inputs_, program_->batch_size() * NumElements(plan.model.input)},
      {velocity_, sgd.needs_velocity() ? trained : 0},
      {gradient_, NeedsGradient(plan.train) ? trained : 0},
      {start_, sgd.needs_start() ? trained : 0},
      {start_gradient_, plan.train.method == ClientMethod::kScaffoldGradient ? trained : 0},
  };
  // The old buffers go before the new ones come.
  for (const Buffer& buffer : buffers) {
    if (buffer.floats.size() != buffer.size) buffer.floats = AlignedFloats();
  }
  const auto resize_exactly = [](auto& vector, int64_t size) {
    const auto count = static_cast<size_t>(size);
    if (vector.capacity() != count) std::decay_t<decltype(vector)>().swap(vector);
    vector.resize(count);
  };
  resize_exactly(labels_, program_->batch_size());
  resize_exactly(order_, num_examples);
  resize_exactly(present_classes_, plan.train.only_present_classes ? program_->num_classes() : 0);
  for (const Buffer& buffer : buffers) {
    if (buffer.floats.size() == buffer.size) continue;
    TERN_ASSIGN_OR_RETURN(buffer.floats, AlignedFloats::Allocate(buffer.size));
  }
  return absl::OkStatus();
}

void EngineTrainer::Begin(const Plan& plan, const Dataset& dataset,
                          absl::Span<const float> parameters, absl::Span<float> control) {
  std::iota(order_.begin(), order_.end(), 0);
  // Of a round: nothing is carried over from the one before.
  const absl::Span<float> velocity = velocity_.span();
  std::fill(velocity.begin(), velocity.end(), 0.0f);
  if (start_.size() > 0) {
    for (const TrainedRange& range : program_->trained().ranges) {
      std::copy_n(parameters.begin() + range.begin, range.size,
                  start_.span().begin() + range.offset);
    }
  }
  control_ = {};
  if (!control.empty()) {
    // No coordinate moves up, so that none is overwritten before it has moved.
    for (const TrainedRange& range : program_->trained().ranges) {
      if (range.offset == range.begin) continue;
      std::copy_n(control.begin() + range.begin, range.size, control.begin() + range.offset);
    }
    control_ = control.first(static_cast<size_t>(program_->trained().size));
  }
  if (!plan.train.only_present_classes) return;
  std::fill(present_classes_.begin(), present_classes_.end(), uint8_t{0});
  for (int64_t i = 0; i < dataset.size(); ++i) {
    present_classes_[static_cast<size_t>(dataset.label(i))] = 1;
  }
}

absl::Status EngineTrainer::MeasureStart(const Plan& plan, const Dataset& dataset,
                                         absl::Span<const float> parameters, TrainReport& report) {
  const absl::Span<float> gradient = start_gradient_.span();
  if (gradient.empty() && !plan.train.measure_start_loss) return absl::OkStatus();
  double mean_loss = 0.0;
  for (size_t begin = 0; begin < order_.size(); begin += labels_.size()) {
    const Batch batch = Gather(dataset, absl::MakeConstSpan(order_).subspan(begin, labels_.size()));
    const double share =
        static_cast<double>(batch.labels.size()) / static_cast<double>(order_.size());
    const float loss = gradient.empty()
                           ? program_->Loss(parameters, batch, arena_.span())
                           : program_->Gradient(parameters, batch, arena_.span(), gradient,
                                                {.share = share, .accumulate = begin > 0});
    if (!std::isfinite(loss)) {
      return absl::AbortedError(
          "the loss of the parameters that training begins with is not finite");
    }
    mean_loss += share * static_cast<double>(loss);
  }
  if (!AllFinite(gradient.data(), start_gradient_.size())) {
    return absl::AbortedError(
        "the gradient at the parameters that training begins with is not finite");
  }
  if (plan.train.measure_start_loss) report.metrics[kStartLossMetric] = mean_loss;
  return absl::OkStatus();
}

absl::Status EngineTrainer::TrainEpoch(const Plan& plan, const Dataset& dataset,
                                       absl::Span<float> parameters, TrainReport& report,
                                       double& total_loss) {
  const SgdOptions options = ToSgdOptions(plan.train);
  const auto batch_size = static_cast<size_t>(plan.train.batch_size);
  for (size_t begin = 0; begin < order_.size(); begin += batch_size) {
    if (HasTakenAllSteps(plan.train, report.local_steps)) break;
    // The last batch of an epoch may be smaller.
    const auto indices = absl::MakeConstSpan(order_).subspan(begin, batch_size);
    const float loss = TrainBatch(options, dataset, indices, parameters);
    ++report.local_steps;
    if (!std::isfinite(loss)) return Diverged(plan.train, report.local_steps, "the loss is");
    total_loss += static_cast<double>(loss);
  }
  return absl::OkStatus();
}

float EngineTrainer::TrainBatch(const SgdOptions& options, const Dataset& dataset,
                                absl::Span<const int32_t> indices, absl::Span<float> parameters) {
  if (indices.size() <= labels_.size()) {
    return program_->Step(parameters, Gather(dataset, indices), arena_.span(), options, vectors());
  }
  double total_loss = 0.0;
  for (size_t begin = 0; begin < indices.size(); begin += labels_.size()) {
    const Batch batch = Gather(dataset, indices.subspan(begin, labels_.size()));
    const double share =
        static_cast<double>(batch.labels.size()) / static_cast<double>(indices.size());
    const float loss = program_->Gradient(parameters, batch, arena_.span(), gradient_.span(),
                                          {.share = share, .accumulate = begin > 0});
    if (!std::isfinite(loss)) return loss;
    total_loss += share * static_cast<double>(loss);
  }
  program_->ApplyGradient(options, vectors(), parameters);
  return static_cast<float>(total_loss);
}

Batch EngineTrainer::Gather(const Dataset& dataset, absl::Span<const int32_t> indices) {
  const auto inputs =
      inputs_.span().first(indices.size() * static_cast<size_t>(NumElements(model_.input)));
  const auto labels = absl::MakeSpan(labels_).first(indices.size());
  dataset.Gather(indices, inputs, labels);
  return {.inputs = inputs, .labels = labels, .present_classes = present_classes_};
}

SgdVectors EngineTrainer::vectors() {
  return {.velocity = velocity_.span(),
          .gradient = gradient_.span(),
          .start = start_.span(),
          .control = control_};
}

void EngineTrainer::UnpackStartGradient(absl::Span<float> control) {
  if (control.empty() || start_gradient_.size() == 0) return;
  std::fill(control.begin(), control.end(), 0.0f);
  for (const TrainedRange& range : program_->trained().ranges) {
    std::copy_n(start_gradient_.span().begin() + range.offset, range.size,
                control.begin() + range.begin);
  }
}

int64_t EngineTrainer::HeldBytes() const {
  const int64_t floats = program_->layout().size + arena_.size() + inputs_.size() +
                         velocity_.size() + gradient_.size() + start_.size() +
                         start_gradient_.size();
  return floats * static_cast<int64_t>(sizeof(float)) +
         static_cast<int64_t>((labels_.capacity() + order_.capacity()) * sizeof(int32_t) +
                              present_classes_.capacity());
}

}  // namespace tern
