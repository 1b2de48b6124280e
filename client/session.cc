#include "client/session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "compression/codec.h"
#include "core/base/random.h"

namespace tern::client {
namespace {

constexpr absl::Duration kLongestRetry = absl::Minutes(1);

bool MayPass(const absl::Status& status) {
  // The session cancels nothing: CANCELLED is a coordinator that stopped in the middle of a call.
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsResourceExhausted(status) || absl::IsCancelled(status);
}

}  // namespace

Session::Session(SessionOptions options, Parts parts)
    : options_(std::move(options)), parts_(parts), client_hash_(HashClientId(options_.client_id)) {
  Capabilities& capabilities = options_.capabilities;
  if (capabilities.codecs.empty()) capabilities.codecs = compression::StagesToDeclare();
}

Session::Progress Session::Step() {
  const bool has_lease =
      state_ == State::kFetch || state_ == State::kTrain || state_ == State::kSubmit;
  // An upload whose answer was lost may have counted: only the coordinator knows.
  const bool may_have_counted = state_ == State::kSubmit && failed_attempts_ > 0;
  if (has_lease && !may_have_counted && parts_.clock->Now() >= lease_ends_at_) {
    return GiveUpLease(absl::DeadlineExceededError("the round's deadline has passed"));
  }
  switch (state_) {
    case State::kCheckIn:
      return CheckIn();
    case State::kFetch:
      return Fetch();
    case State::kTrain:
      return Train();
    case State::kSubmit:
      return Submit();
    case State::kFinished:
    case State::kRefused:
    case State::kFailed:
      break;
  }
  return {.next = state_, .message = "the session has ended"};
}

Session::Progress Session::CheckIn() {
  const absl::StatusOr<CheckInReply> reply =
      parts_.transport->CheckIn({.client_id = options_.client_id,
                                 .capabilities = options_.capabilities,
                                 .num_examples = parts_.dataset->size()});
  if (!reply.ok()) {
    if (MayPass(reply.status())) return Retry(reply.status());
    return MoveTo(State::kFailed, absl::ZeroDuration(),
                  absl::StrCat("check-in failed: ", reply.status().message()));
  }
  if (const auto* lease = std::get_if<Lease>(&*reply)) {
    lease_ = *lease;
    lease_ends_at_ = parts_.clock->Now() + lease_.deadline;
    parts_.buffers->transfer.clear();
    return MoveTo(State::kFetch, absl::ZeroDuration(),
                  absl::StrCat("round ", lease_.plan.round, ": selected, model version ",
                               lease_.model_version));
  }
  if (const auto* come_back = std::get_if<ComeBack>(&*reply)) {
    return MoveTo(State::kCheckIn, come_back->retry_after, come_back->reason);
  }
  if (const auto* refusal = std::get_if<Refusal>(&*reply)) {
    // Another one, or the same after an upgrade, may be there soon.
    if (refusal->reason == RefusalReason::kShuttingDown) {
      return Retry(absl::UnavailableError(refusal->message));
    }
    return MoveTo(State::kRefused, absl::ZeroDuration(),
                  absl::StrCat("refused by the coordinator: ", refusal->message));
  }
  const auto& finished = std::get<TaskFinished>(*reply);
  return MoveTo(State::kFinished, absl::ZeroDuration(),
                absl::StrCat("task '", finished.task, "' is finished after ", finished.num_rounds,
                             " rounds; ", updates_accepted_, " updates of this client counted"));
}

Session::Progress Session::Fetch() {
  std::string& model = parts_.buffers->transfer;
  if (model.empty()) {
    const absl::Status taken = TakeMemory();
    if (!taken.ok()) return ReportFailure(taken);
  }
  const absl::Status fetched =
      parts_.transport->FetchModel(lease_.lease_id, lease_.model_bytes, model);
  if (MayPass(fetched)) return Retry(fetched);
  if (!fetched.ok()) return EndLease(fetched);
  const absl::Status decoded = DecodeModel();
  if (!decoded.ok()) return ReportFailure(decoded);
  return MoveTo(State::kTrain, absl::ZeroDuration(), "");
}

Session::Progress Session::Submit() {
  SessionBuffers& buffers = *parts_.buffers;
  const absl::StatusOr<SubmitUpdateReply> reply =
      parts_.transport->SubmitUpdate(lease_.lease_id, buffers.transfer);
  if (!reply.ok()) {
    const absl::Status& status = reply.status();
    if (MayPass(status)) return Retry(status);
    return EndLease(status);
  }
  ++updates_accepted_;
  std::string message = absl::StrCat("round ", reply->round, ": update accepted, ",
                                     buffers.transfer.size(), " bytes");
  absl::StrAppend(&message, KeepState());
  return MoveTo(State::kCheckIn, reply->retry_after, std::move(message));
}

Session::Progress Session::MoveTo(State next, absl::Duration wait, std::string message) {
  state_ = next;
  failed_attempts_ = 0;
  return {.next = next, .wait = wait, .message = std::move(message)};
}

Session::Progress Session::Retry(const absl::Status& status) {
  const absl::Duration now = parts_.clock->Now();
  if (failed_attempts_ == 0) unreachable_since_ = now;
  const absl::Duration out_of_reach = now - unreachable_since_;
  if (out_of_reach >= options_.give_up_after) {
    state_ = State::kFailed;
    return {.next = state_,
            .message = absl::StrCat(
                "coordinator out of reach for ",
                absl::FormatDuration(absl::Trunc(out_of_reach, absl::Milliseconds(100))),
                ", giving up: ", status.message())};
  }
  const absl::Duration wait =
      std::min(kRetryWait * (1 << std::min(failed_attempts_, 10)), kLongestRetry);
  ++failed_attempts_;
  return {.next = state_,
          .wait = std::min(wait, options_.give_up_after - out_of_reach),
          .message = absl::StrCat("coordinator not reached, trying again: ", status.message())};
}

Session::Progress Session::EndLease(const absl::Status& status) {
  const bool is_over_there = absl::IsNotFound(status) || absl::IsFailedPrecondition(status) ||
                             absl::IsAlreadyExists(status) || absl::IsAborted(status);
  return is_over_there ? GiveUpLease(status) : ReportFailure(status);
}

Session::Progress Session::GiveUpLease(const absl::Status& status) {
  return MoveTo(State::kCheckIn, kRetryWait,
                absl::StrCat("round ", lease_.plan.round, ": lease given up: ", status.message()));
}

Session::Progress Session::ReportFailure(const absl::Status& status) {
  const absl::StatusOr<ReportFailureReply> reply = parts_.transport->ReportFailure(
      {.lease_id = lease_.lease_id, .message = std::string(status.message())});
  return MoveTo(State::kCheckIn, reply.ok() ? reply->retry_after : kRetryWait,
                absl::StrCat("round ", lease_.plan.round, ": failed: ", status.message()));
}

}  // namespace tern::client
