#include "core/train/plan.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/engine/schedule.h"

namespace tern {
namespace {

constexpr int64_t kMaxLocalEpochs = 1000;
constexpr float kMaxLearningRate = 1000.0f;

absl::Status CheckRange(absl::string_view field, int64_t value, int64_t high) {
  if (value >= 1 && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, " is ", value, ", expected 1 to ", high));
}

}  // namespace

absl::Status ValidateTrainOptions(const TrainOptions& options) {
  absl::Status status = CheckRange("local_epochs", options.local_epochs, kMaxLocalEpochs);
  status.Update(CheckRange("batch_size", options.batch_size, kMaxBatchSize));
  if (options.max_local_steps < 0) {
    status.Update(absl::InvalidArgumentError(
        absl::StrCat("max_local_steps is ", options.max_local_steps, ", expected 0 or more")));
  }
  if (!(options.learning_rate > 0.0f && options.learning_rate <= kMaxLearningRate)) {
    status.Update(
        absl::InvalidArgumentError(absl::StrCat("learning_rate is ", options.learning_rate,
                                                ", expected above 0, at most ", kMaxLearningRate)));
  }
  return status;
}

}  // namespace tern
