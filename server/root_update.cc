#include "server/root_update.h"

#include <memory>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "aggregation/learning_rate_schedule.h"
#include "core/base/random.h"
#include "core/base/status_macros.h"
#include "core/train/engine_trainer.h"

namespace tern::server {
namespace {

constexpr char kClientId[] = "coordinator";

class RootTrainer {
 public:
  RootTrainer(const Task& task, const Dataset* dataset, std::vector<int32_t> examples)
      : schedule_(task.client_schedule),
        num_rounds_(task.num_rounds),
        plan_({.model = task.model, .train = task.train, .seed = task.seed}),
        dataset_(dataset),
        examples_(std::move(examples)) {
    plan_.train.method = ClientMethod::kSgd;
    plan_.train.personal = {};
  }

  absl::StatusOr<std::vector<float>> Train(const Model& model, uint64_t round) {
    Plan plan = plan_;
    plan.round = round;
    plan.train.learning_rate *=
        aggregation::ScheduleFactor(schedule_, static_cast<int64_t>(round), num_rounds_);
    std::vector<float> update = model.parameters;
    TERN_RETURN_IF_ERROR(trainer_
                             .Train(plan, HashClientId(kClientId), DatasetView(dataset_, examples_),
                                    absl::MakeSpan(update), {})
                             .status());
    for (size_t i = 0; i < update.size(); ++i) update[i] -= model.parameters[i];
    return update;
  }

 private:
  const aggregation::LearningRateSchedule schedule_;
  const int64_t num_rounds_;
  Plan plan_;
  const Dataset* dataset_;
  const std::vector<int32_t> examples_;
  EngineTrainer trainer_;
};

}  // namespace

absl::StatusOr<RootUpdate> MakeRootUpdate(const Task& task, const Dataset* dataset) {
  if (task.root_examples > dataset->size()) {
    return absl::InvalidArgumentError(absl::StrCat("task.strategy.root_examples is ",
                                                   task.root_examples, ", expected at most the ",
                                                   dataset->size(), " examples that there are"));
  }
  std::vector<int32_t> examples(static_cast<size_t>(dataset->size()));
  std::iota(examples.begin(), examples.end(), 0);
  RandomStream random(
      {.seed = task.seed, .client = HashClientId(kClientId), .purpose = RandomPurpose::kPartition});
  random.Shuffle(absl::MakeSpan(examples));
  examples.resize(static_cast<size_t>(task.root_examples));
  examples.shrink_to_fit();
  // std::function wants what can be copied.
  auto trainer = std::make_shared<RootTrainer>(task, dataset, std::move(examples));
  return RootUpdate(
      [trainer](const Model& model, uint64_t round) { return trainer->Train(model, round); });
}

}  // namespace tern::server
