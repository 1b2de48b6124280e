#include "server/coordinator.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "compression/frame.h"
#include "core/base/status_macros.h"
#include "core/model/parameter_layout.h"

namespace tern::server {
namespace {

// Room for the metrics in an update's report.
constexpr int64_t kMetricsBytes = 64 * 1024;

// Bounds what invented client ids can cost, at about 200 bytes each.
constexpr size_t kMaxAvailable = 1'000'000;
constexpr absl::Duration kCrowdedRetry = absl::Minutes(10);

}  // namespace

absl::StatusOr<std::unique_ptr<Coordinator>> Coordinator::Create(Task task, Parts parts) {
  TERN_RETURN_IF_ERROR(ValidateTask(task));
  TERN_ASSIGN_OR_RETURN(const ParameterLayout layout, MakeParameterLayout(task.model));
  TERN_ASSIGN_OR_RETURN(Planner planner, Planner::Create(task));
  std::vector<float> parameters = std::move(task.initial_parameters);
  if (parameters.empty()) parameters = InitialParameters(layout, task.seed);
  if (task.aggregator.name == "fltrust" && !parts.reference_update) {
    return absl::FailedPreconditionError(
        "aggregator fltrust takes an update of the coordinator's own, which this one cannot train");
  }
  if (aggregation::ReadsUpdatesBack(task.aggregator.name)) {
    // Found out now rather than with the first update.
    TERN_RETURN_IF_ERROR(RoundJournal::Create(parts.journal_directory).status());
  }
  std::vector<float> control;
  if (task.train.receives_control()) control.resize(parameters.size());
  TERN_ASSIGN_OR_RETURN(std::shared_ptr<const Model> model,
                        MakeModel(0, std::move(parameters), std::move(control)));
  std::unique_ptr<Coordinator> coordinator(
      new Coordinator(std::move(task), std::move(parts), std::move(planner), layout));
  MutexLock lock(coordinator->mutex_);
  coordinator->model_ = std::move(model);
  return coordinator;
}

Coordinator::Coordinator(Task task, Parts parts, Planner planner, const ParameterLayout& layout)
    : task_(std::move(task)),
      parts_(std::move(parts)),
      planner_(std::move(planner)),
      max_update_bytes_(planner_.MaxUpdateBytes() + kMetricsBytes),
      validator_(task_.Codecs(), {.max_abs_value = task_.max_update_abs,
                                  .max_num_examples = task_.max_num_examples}),
      accumulators_(task_.Aggregator(), task_.Limits(layout.size)),
      controls_(aggregation::AggregatorOptions(), task_.Limits(layout.size)),
      optimizer_(*aggregation::MakeServerOptimizer(task_.Optimizer())),
      pace_(task_.seed, parts_.clock->Now(), task_.round.deadline / 4) {}

std::variant<PlanChoice, Refusal> Coordinator::ChoosePlan(const CheckInRequest& request) const {
  if (request.min_protocol_version > kProtocolVersion ||
      request.max_protocol_version < kProtocolVersion) {
    return Refusal{.reason = RefusalReason::kUnsupportedProtocol,
                   .message = absl::StrCat(
                       "the device speaks protocol versions ", request.min_protocol_version, " to ",
                       request.max_protocol_version, ", this coordinator version ",
                       kProtocolVersion, "; update the older of the two")};
  }
  if (const absl::Status id = ValidateClientId(request.client_id); !id.ok()) {
    return Refusal{.reason = RefusalReason::kInvalidIdentity, .message = std::string(id.message())};
  }
  if (request.num_examples < 1) {
    return Refusal{.reason = RefusalReason::kNoExamples,
                   .message = absl::StrCat("the device holds ", request.num_examples,
                                           " examples, a client needs at least 1")};
  }
  return planner_.Choose(request);
}

CheckInReply Coordinator::CheckIn(const CheckInRequest& request) {
  std::variant<PlanChoice, Refusal> plan = ChoosePlan(request);
  MutexLock lock(mutex_);
  if (auto* refusal = std::get_if<Refusal>(&plan)) {
    // It may have been able to before, with a fuller battery.
    available_.erase(request.client_id);
    Member* member = round_ == nullptr ? nullptr : round_->FindClient(request.client_id);
    if (member != nullptr &&
        (member->state == LeaseState::kSelected || member->state == LeaseState::kGranted)) {
      round_->SetState(*member, LeaseState::kFailed);
      CloseRoundIfDue();
    }
    return *std::move(refusal);
  }
  CloseRoundIfDue();
  if (rounds_closed_ == task_.num_rounds) {
    available_.erase(request.client_id);
    return TaskFinished{.task = task_.name, .num_rounds = static_cast<uint64_t>(rounds_closed_)};
  }
  if (draining_) {
    return Refusal{.reason = RefusalReason::kShuttingDown,
                   .message = "the coordinator is being stopped"};
  }
  if (available_.size() >= kMaxAvailable && !available_.contains(request.client_id)) {
    return ComeBack{.retry_after = kCrowdedRetry,
                    .reason = absl::StrCat("the task has all of the ", kMaxAvailable,
                                           " devices that it can keep track of")};
  }
  available_.try_emplace(request.client_id, parts_.clock->Now());
  OpenRoundIfPossible();
  return AnswerInRound(request, std::get<PlanChoice>(std::move(plan)));
}

CheckInReply Coordinator::AnswerInRound(const CheckInRequest& request, PlanChoice plan) {
  if (round_ == nullptr) {
    return ComeBack{.retry_after = RetryAfter(request.client_id),
                    .reason = absl::StrCat("waiting for devices: ", available_.size(), " of ",
                                           task_.MinAvailable(), " are here")};
  }
  Member* member = round_->FindClient(request.client_id);
  if (member == nullptr) {
    return ComeBack{.retry_after = RetryAfter(request.client_id),
                    .reason = absl::StrCat("not selected for round ", round_->number())};
  }
  const bool settled =
      member->state != LeaseState::kSelected && member->state != LeaseState::kGranted;
  if (settled || parts_.clock->Now() >= round_->deadline) {
    return ComeBack{.retry_after = RetryAfter(request.client_id),
                    .reason = absl::StrCat("done with round ", round_->number())};
  }
  if (member->state == LeaseState::kSelected) {
    round_->SetState(*member, LeaseState::kGranted);
    member->granted_at = parts_.clock->Now();
    member->leased = round_->Leased(task_.model, task_.adapt.submodel, plan.width);
    member->plan = std::move(plan);
    member->plan.train.learning_rate *= aggregation::ScheduleFactor(
        task_.client_schedule, static_cast<int64_t>(round_->number()), task_.num_rounds);
    pace_.LeaseGranted(member->granted_at);
  }
  Lease lease = MakeLease(*round_, *member);
  if (member->codec == nullptr) member->codec = round_->CodecOf(lease.plan);
  return lease;
}

Lease Coordinator::MakeLease(const Round& round, const Member& member) const {
  const LeasedModel& leased = *member.leased;
  return {.lease_id = member.lease_id,
          .task = task_.name,
          .plan = {.model = leased.spec,
                   .train = member.plan.train,
                   .codec = member.plan.codec,
                   .seed = task_.seed,
                   .round = round.number(),
                   .submodel = leased.submodel,
                   .error_feedback = member.plan.error_feedback,
                   .residual = member.plan.error_feedback ? task_.residual : ResidualOptions()},
          .model_version = leased.model->version,
          .base_hash = leased.model->hash,
          .model_bytes = static_cast<int64_t>(leased.model->frame.size()),
          .deadline = round.deadline - parts_.clock->Now()};
}

absl::Duration Coordinator::RetryAfter(const std::string& client_id) {
  if (rounds_closed_ == task_.num_rounds) return absl::ZeroDuration();
  const Member* member = round_ == nullptr ? nullptr : round_->FindClient(client_id);
  const bool has_lease_waiting = member != nullptr && member->state == LeaseState::kSelected;
  const absl::Duration now = parts_.clock->Now();
  const absl::Duration wait = has_lease_waiting ? absl::ZeroDuration() : pace_.RetryAfter(now);
  const auto device = available_.find(client_id);
  if (device != available_.end()) device->second = now + wait;
  return wait;
}

void Coordinator::Tick() {
  MutexLock lock(mutex_);
  CloseRoundIfDue();
}

void Coordinator::Drain() {
  MutexLock lock(mutex_);
  draining_ = true;
}

void Coordinator::CountTraffic(const Traffic& traffic) {
  MutexLock lock(mutex_);
  traffic_ += traffic;
}

bool Coordinator::finished() const {
  MutexLock lock(mutex_);
  return rounds_closed_ == task_.num_rounds;
}

std::optional<absl::Duration> Coordinator::LastArrival() const {
  MutexLock lock(mutex_);
  std::optional<absl::Duration> last;
  for (const auto& [client_id, expected_at] : available_) {
    last = std::max(last.value_or(expected_at), expected_at);
  }
  return last;
}

uint64_t Coordinator::open_round() const {
  MutexLock lock(mutex_);
  return round_ == nullptr ? 0 : round_->number();
}

std::optional<absl::Duration> Coordinator::deadline() const {
  MutexLock lock(mutex_);
  if (round_ == nullptr) return std::nullopt;
  return round_->deadline;
}

std::shared_ptr<const Model> Coordinator::model() const {
  MutexLock lock(mutex_);
  return model_;
}

Traffic Coordinator::total_traffic() const {
  MutexLock lock(mutex_);
  return traffic_;
}

std::vector<std::string> Coordinator::cohort() const {
  MutexLock lock(mutex_);
  std::vector<std::string> ids;
  if (round_ == nullptr) return ids;
  for (const Member& member : round_->members()) ids.push_back(member.client_id);
  return ids;
}

}  // namespace tern::server
