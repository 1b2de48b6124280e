#include "client/control_variate.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "client/stored_vector.h"
#include "core/base/status_macros.h"

namespace tern::client {
namespace {

// However old it is: the coordinator counts on it.
absl::Status AddKept(const Lease& lease, float factor, DeviceState& state,
                     absl::Span<float> control) {
  const auto at_any_age = [factor](uint64_t) { return factor; };
  return AddStoredVector(kStoredControl, lease, at_any_age, state, control).status();
}

}  // namespace

absl::Status BeginControl(const Lease& lease, const FetchedModel& model, DeviceState& state,
                          absl::Span<float> control) {
  const bool is_scaffold = lease.plan.train.receives_control();
  const auto fill_without_kept = [&] {
    if (is_scaffold) {
      model.CopyControl(control);
    } else {
      std::fill(control.begin(), control.end(), 0.0f);
    }
  };
  fill_without_kept();
  const absl::Status added = AddKept(lease, is_scaffold ? -1.0f : 1.0f, state, control);
  if (!added.ok()) fill_without_kept();
  return added;
}

absl::Status ControlOfSteps(const Lease& lease, const FetchedModel& model,
                            const TrainReport& report, absl::Span<const float> trained,
                            absl::Span<float> control) {
  if (report.local_steps < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("the trainer reports ", report.local_steps,
                     " steps, expected at least 1 with method scaffold, which divides by them"));
  }
  const double length =
      static_cast<double>(report.local_steps) * static_cast<double>(lease.plan.train.learning_rate);
  const auto scale = static_cast<float>(1.0 / length);
  for (size_t i = 0; i < control.size(); ++i) control[i] = (control[i] - trained[i]) * scale;
  model.SubtractControl(control);
  return absl::OkStatus();
}

absl::Status ControlOfGradient(const Lease& lease, DeviceState& state, absl::Span<float> control) {
  return AddKept(lease, -1.0f, state, control);
}

absl::Status CommitControl(const Lease& lease, bool restart, absl::Span<float> control,
                           std::string& buffer, DeviceState& state) {
  if (lease.plan.train.method == ClientMethod::kFedDyn) {
    for (float& value : control) value *= lease.plan.train.proximal_mu;
  }
  if (!restart) TERN_RETURN_IF_ERROR(AddKept(lease, 1.0f, state, control));
  if (!std::all_of(control.begin(), control.end(), [](float c) { return std::isfinite(c); })) {
    return absl::OutOfRangeError("it would not be finite");
  }
  return WriteStoredVector(kStoredControl, lease, control, ResidualFormat::kFloat32, buffer, state);
}

}  // namespace tern::client
