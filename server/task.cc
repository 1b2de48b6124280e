#include "server/task.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "compression/codec.h"
#include "core/base/status_macros.h"
#include "core/engine/loss.h"
#include "core/engine/trained_parameters.h"
#include "core/model/parameter_layout.h"
#include "core/model/submodel.h"
#include "core/train/trained_coordinates.h"
#include "core/wire/plan_bytes.h"
#include "server/strategy.h"

namespace tern::server {
namespace {

constexpr size_t kMaxNameBytes = 256;
constexpr int64_t kMaxCohort = 1'000'000;
constexpr int64_t kMaxRounds = 1'000'000'000;
constexpr size_t kMaxWidths = 16;
constexpr size_t kMaxCodecs = 16;  // besides codec.up
constexpr size_t kMaxMicroBatchSizes = 16;
// All are tried for a device that none fits.
constexpr size_t kMaxCandidates = 1024;

absl::Status FieldError(absl::string_view field, absl::string_view got,
                        absl::string_view expected) {
  return absl::InvalidArgumentError(
      absl::StrCat("task.", field, " is ", got, ", expected ", expected));
}

absl::Status CheckRange(absl::string_view field, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return FieldError(field, absl::StrCat(value), absl::StrCat(low, " to ", high));
}

// Says which field of the task a message from further down is about.
absl::Status InField(absl::string_view field, const absl::Status& status) {
  if (status.ok()) return status;
  return {status.code(), absl::StrCat("task.", field, ": ", status.message())};
}

absl::Status ValidateRound(const RoundOptions& round) {
  TERN_RETURN_IF_ERROR(CheckRange("round.cohort_size", round.cohort_size, 1, kMaxCohort));
  TERN_RETURN_IF_ERROR(CheckRange("round.min_updates", round.min_updates, 1, round.cohort_size));
  TERN_RETURN_IF_ERROR(CheckRange("round.min_available", round.min_available, 0, kMaxCohort));
  if (!(round.over_selection >= 1.0 && round.over_selection <= 10.0)) {
    return FieldError("round.over_selection", absl::StrCat(round.over_selection), "1 to 10");
  }
  if (round.min_available > 0 && round.min_available < round.min_updates) {
    return FieldError("round.min_available", absl::StrCat(round.min_available),
                      absl::StrCat("at least round.min_updates, which is ", round.min_updates));
  }
  if (round.deadline < absl::Milliseconds(1) || round.deadline > absl::Hours(24 * 30)) {
    return FieldError("round.deadline_s", absl::FormatDuration(round.deadline), "1 ms to 30 days");
  }
  return absl::OkStatus();
}

absl::Status ValidateModel(const Task& task, int64_t num_parameters) {
  const auto given = static_cast<int64_t>(task.initial_parameters.size());
  if (given != 0 && given != num_parameters) {
    return FieldError("model", absl::StrCat("given ", given, " parameters to start from"),
                      absl::StrCat(num_parameters));
  }
  for (const float value : task.initial_parameters) {
    if (!std::isfinite(value)) {
      return FieldError("model", "given a parameter that is not finite", "finite parameters");
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateTrain(const Task& task, const ParameterLayout& layout) {
  const TrainOptions& train = task.train;
  TERN_RETURN_IF_ERROR(InField("train.loss", ValidateLossOptions(train.loss)));
  TERN_RETURN_IF_ERROR(
      InField("train.update", FindTrainedParameters(task.model, layout, train.scope).status()));
  TERN_RETURN_IF_ERROR(
      InField("train.personal",
              FindTrainedCoordinates({.model = task.model, .train = task.train}, layout).status()));
  TERN_RETURN_IF_ERROR(
      InField("train.schedule", aggregation::ValidateSchedule(task.client_schedule)));
  // No kind falls below what it has in the last round.
  const float last =
      train.learning_rate *
      aggregation::ScheduleFactor(task.client_schedule, task.num_rounds, task.num_rounds);
  if (!(last >= std::numeric_limits<float>::min())) {
    return FieldError("train.schedule", absl::StrCat("down to a learning_rate of ", last),
                      "one above 0 in all rounds; raise its floor");
  }
  return InField("train", ValidateTrainOptions(train));
}

absl::Status ValidateCodec(absl::string_view field, const std::string& text, const Task& task) {
  const Plan plan = {.model = task.model, .train = task.train, .codec = text};
  const auto codec = PlanCodec::Make(plan);
  TERN_RETURN_IF_ERROR(InField(field, codec.status()));
  return InField(field, CountPlanBytes(plan, *codec).status());
}

absl::Status ValidateWidths(const Task& task) {
  const std::vector<double>& widths = task.adapt.widths;
  const auto error = [&] {
    return FieldError(
        "adapt.widths", absl::StrCat("[", absl::StrJoin(widths, ", "), "]"),
        absl::StrCat("1 to ", kMaxWidths,
                     " numbers above 0, at most 1, each smaller than the one before"));
  };
  if (widths.empty() || widths.size() > kMaxWidths) return error();
  double last = 2.0;
  for (const double width : widths) {
    if (!(width > 0.0 && width <= 1.0 && width < last)) return error();
    last = width;
    // Where rolling windows agree in the first round and, moved on by one, in the second, they do
    // in all.
    for (const uint64_t round : {1, 2}) {
      TERN_RETURN_IF_ERROR(InField(
          "adapt.widths",
          MakeSubmodel(task.model, {.rule = task.adapt.submodel, .width = width, .round = round})
              .status()));
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateMemory(const Task& task) {
  const AdaptOptions& adapt = task.adapt;
  const std::vector<MemoryMode>& modes = adapt.memory;
  const bool known = std::all_of(modes.begin(), modes.end(), [](MemoryMode mode) {
    return mode == MemoryMode::kFast || mode == MemoryMode::kSmall;
  });
  const bool distinct = modes.size() < 2 || (modes.size() == 2 && modes[0] != modes[1]);
  if (!known || !distinct) {
    const auto number = [](std::string* text, MemoryMode mode) {
      absl::StrAppend(text, static_cast<int32_t>(mode));
    };
    return FieldError("adapt.memory", absl::StrCat("[", absl::StrJoin(modes, ", ", number), "]"),
                      "1 (fast) and 2 (small), each at most once");
  }
  if (adapt.micro_batch_sizes.size() > kMaxMicroBatchSizes) {
    return FieldError("adapt.micro_batch_sizes",
                      absl::StrCat("a list of ", adapt.micro_batch_sizes.size()),
                      absl::StrCat("at most ", kMaxMicroBatchSizes));
  }
  for (const int64_t size : adapt.micro_batch_sizes) {
    TERN_RETURN_IF_ERROR(CheckRange("adapt.micro_batch_sizes", size, 1, task.train.batch_size - 1));
    if (std::count(adapt.micro_batch_sizes.begin(), adapt.micro_batch_sizes.end(), size) > 1) {
      return FieldError("adapt.micro_batch_sizes", absl::StrCat("a list with ", size, " twice"),
                        "each size once");
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateAdapt(const Task& task) {
  const AdaptOptions& adapt = task.adapt;
  TERN_RETURN_IF_ERROR(ValidateWidths(task));
  TERN_RETURN_IF_ERROR(
      CheckRange("adapt.min_batch_size", adapt.min_batch_size, 0, task.train.batch_size));
  TERN_RETURN_IF_ERROR(
      CheckRange("adapt.min_local_steps", adapt.min_local_steps, 0, kMaxNumExamples));
  if (adapt.codecs.size() > kMaxCodecs) {
    return FieldError("adapt.codecs", absl::StrCat("a list of ", adapt.codecs.size()),
                      absl::StrCat("at most ", kMaxCodecs));
  }
  const std::vector<std::string> all_codecs = task.Codecs();
  for (size_t i = 1; i < all_codecs.size(); ++i) {
    TERN_RETURN_IF_ERROR(ValidateCodec("adapt.codecs", all_codecs[i], task));
  }
  TERN_RETURN_IF_ERROR(ValidateMemory(task));
  const size_t codecs = all_codecs.size();
  const size_t trainings = task.Trainings().size();
  if (adapt.widths.size() * codecs * trainings <= kMaxCandidates) return absl::OkStatus();
  return FieldError("adapt",
                    absl::StrCat(adapt.widths.size(), " widths x ", codecs, " codecs x ", trainings,
                                 " kinds of batches"),
                    absl::StrCat("at most ", kMaxCandidates, " plans in all"));
}

}  // namespace

int64_t Task::MaxSelected() const {
  return static_cast<int64_t>(
      std::ceil(static_cast<double>(round.cohort_size) * round.over_selection));
}

std::vector<std::string> Task::Codecs() const {
  std::vector<std::string> codecs = {codec_up};
  codecs.insert(codecs.end(), adapt.codecs.begin(), adapt.codecs.end());
  if (train.scope == UpdateScope() && train.personal.empty()) return codecs;
  for (std::string& codec : codecs) {
    const auto spec = compression::ParseCodec(codec);
    const bool has_mask = !spec.ok() || spec->stages[0].name == "mask";
    if (!has_mask) codec = absl::StrCat("mask|", codec);
  }
  return codecs;
}

std::vector<int64_t> Task::BatchSizes() const {
  std::vector<int64_t> sizes = {train.batch_size};
  while (adapt.min_batch_size > 0 && sizes.back() / 2 >= adapt.min_batch_size) {
    sizes.push_back(sizes.back() / 2);
  }
  return sizes;
}

std::vector<TrainOptions> Task::Trainings() const {
  std::vector<int64_t> micro_batch_sizes = {train.micro_batch_size};
  micro_batch_sizes.insert(micro_batch_sizes.end(), adapt.micro_batch_sizes.begin(),
                           adapt.micro_batch_sizes.end());
  std::vector<MemoryMode> modes = adapt.memory;
  if (modes.empty()) modes = {train.memory};
  std::vector<TrainOptions> trainings;
  for (const int64_t batch_size : BatchSizes()) {
    for (size_t i = 0; i < micro_batch_sizes.size(); ++i) {
      // The batch at once has been tried.
      if (i > 0 && micro_batch_sizes[i] >= batch_size) continue;
      for (const MemoryMode mode : modes) {
        trainings.push_back(train);
        trainings.back().measure_start_loss = aggregator.name == "qfedavg";
        trainings.back().batch_size = batch_size;
        trainings.back().micro_batch_size = std::min(micro_batch_sizes[i], batch_size);
        trainings.back().memory = mode;
      }
    }
  }
  return trainings;
}

int64_t Task::MinAvailable() const {
  return round.min_available > 0 ? round.min_available : round.cohort_size;
}

aggregation::AggregatorLimits Task::Limits(int64_t num_parameters) const {
  int64_t total = 0;
  if (__builtin_mul_overflow(round.cohort_size, MaxWeight(weights, max_num_examples), &total)) {
    total = std::numeric_limits<int64_t>::max();  // which no aggregator takes
  }
  return {.count = num_parameters,
          .max_update_abs = max_update_abs,
          .max_total_weight = total,
          .max_updates = round.cohort_size};
}

absl::Status ValidateTask(const Task& task) {
  if (task.name.empty() || task.name.size() > kMaxNameBytes) {
    return FieldError("name", absl::StrCat("of ", task.name.size(), " bytes"),
                      absl::StrCat("1 to ", kMaxNameBytes));
  }
  TERN_RETURN_IF_ERROR(CheckRange("num_rounds", task.num_rounds, 1, kMaxRounds));
  TERN_RETURN_IF_ERROR(ValidateRound(task.round));
  const auto layout = MakeParameterLayout(task.model);
  TERN_RETURN_IF_ERROR(InField("model", layout.status()));
  TERN_RETURN_IF_ERROR(ValidateModel(task, layout->size));
  TERN_RETURN_IF_ERROR(ValidateTrain(task, *layout));
  TERN_RETURN_IF_ERROR(ValidateCodec("codec.up", task.Codecs()[0], task));
  TERN_RETURN_IF_ERROR(InField("codec.residual", ValidateResidualOptions(task.residual)));
  TERN_RETURN_IF_ERROR(ValidateAdapt(task));
  if (!(task.max_update_abs > 0.0f && task.max_update_abs <= 1e6f)) {
    return FieldError("strategy.max_update_abs", absl::StrCat(task.max_update_abs),
                      "a number above 0, at most 1e6");
  }
  TERN_RETURN_IF_ERROR(
      CheckRange("strategy.max_num_examples", task.max_num_examples, 1, kMaxNumExamples));
  return InField("strategy", ValidateStrategy(task, layout->size));
}

}  // namespace tern::server
