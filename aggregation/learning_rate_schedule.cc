#include "aggregation/learning_rate_schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"

namespace tern::aggregation {
namespace {

constexpr absl::string_view kKinds[] = {"constant", "exponential", "step", "inverse_sqrt",
                                        "cosine"};

template <typename T>
absl::Status OutOfRange(absl::string_view field, T value, absl::string_view expected) {
  return absl::InvalidArgumentError(absl::StrCat(field, " is ", value, ", expected ", expected));
}

double Cosine(double floor, int64_t rounds_before, int64_t rounds) {
  if (rounds <= 0) return 1.0;
  const double share =
      static_cast<double>(std::min(rounds_before, rounds)) / static_cast<double>(rounds);
  return floor + (1.0 - floor) * 0.5 * (1.0 + std::cos(std::numbers::pi * share));
}

}  // namespace

absl::Status ValidateSchedule(const LearningRateSchedule& schedule) {
  if (std::find(std::begin(kKinds), std::end(kKinds), schedule.kind) == std::end(kKinds)) {
    return OutOfRange("kind", absl::StrCat("'", schedule.kind, "'"), absl::StrJoin(kKinds, ", "));
  }
  if (schedule.warmup_rounds < 0) {
    return OutOfRange("warmup_rounds", schedule.warmup_rounds, "0 or more");
  }
  if (!(schedule.decay > 0.0f && schedule.decay <= 1.0f)) {
    return OutOfRange("decay", schedule.decay, "above 0, at most 1");
  }
  if (schedule.every < 1) return OutOfRange("every", schedule.every, "at least 1");
  if (!(schedule.floor >= 0.0f && schedule.floor < 1.0f)) {
    return OutOfRange("floor", schedule.floor, "0 or more, below 1");
  }
  return absl::OkStatus();
}

float ScheduleFactor(const LearningRateSchedule& schedule, int64_t round, int64_t num_rounds) {
  const int64_t warmup = schedule.warmup_rounds;
  if (round <= warmup) {
    return static_cast<float>(static_cast<double>(round) / (static_cast<double>(warmup) + 1.0));
  }
  const int64_t before = round - warmup - 1;
  const double periods = static_cast<double>(before) / static_cast<double>(schedule.every);
  const double floor = schedule.floor;
  double factor = 1.0;
  if (schedule.kind == "exponential") {
    factor = std::pow(static_cast<double>(schedule.decay), periods);
  } else if (schedule.kind == "step") {
    factor = std::pow(static_cast<double>(schedule.decay), std::floor(periods));
  } else if (schedule.kind == "inverse_sqrt") {
    factor = 1.0 / std::sqrt(1.0 + periods);
  } else if (schedule.kind == "cosine") {
    factor = Cosine(floor, before, num_rounds - warmup);
  }
  return static_cast<float>(std::max(factor, floor));
}

}  // namespace tern::aggregation
