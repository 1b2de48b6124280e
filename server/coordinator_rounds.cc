// When rounds open and close, and what comes of them.
#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"
#include "server/coordinator.h"

namespace tern::server {

void Coordinator::OpenRoundIfPossible() {
  if (round_ != nullptr || draining_ || rounds_closed_ == task_.num_rounds ||
      static_cast<int64_t>(available_.size()) < task_.MinAvailable()) {
    return;
  }
  const uint64_t number = static_cast<uint64_t>(rounds_closed_) + 1;
  const absl::Duration now = parts_.clock->Now();
  std::vector<std::string> ids;
  ids.reserve(available_.size());
  for (const auto& [client_id, expected_at] : available_) ids.push_back(client_id);
  round_ = std::make_unique<Round>(number, model_,
                                   DrawCohort(task_.seed, number, ids, task_.MaxSelected()),
                                   parts_.lease_secret);
  round_->opened_at = now;
  round_->deadline = now + task_.round.deadline;
  round_->clients_available = static_cast<int64_t>(ids.size());
  absl::Duration last_arrival;
  for (const Member& member : round_->members()) {
    last_arrival = std::max(last_arrival, available_.at(member.client_id));
  }
  pace_.RoundOpened(now, last_arrival);
}

void Coordinator::CloseRoundIfDue() {
  if (round_ == nullptr || round_->Count(LeaseState::kAccumulating) > 0) return;
  if (round_->Count(LeaseState::kAccepted) >= task_.round.cohort_size) {
    CloseRound("not_needed");
  } else if (round_->AllSettled()) {
    CloseRound("failed");
  } else if (parts_.clock->Now() >= round_->deadline) {
    // A device that let its lease lapse without a word is not selected again until it checks in.
    for (const Member& member : round_->members()) {
      if (member.state == LeaseState::kSelected || member.state == LeaseState::kGranted) {
        available_.erase(member.client_id);
      }
    }
    CloseRound("late");
  }
}

void Coordinator::CloseRound(absl::string_view unsettled_reason) {
  RoundRecord record;
  round_->Summarize(unsettled_reason, record);
  TakeControls(record);
  absl::StatusOr<std::shared_ptr<const Model>> next = NextModel(record);
  accumulators_.Clear();
  controls_.Clear();
  journal_.reset();
  if (next.ok()) {
    model_ = *std::move(next);
    record.changed_model = true;
  } else {
    record.note = std::string(next.status().message());
  }
  const absl::Duration now = parts_.clock->Now();
  record.duration = now - round_->opened_at;
  record.closed_at = now;
  record.model = model_;
  record.traffic = traffic_ - traffic_at_last_close_;
  traffic_at_last_close_ = traffic_;
  previous_ = std::move(round_);
  ++rounds_closed_;
  pace_.RoundClosed(now);
  if (parts_.observer != nullptr) parts_.observer->OnRoundClosed(record);
  OpenRoundIfPossible();
}

absl::StatusOr<std::shared_ptr<const Model>> Coordinator::NextModel(const RoundRecord& record) {
  const int64_t updates = record.clients_completed;
  if (updates < task_.round.min_updates) {
    return absl::FailedPreconditionError(absl::StrCat(
        "only ", updates, " of the ", task_.round.min_updates, " updates needed arrived"));
  }
  TERN_ASSIGN_OR_RETURN(aggregation::Aggregate aggregate, ReportUpdates());
  std::vector<float> parameters = model_->parameters;
  TERN_RETURN_IF_ERROR(optimizer_->Apply(
      absl::MakeSpan(parameters),
      {.aggregate = aggregate.values,
       .mean_squared_norm = aggregate.mean_squared_norm,
       .participation = Participation(record),
       .learning_rate_factor = aggregation::ScheduleFactor(
           task_.server_schedule, static_cast<int64_t>(record.round), task_.num_rounds)}));
  if (task_.aggregator.name == "centered_clip") aggregate_ = std::move(aggregate.values);
  return MakeModel(model_->version + 1, std::move(parameters), model_->control);
}

double Coordinator::Participation(const RoundRecord& record) const {
  const int64_t population =
      task_.population_size > 0 ? task_.population_size : record.clients_available;
  return std::min(1.0,
                  static_cast<double>(record.clients_completed) / static_cast<double>(population));
}

absl::StatusOr<aggregation::Aggregate> Coordinator::ReportUpdates() {
  std::vector<float> reference;
  if (task_.aggregator.name == "fltrust") {
    TERN_ASSIGN_OR_RETURN(reference, parts_.reference_update(*model_, round_->number()));
  }
  return accumulators_.Report({.previous = aggregate_, .reference = reference});
}

void Coordinator::TakeControls(const RoundRecord& record) {
  if (model_->control.empty() || record.clients_completed == 0) return;
  const absl::StatusOr<aggregation::Aggregate> change = controls_.Report({});
  TERN_CHECK(change.ok());
  std::vector<float> control = model_->control;
  const auto share = static_cast<float>(Participation(record));
  for (size_t i = 0; i < control.size(); ++i) control[i] += share * change->values[i];
  absl::StatusOr<std::shared_ptr<const Model>> next =
      MakeModel(model_->version, model_->parameters, std::move(control));
  // Sums of what is bounded: they would have to grow for very long.
  if (next.ok()) model_ = *std::move(next);
}

}  // namespace tern::server
