#include "server/coordinator.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "compression/frame.h"
#include "core/base/crc32c.h"
#include "core/base/status_macros.h"
#include "core/model/parameter_layout.h"
#include "server/device_cost.h"

namespace tern::server {
namespace {

// Room for everything in an update but its frame.
constexpr int64_t kUpdateEnvelopeBytes = 64 * 1024;
// Bounds what invented client ids can cost, at about 200 bytes each.
constexpr size_t kMaxAvailable = 1'000'000;
constexpr absl::Duration kCrowdedRetry = absl::Minutes(10);

}  // namespace

absl::StatusOr<std::unique_ptr<Coordinator>> Coordinator::Create(Task task, Parts parts) {
  TERN_RETURN_IF_ERROR(ValidateTask(task));
  TERN_ASSIGN_OR_RETURN(const ParameterLayout layout, MakeParameterLayout(task.model));
  TERN_ASSIGN_OR_RETURN(
      const Cost cost,
      DeviceCost({.model = task.model, .train = task.train, .codec = task.codec_up}, 0));
  std::vector<float> parameters = std::move(task.initial_parameters);
  if (parameters.empty()) parameters = InitialParameters(layout, task.seed);
  TERN_ASSIGN_OR_RETURN(std::shared_ptr<const Model> model, MakeModel(0, std::move(parameters)));
  std::unique_ptr<Coordinator> coordinator(
      new Coordinator(std::move(task), std::move(parts), layout, cost));
  MutexLock lock(coordinator->mutex_);
  coordinator->model_ = std::move(model);
  return coordinator;
}

Coordinator::Coordinator(Task task, Parts parts, const ParameterLayout& layout, const Cost& cost)
    : task_(std::move(task)),
      parts_(std::move(parts)),
      cost_(cost),
      max_update_bytes_(compression::MakeEncoder(*compression::ParseCodec(task_.codec_up))
                            ->MaxEncodedBytes(layout.size) +
                        compression::kFrameHeaderBytes + kUpdateEnvelopeBytes),
      validator_(task_.codec_up,
                 {.decode = {.count = layout.size, .max_abs_value = task_.max_update_abs},
                  .max_num_examples = task_.max_num_examples}),
      accumulators_(task_.aggregator, task_.Limits(layout.size)),
      optimizer_(*aggregation::MakeServerOptimizer(task_.optimizer)),
      pace_(task_.seed, parts_.clock->Now(), task_.round.deadline / 4) {}

std::optional<Refusal> Coordinator::Refuse(const CheckInRequest& request) const {
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
  return RefuseCapabilities(request, task_.model, task_.codec_up, cost_);
}

CheckInReply Coordinator::CheckIn(const CheckInRequest& request) {
  if (std::optional<Refusal> refusal = Refuse(request)) return *std::move(refusal);
  MutexLock lock(mutex_);
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
    pace_.LeaseGranted(member->granted_at);
  }
  return MakeLease(*round_, *member);
}

Lease Coordinator::MakeLease(const Round& round, const Member& member) const {
  return {.lease_id = member.lease_id,
          .task = task_.name,
          .plan = {.model = task_.model,
                   .train = task_.train,
                   .codec = task_.codec_up,
                   .seed = task_.seed,
                   .round = round.number()},
          .model_version = round.base()->version,
          .base_hash = round.base()->hash,
          .model_bytes = static_cast<int64_t>(round.base()->frame.size()),
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

absl::StatusOr<Member*> Coordinator::FindOpenLease(absl::string_view lease_id) {
  if (round_ != nullptr) {
    if (Member* member = round_->FindLease(lease_id)) return member;
  }
  if (previous_ != nullptr && previous_->FindLease(lease_id) != nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("round ", previous_->number(), " is closed; check in again"));
  }
  return absl::NotFoundError("no such lease, or one of a round long closed; check in again");
}

absl::StatusOr<std::shared_ptr<const Model>> Coordinator::FetchModel(absl::string_view lease_id) {
  MutexLock lock(mutex_);
  CloseRoundIfDue();
  TERN_ASSIGN_OR_RETURN(Member * member, FindOpenLease(lease_id));
  // A download that goes on after a break is no second one.
  if (!member->fetched) ++round_->models_fetched;
  member->fetched = true;
  return round_->base();
}

std::optional<absl::StatusOr<SubmitUpdateReply>> Coordinator::AnswerKnown(
    absl::string_view lease_id, uint32_t digest, int64_t bytes) {
  Member* member = nullptr;
  uint64_t round = 0;
  for (Round* candidate : {round_.get(), previous_.get()}) {
    if (candidate == nullptr || member != nullptr) continue;
    member = candidate->FindLease(lease_id);
    round = candidate->number();
  }
  if (member != nullptr && member->state == LeaseState::kAccepted) {
    if (member->digest == digest && member->bytes == bytes) {
      return SubmitUpdateReply{.round = round, .retry_after = RetryAfter(member->client_id)};
    }
    return absl::AlreadyExistsError(
        "this lease was used for another update; the first one stays, check in again");
  }
  const absl::Status may_upload = CheckOpenLease(lease_id);
  if (!may_upload.ok()) return may_upload;
  if (member->state == LeaseState::kAccumulating) {
    return absl::UnavailableError("an upload under this lease is being added; try again");
  }
  return std::nullopt;
}

absl::Status Coordinator::CheckOpenLease(absl::string_view lease_id) {
  TERN_ASSIGN_OR_RETURN(const Member* member, FindOpenLease(lease_id));
  if (member->state == LeaseState::kFailed) {
    return absl::FailedPreconditionError("this lease was given back; check in again");
  }
  // The round may still be open then, for an update that is being added.
  const bool came_in_time =
      member->state == LeaseState::kAccumulating || member->state == LeaseState::kAccepted;
  if (!came_in_time && parts_.clock->Now() >= round_->deadline) {
    return absl::FailedPreconditionError(
        absl::StrCat("the deadline of round ", round_->number(), " has passed; check in again"));
  }
  return absl::OkStatus();
}

absl::Status Coordinator::MayUpload(absl::string_view lease_id) {
  MutexLock lock(mutex_);
  CloseRoundIfDue();
  if (previous_ != nullptr) {
    const Member* member = previous_->FindLease(lease_id);
    if (member != nullptr && member->state == LeaseState::kAccepted) return absl::OkStatus();
  }
  return CheckOpenLease(lease_id);
}

absl::StatusOr<SubmitUpdateReply> Coordinator::SubmitUpdate(absl::string_view lease_id,
                                                            absl::string_view update) {
  const uint32_t digest = Crc32c(update);
  const auto bytes = static_cast<int64_t>(update.size());
  LeaseTerms terms{.lease_id = std::string(lease_id)};
  {
    MutexLock lock(mutex_);
    CloseRoundIfDue();
    if (auto answer = AnswerKnown(lease_id, digest, bytes)) return *std::move(answer);
    terms.base_hash = round_->base()->hash;
    terms.model_version = round_->base()->version;
  }
  absl::StatusOr<ValidatedUpdate> validated = validator_.Validate(update, terms);
  AccumulatorPool::Loan aggregator = accumulators_.Take();
  {
    MutexLock lock(mutex_);
    CloseRoundIfDue();
    if (auto answer = AnswerKnown(lease_id, digest, bytes)) return *std::move(answer);
    if (!validated.ok()) {
      ++round_->updates_rejected;
      return validated.status();
    }
    if (round_->Count(LeaseState::kAccepted) + round_->Count(LeaseState::kAccumulating) >=
        task_.round.cohort_size) {
      return absl::FailedPreconditionError(
          absl::StrCat("round ", round_->number(), " has all the updates it wanted"));
    }
    round_->SetState(*round_->FindLease(lease_id), LeaseState::kAccumulating);
  }
  // The round cannot close while a lease is accumulating, and nothing below can fail.
  aggregator->Accumulate(validator_.decoder(), validated->payload(),
                         validated->update.report.num_examples, nullptr);
  accumulators_.Return(std::move(aggregator));
  MutexLock lock(mutex_);
  Member* member = round_->FindLease(lease_id);
  round_->SetState(*member, LeaseState::kAccepted);
  member->digest = digest;
  member->bytes = bytes;
  member->report = std::move(validated->update.report);
  pace_.UpdateAccepted(parts_.clock->Now() - member->granted_at);
  const std::string client_id = member->client_id;
  SubmitUpdateReply reply{.round = round_->number()};
  CloseRoundIfDue();
  reply.retry_after = RetryAfter(client_id);
  return reply;
}

absl::StatusOr<ReportFailureReply> Coordinator::ReportFailure(const ReportFailureRequest& request) {
  MutexLock lock(mutex_);
  CloseRoundIfDue();
  TERN_ASSIGN_OR_RETURN(Member * member, FindOpenLease(request.lease_id));
  if (member->state == LeaseState::kSelected || member->state == LeaseState::kGranted) {
    round_->SetState(*member, LeaseState::kFailed);
  }
  const std::string client_id = member->client_id;
  CloseRoundIfDue();
  return ReportFailureReply{.retry_after = RetryAfter(client_id)};
}

void Coordinator::Tick() {
  MutexLock lock(mutex_);
  CloseRoundIfDue();
}

void Coordinator::Drain() {
  MutexLock lock(mutex_);
  draining_ = true;
}

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
  absl::StatusOr<std::shared_ptr<const Model>> next = NextModel(record.clients_completed);
  accumulators_.Clear();
  if (next.ok()) {
    model_ = *std::move(next);
    record.changed_model = true;
  } else {
    record.note = std::string(next.status().message());
  }
  const absl::Duration now = parts_.clock->Now();
  record.duration = now - round_->opened_at;
  record.model = model_;
  record.traffic = traffic_ - traffic_at_last_close_;
  traffic_at_last_close_ = traffic_;
  previous_ = std::move(round_);
  ++rounds_closed_;
  pace_.RoundClosed(now);
  if (parts_.observer != nullptr) parts_.observer->OnRoundClosed(record);
  OpenRoundIfPossible();
}

absl::StatusOr<std::shared_ptr<const Model>> Coordinator::NextModel(int64_t updates) {
  if (updates < task_.round.min_updates) {
    return absl::FailedPreconditionError(absl::StrCat(
        "only ", updates, " of the ", task_.round.min_updates, " updates needed arrived"));
  }
  TERN_ASSIGN_OR_RETURN(const std::vector<float> aggregate, accumulators_.Report());
  std::vector<float> parameters = model_->parameters;
  optimizer_->Apply(absl::MakeSpan(parameters), aggregate);
  if (!std::all_of(parameters.begin(), parameters.end(),
                   [](float value) { return std::isfinite(value); })) {
    return absl::FailedPreconditionError(
        "the step makes parameters that are not finite; lower strategy.learning_rate");
  }
  return MakeModel(model_->version + 1, std::move(parameters));
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
