#include "core/train/plan.h"

#include <cmath>

#include "absl/strings/str_cat.h"

namespace tern {
namespace {

constexpr int64_t kMaxLocalEpochs = 1000;
constexpr float kMaxLearningRate = 1000.0f;
constexpr float kMaxCoefficient = 1e6f;

absl::Status CheckRange(absl::string_view field, int64_t value, int64_t high) {
  if (value >= 1 && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, " is ", value, ", expected 1 to ", high));
}

// 0 or a positive coefficient.
absl::Status CheckCoefficient(absl::string_view field, float value) {
  if (value >= 0.0f && value <= kMaxCoefficient) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", value, ", expected 0 (without it) to ", kMaxCoefficient));
}

absl::Status CheckMomentum(const TrainOptions& options) {
  if (!(options.momentum >= 0.0f && options.momentum < 1.0f)) {
    return absl::InvalidArgumentError(absl::StrCat("momentum is ", options.momentum,
                                                   ", expected 0 (without it) or more, below 1"));
  }
  if (options.nesterov && options.momentum == 0.0f) {
    return absl::InvalidArgumentError("nesterov is true, expected a momentum above 0 with it");
  }
  return absl::OkStatus();
}

// More would carry the parameters past what they are pulled to.
absl::Status CheckPenalties(const TrainOptions& options) {
  absl::Status status = CheckCoefficient("weight_decay", options.weight_decay);
  status.Update(CheckCoefficient("proximal_mu", options.proximal_mu));
  const float pull = options.learning_rate * (options.weight_decay + options.proximal_mu);
  if (pull < 1.0f) return status;
  status.Update(absl::InvalidArgumentError(
      absl::StrCat("learning_rate is ", options.learning_rate,
                   ", expected below 1 / (weight_decay + proximal_mu), which is ",
                   1.0f / (options.weight_decay + options.proximal_mu))));
  return status;
}

absl::Status CheckMethod(const TrainOptions& options) {
  const auto number = static_cast<int32_t>(options.method);
  constexpr auto kLast = static_cast<int32_t>(ClientMethod::kFedDyn);
  if (number < 0 || number > kLast) {
    return absl::InvalidArgumentError(
        absl::StrCat("method is ", number, ", expected 0 (sgd) to ", kLast, " (feddyn)"));
  }
  if (options.method == ClientMethod::kFedDyn && options.proximal_mu == 0.0f) {
    return absl::InvalidArgumentError(
        "proximal_mu is 0, expected above 0 with method feddyn, whose alpha it is");
  }
  return absl::OkStatus();
}

absl::Status CheckPersonal(const PersonalScope& personal) {
  const auto layers = static_cast<int64_t>(personal.layers.size());
  if (layers <= kMaxLayers) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("personal.layers has ", layers, " names, expected at most ", kMaxLayers));
}

absl::Status CheckMemory(const TrainOptions& options) {
  absl::Status status;
  if (options.micro_batch_size < 0 || options.micro_batch_size > options.batch_size) {
    status.Update(absl::InvalidArgumentError(
        absl::StrCat("micro_batch_size is ", options.micro_batch_size,
                     ", expected 0 (the batch at once) to the batch_size, ", options.batch_size)));
  }
  if (options.memory != MemoryMode::kFast && options.memory != MemoryMode::kSmall) {
    status.Update(absl::InvalidArgumentError(
        absl::StrCat("memory is ", static_cast<int32_t>(options.memory), ", expected ",
                     static_cast<int32_t>(MemoryMode::kFast), " (fast) or ",
                     static_cast<int32_t>(MemoryMode::kSmall), " (small)")));
  }
  return status;
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
  status.Update(CheckMomentum(options));
  status.Update(CheckPenalties(options));
  status.Update(CheckCoefficient("clip_norm", options.clip_norm));
  status.Update(CheckCoefficient("clip_value", options.clip_value));
  status.Update(CheckMemory(options));
  status.Update(ValidateUpdateScope(options.scope));
  status.Update(ValidateLossOptions(options.loss));
  status.Update(CheckMethod(options));
  status.Update(CheckPersonal(options.personal));
  return status;
}

absl::Status ValidateResidualOptions(const ResidualOptions& options) {
  if (options.format != ResidualFormat::kFloat32 && options.format != ResidualFormat::kBfloat16) {
    return absl::InvalidArgumentError(
        absl::StrCat("format is ", static_cast<int32_t>(options.format), ", expected ",
                     static_cast<int32_t>(ResidualFormat::kFloat32), " (float32) or ",
                     static_cast<int32_t>(ResidualFormat::kBfloat16), " (bfloat16)"));
  }
  if (!(options.decay > 0.0f && options.decay <= 1.0f)) {
    return absl::InvalidArgumentError(
        absl::StrCat("decay is ", options.decay, ", expected above 0, at most 1 (without it)"));
  }
  if (options.max_age < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_age is ", options.max_age, ", expected 0 (without it) or more"));
  }
  return absl::OkStatus();
}

SgdOptions ToSgdOptions(const TrainOptions& options) {
  return {.learning_rate = options.learning_rate,
          .momentum = options.momentum,
          .nesterov = options.nesterov,
          .weight_decay = options.weight_decay,
          .clip_norm = options.clip_norm,
          .clip_value = options.clip_value,
          .proximal_mu = options.proximal_mu};
}

ProgramOptions ToProgramOptions(const TrainOptions& options) {
  return {
      .batch_size = options.micro_batch_size > 0 ? options.micro_batch_size : options.batch_size,
      .memory = options.memory,
      .scope = options.scope,
      .loss = options.loss};
}

}  // namespace tern
