#include "server/strategy.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "aggregation/learning_rate_schedule.h"
#include "aggregation/mean.h"
#include "aggregation/server_optimizer.h"
#include "compression/codec.h"
#include "core/base/status_macros.h"
#include "core/train/plan_cost.h"
#include "core/train/trainer.h"

namespace tern::server {
namespace {

constexpr int64_t kMaxPopulation = int64_t{1} << 40;

absl::Status InField(absl::string_view field, const absl::Status& status) {
  if (status.ok()) return status;
  return {status.code(), absl::StrCat(field, ": ", status.message())};
}

bool IsConstant(const aggregation::LearningRateSchedule& schedule) {
  return schedule.kind == "constant" && schedule.warmup_rounds == 0;
}

absl::Status ValidateSchedules(const Task& task) {
  TERN_RETURN_IF_ERROR(InField("schedule", aggregation::ValidateSchedule(task.server_schedule)));
  if (task.aggregator.name == "qfedavg" && !IsConstant(task.client_schedule)) {
    return absl::InvalidArgumentError(
        "aggregator qfedavg takes a constant train.schedule: its step depends on the clients' "
        "learning_rate");
  }
  if (task.optimizer.name == "feddyn" && !IsConstant(task.server_schedule)) {
    return absl::InvalidArgumentError(
        "optimizer feddyn takes a constant schedule: its learning_rate is 1");
  }
  return absl::OkStatus();
}

// An option that protects from nothing must not look as if it did.
absl::Status ValidateUnused(const aggregation::AggregatorOptions& options) {
  const auto error = [&](absl::string_view field, auto value, absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, " is ", value, ", expected 0: aggregator ", options.name, " ", why));
  };
  if (options.attackers > 0 && !aggregation::ReadsUpdatesBack(options.name)) {
    return error("attackers", options.attackers, "withstands none");
  }
  if (options.trim > 0.0f && options.name != "trimmed_mean") {
    return error("trim", options.trim, "trims nothing");
  }
  if (options.keep > 0 && options.name != "multi_krum") {
    return error("keep", options.keep, "does not choose by number");
  }
  return absl::OkStatus();
}

// Aggregator and server optimizer, and what they ask of each other.
absl::Status ValidateRules(const Task& task, int64_t num_parameters) {
  TERN_RETURN_IF_ERROR(ValidateWeightOptions(task.weights));
  TERN_RETURN_IF_ERROR(aggregation::MakeServerOptimizer(task.Optimizer()).status());
  TERN_RETURN_IF_ERROR(
      aggregation::MakeAggregator(task.Aggregator(), task.Limits(num_parameters)).status());
  if (task.optimizer.name == "fedexp" && task.aggregator.name != "mean") {
    return absl::InvalidArgumentError(
        absl::StrCat("optimizer fedexp goes with aggregator mean, whose updates' norms it takes, "
                     "got ",
                     task.aggregator.name));
  }
  TERN_RETURN_IF_ERROR(ValidateUnused(task.aggregator));
  const bool clients_do_feddyn = task.train.method == ClientMethod::kFedDyn;
  if (clients_do_feddyn != (task.optimizer.name == "feddyn")) {
    return absl::InvalidArgumentError(absl::StrCat(
        "optimizer is ", task.optimizer.name, ", expected ",
        clients_do_feddyn ? "feddyn, as train.method is" : "train.method feddyn with it",
        ": feddyn is both or neither"));
  }
  return absl::OkStatus();
}

// Robust rules take no lies through a side door, and claim no more than they do.
absl::Status ValidateRobust(const Task& task) {
  const aggregation::AggregatorOptions& options = task.aggregator;
  const auto error = [&](absl::string_view with, absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("aggregator ", options.name, " does not go with ", with, ": ", why));
  };
  if (task.train.receives_control()) {
    return error("train.method scaffold", "control variates are averaged plainly");
  }
  if (options.name == "fltrust" && !task.train.personal.empty()) {
    return error("train.personal", "the coordinator's own update has none");
  }
  if (options.name == "trimmed_mean" && options.attackers == 0 && options.trim == 0.0f) {
    return error("attackers 0 and trim 0", "nothing would be trimmed");
  }
  const bool clients_set_weights =
      task.weights.kind != WeightKind::kUniform && task.weights.max_weight == 0.0;
  if (options.name == "geometric_median" && options.attackers > 0 && clients_set_weights) {
    return error("weights that clients choose", "give max_weight, or weights: uniform");
  }
  return absl::OkStatus();
}

absl::Status ValidateFedDyn(const Task& task) {
  if (task.aggregator.name == "mean" && task.weights.kind == WeightKind::kUniform &&
      (task.population_size == 0 || task.population_size >= task.round.cohort_size)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "optimizer feddyn takes plain means, expected aggregator mean, weights uniform, and "
      "population_size 0 or at least round.cohort_size");
}

// What rules that read whole updates back ask of codecs and submodels.
absl::Status ValidateUpdates(const Task& task) {
  const std::string& name = task.aggregator.name;
  const bool whole_models = std::all_of(task.adapt.widths.begin(), task.adapt.widths.end(),
                                        [](double width) { return width == 1.0; });
  if (!whole_models && !aggregation::TakesSubmodels(name)) {
    return absl::InvalidArgumentError(
        absl::StrCat("aggregator ", name, " compares whole updates, expected adapt.widths [1]"));
  }
  if (!whole_models && (task.train.has_control() || !task.train.personal.empty())) {
    return absl::InvalidArgumentError(
        "train.method and train.personal keep vectors on the devices that fit one model, expected "
        "adapt.widths [1]");
  }
  if (name == "qfedavg" && task.error_feedback) {
    for (const std::string& text : task.Codecs()) {
      TERN_ASSIGN_OR_RETURN(const compression::CodecSpec codec, compression::ParseCodec(text));
      if (!codec.NeedsErrorFeedback()) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          "aggregator qfedavg weighs by the loss of the round's model, where codec '", text,
          "' has clients start from their residuals, expected an unbiased codec"));
    }
  }
  if (!aggregation::ReadsUpdatesBack(name)) return absl::OkStatus();
  for (const std::string& text : task.Codecs()) {
    TERN_ASSIGN_OR_RETURN(const compression::CodecSpec codec, compression::ParseCodec(text));
    if (codec.stages.back().name == "zstd") {
      return absl::InvalidArgumentError(
          absl::StrCat("aggregator ", name, " reads updates back by blocks, codec '", text,
                       "' can only be decoded whole; leave out zstd"));
    }
  }
  return absl::OkStatus();
}

// The steps of whole epochs over so many examples, or as many as the plan allows.
int64_t StepsOf(const TrainOptions& train, int64_t num_examples) {
  const int64_t in_epoch = (num_examples - 1) / train.batch_size + 1;
  const auto all = static_cast<double>(in_epoch) * static_cast<double>(train.local_epochs);
  const auto steps = static_cast<int64_t>(std::min(all, 1e15));
  return train.max_local_steps > 0 ? std::min(steps, train.max_local_steps) : steps;
}

}  // namespace

aggregation::AggregatorOptions Task::Aggregator() const {
  aggregation::AggregatorOptions options = aggregator;
  options.client_learning_rate = train.learning_rate;
  options.measure_norms = optimizer.name == "fedexp";
  return options;
}

aggregation::ServerOptimizerOptions Task::Optimizer() const {
  aggregation::ServerOptimizerOptions options = optimizer;
  if (train.method == ClientMethod::kFedDyn) options.alpha = train.proximal_mu;
  return options;
}

absl::Status ValidateStrategy(const Task& task, int64_t num_parameters) {
  TERN_RETURN_IF_ERROR(ValidateRules(task, num_parameters));
  TERN_RETURN_IF_ERROR(ValidateSchedules(task));
  TERN_RETURN_IF_ERROR(ValidateUpdates(task));
  if (task.optimizer.name == "feddyn") TERN_RETURN_IF_ERROR(ValidateFedDyn(task));
  if (aggregation::ReadsUpdatesBack(task.aggregator.name)) {
    TERN_RETURN_IF_ERROR(ValidateRobust(task));
  }
  if (task.aggregator.name == "fednova" && task.train.nesterov) {
    return absl::InvalidArgumentError(
        "aggregator fednova does not know how far nesterov steps go, expected nesterov false");
  }
  if (task.population_size < 0 || task.population_size > kMaxPopulation) {
    return absl::InvalidArgumentError(absl::StrCat("population_size is ", task.population_size,
                                                   ", expected 0 to ", kMaxPopulation));
  }
  if (task.aggregator.name == "fltrust" &&
      (task.root_examples < 1 || task.root_examples > kMaxNumExamples)) {
    return absl::InvalidArgumentError(
        absl::StrCat("root_examples is ", task.root_examples, ", expected 1 to ", kMaxNumExamples));
  }
  return absl::OkStatus();
}

absl::StatusOr<aggregation::UpdateFacts> FactsOf(const Task& task, const TrainOptions& train,
                                                 uint64_t rank, const UpdateReport& report) {
  aggregation::UpdateFacts facts = {.id = rank};
  TERN_ASSIGN_OR_RETURN(facts.weight, WeightOf(task.weights, report));
  const int64_t most_steps = StepsOf(train, report.num_examples);
  if (report.local_steps < 1 || report.local_steps > most_steps) {
    return absl::InvalidArgumentError(
        absl::StrCat("report.local_steps is ", report.local_steps, ", expected 1 to ", most_steps,
                     " of the plan on ", report.num_examples, " examples"));
  }
  if (task.aggregator.name == "fednova") {
    facts.steps_norm = aggregation::FedNovaStepsNorm(report.local_steps, train.momentum,
                                                     train.learning_rate * train.proximal_mu);
  }
  if (!train.measure_start_loss) return facts;
  const auto loss = report.metrics.find(kStartLossMetric);
  if (loss == report.metrics.end() || !(loss->second >= 0.0) || !std::isfinite(loss->second)) {
    return absl::InvalidArgumentError(
        absl::StrCat("report.metrics['", kStartLossMetric, "'] is ",
                     loss == report.metrics.end() ? "missing" : absl::StrCat(loss->second),
                     ", expected finite and 0 or more"));
  }
  facts.start_loss = loss->second;
  return facts;
}

}  // namespace tern::server
