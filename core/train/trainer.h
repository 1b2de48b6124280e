// Local training. A Trainer has one verb: train a plan on a dataset, and say what that took.
#ifndef TERN_CORE_TRAIN_TRAINER_H_
#define TERN_CORE_TRAIN_TRAINER_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/data/dataset.h"
#include "core/train/plan.h"

namespace tern {

// Metrics that a coordinator may weight updates by: the loss of the round's model on the client's
// examples, and what an application says its update counts for.
inline constexpr char kStartLossMetric[] = "start_loss";
inline constexpr char kWeightMetric[] = "weight";

// What was measured while a plan was trained.
struct TrainReport {
  int64_t num_examples = 0;  // of the dataset
  int64_t local_steps = 0;
  double train_loss = 0.0;  // mean over all steps, without a proximal term
  // Named numbers for the coordinator: kStartLossMetric where the plan measures it. A trainer of an
  // application's own may add others, as kWeightMetric.
  std::map<std::string, double> metrics;
  int64_t train_bytes = 0;  // the parameters, and the memory that the trainer holds
};

class Trainer {
 public:
  virtual ~Trainer() = default;

  // Takes all the memory that training `plan` on `num_examples` examples needs, and lets go of what
  // it does not need first; Train takes no more then. Errors as those of Train for the plan alone;
  // RESOURCE_EXHAUSTED: there is not enough memory. A trainer without memory of its own has nothing
  // to do.
  virtual absl::Status Prepare(const Plan& /*plan*/, int64_t /*num_examples*/) {
    return absl::OkStatus();
  }

  // Trains `parameters` (in: the round's model; out: trained) on all of `dataset`. `client` is
  // HashClientId of the client's id; with the plan's seed and round it keys the order of the
  // batches. `control`: empty, or with plan.train.has_control() as long as the parameters: in: what
  // is added to every gradient; out: with kScaffoldGradient the gradient of the mean loss at the
  // parameters as they came, 0 where nothing is trained; else of no use. INVALID_ARGUMENT: the plan
  // cannot be executed, or dataset and model do not fit each other. ABORTED: training diverged (the
  // loss or a parameter is not finite; the step is named). After an error neither is of use. One
  // call at a time per Trainer.
  virtual absl::StatusOr<TrainReport> Train(const Plan& plan, uint64_t client,
                                            const Dataset& dataset, absl::Span<float> parameters,
                                            absl::Span<float> control) = 0;
};

}  // namespace tern

#endif  // TERN_CORE_TRAIN_TRAINER_H_
