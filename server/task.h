// A training job: model, plan and policy. Plain data, checked once when the job is created.
#ifndef TERN_SERVER_TASK_H_
#define TERN_SERVER_TASK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "aggregation/aggregator.h"
#include "aggregation/learning_rate_schedule.h"
#include "aggregation/server_optimizer.h"
#include "core/model/model_spec.h"
#include "core/model/submodel.h"
#include "core/train/plan.h"
#include "server/update_weight.h"

namespace tern::server {

// Of one client, at most: whatever a task allows.
inline constexpr int64_t kMaxNumExamples = int64_t{1} << 40;

struct RoundOptions {
  int64_t cohort_size = 10;     // updates that close a round
  double over_selection = 1.0;  // clients asked for each update wanted
  int64_t min_updates = 1;      // fewer at the deadline: the round changes nothing
  int64_t min_available = 0;    // devices that open a round; 0: cohort_size
  absl::Duration deadline = absl::Seconds(600);
};

// How far a plan may be cut down for a device; see Planner.
struct AdaptOptions {
  std::vector<double> widths = {1.0};  // shares of the hidden channels, descending, above 0
  SubmodelRule submodel = SubmodelRule::kHeteroFl;
  int64_t min_batch_size = 0;              // halved down to this; 0: train.batch_size is fixed
  int64_t min_local_steps = 0;             // 0: whole epochs only
  std::vector<std::string> codecs;         // tried after codec_up
  std::vector<MemoryMode> memory;          // tried in this order; empty: train.memory
  std::vector<int64_t> micro_batch_sizes;  // tried after train.micro_batch_size
};

struct Task {
  std::string name = "task";
  ModelSpec model;
  std::vector<float> initial_parameters;  // empty: InitialParameters(seed)
  uint64_t seed = 1;
  int64_t num_rounds = 20;
  TrainOptions train;
  std::string codec_up = "none";
  bool error_feedback = true;  // for codecs that are biased
  ResidualOptions residual;
  AdaptOptions adapt;
  aggregation::LearningRateSchedule client_schedule;  // of train.learning_rate
  aggregation::AggregatorOptions aggregator;          // completed by Aggregator()
  aggregation::ServerOptimizerOptions optimizer;      // completed by Optimizer()
  aggregation::LearningRateSchedule server_schedule;  // of optimizer.learning_rate
  WeightOptions weights;
  float max_update_abs = 16.0f;
  int64_t max_num_examples = 1000000;  // of one client
  // Clients in all, a share of which takes part in a round: for FedDyn and SCAFFOLD. 0: those that
  // are there when it opens.
  int64_t population_size = 0;
  int64_t root_examples = 100;  // fltrust: that the coordinator trains on itself
  RoundOptions round;

  // Clients selected for a round, at most: cohort_size times over_selection, rounded up.
  int64_t MaxSelected() const;
  // codec_up and those of adapt. Where a part of the model is trained or sent, behind `mask`: some
  // codecs would change what is not.
  std::vector<std::string> Codecs() const;
  // train.batch_size, and halves of it down to adapt.min_batch_size.
  std::vector<int64_t> BatchSizes() const;
  // With what they take from the rest of the task.
  aggregation::AggregatorOptions Aggregator() const;
  aggregation::ServerOptimizerOptions Optimizer() const;
  // `train`, cut down for less memory in every way that adapt allows, in the order in which a
  // device's plan is looked for: by batch size, then micro-batch size, then memory mode. A
  // micro-batch is at most the batch.
  std::vector<TrainOptions> Trainings() const;
  // Devices that must have checked in before a round opens.
  int64_t MinAvailable() const;
  aggregation::AggregatorLimits Limits(int64_t num_parameters) const;
};

// INVALID_ARGUMENT: names the field as it stands in a configuration file, its value,
// and what was expected. Checks everything that a task can be wrong in, sums that could overflow
// included.
absl::Status ValidateTask(const Task& task);

}  // namespace tern::server

#endif  // TERN_SERVER_TASK_H_
