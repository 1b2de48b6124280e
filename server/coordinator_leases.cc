// What comes under a lease: downloads, updates, failures.
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/crc32c.h"
#include "core/base/random.h"
#include "core/base/status_macros.h"
#include "server/coordinator.h"
#include "server/strategy.h"

namespace tern::server {

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
  if (member->leased == nullptr) {
    return absl::NotFoundError("this lease was not given out yet; check in first");
  }
  member->fetched = true;
  return member->leased->model;
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
  if (member->state == LeaseState::kSelected) {
    return absl::NotFoundError("this lease was not given out yet; check in first");
  }
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

absl::StatusOr<LeaseTerms> Coordinator::TermsOf(absl::string_view lease_id) {
  MutexLock lock(mutex_);
  CloseRoundIfDue();
  TERN_RETURN_IF_ERROR(CheckOpenLease(lease_id));
  return TermsOfMember(*round_->FindLease(lease_id));
}

LeaseTerms Coordinator::TermsOfMember(const Member& member) const {
  const Model& model = *member.leased->model;
  return {.lease_id = member.lease_id,
          .base_hash = model.hash,
          .model_version = model.version,
          .codec = member.codec,
          .client = HashClientId(member.client_id),
          .rank = member.rank,
          .train = member.plan.train,
          .leased = member.leased};
}

PreparedUpdate Coordinator::Prepare(LeaseTerms terms, absl::string_view update) const {
  PreparedUpdate prepared = {.digest = Crc32c(update),
                             .bytes = static_cast<int64_t>(update.size()),
                             .validated = validator_.Validate(update, terms)};
  if (prepared.validated.ok()) {
    const auto facts = FactsOf(task_, terms.train, terms.rank, prepared.validated->update.report);
    if (facts.ok()) {
      prepared.facts = *facts;
    } else {
      prepared.validated = facts.status();
    }
  }
  prepared.terms = std::move(terms);
  return prepared;
}

absl::StatusOr<absl::string_view> Coordinator::Keep(absl::string_view payload) {
  if (!aggregation::ReadsUpdatesBack(task_.aggregator.name)) return payload;
  std::shared_ptr<RoundJournal> journal;
  {
    MutexLock lock(mutex_);
    if (journal_ == nullptr) {
      TERN_ASSIGN_OR_RETURN(journal_, RoundJournal::Create(parts_.journal_directory));
    }
    journal = journal_;
  }
  return journal->Append(payload);
}

absl::Status Coordinator::Accumulate(const PreparedUpdate& update,
                                     const std::shared_ptr<const CoordinateSet>& coordinates) {
  const PlanCodec& codec = *update.terms.codec;
  const compression::Decoder& decoder = validator_.decoder(codec.text());
  const compression::CodecContext context = codec.Context(update.terms.client);
  TERN_ASSIGN_OR_RETURN(const absl::string_view payload, Keep(update.validated->payload(0)));
  AccumulatorPool::Loan aggregator = accumulators_.Take();
  aggregator->Accumulate(
      {.decoder = decoder, .payload = payload, .context = context, .codec = codec.text()},
      update.facts, coordinates);
  accumulators_.Return(std::move(aggregator));
  if (!task_.train.receives_control()) return absl::OkStatus();
  AccumulatorPool::Loan controls = controls_.Take();
  controls->Accumulate({.decoder = decoder,
                        .payload = update.validated->payload(1),
                        .context = codec.Context(update.terms.client, /*is_control=*/true),
                        .codec = codec.text()},
                       {.id = update.facts.id}, coordinates);
  controls_.Return(std::move(controls));
  return absl::OkStatus();
}

absl::StatusOr<SubmitUpdateReply> Coordinator::SubmitUpdate(absl::string_view lease_id,
                                                            absl::string_view update) {
  LeaseTerms terms;
  {
    MutexLock lock(mutex_);
    CloseRoundIfDue();
    const auto bytes = static_cast<int64_t>(update.size());
    if (auto answer = AnswerKnown(lease_id, Crc32c(update), bytes)) return *std::move(answer);
    terms = TermsOfMember(*round_->FindLease(lease_id));
  }
  return SubmitUpdate(Prepare(std::move(terms), update));
}

absl::StatusOr<SubmitUpdateReply> Coordinator::SubmitUpdate(const PreparedUpdate& update) {
  const std::string& lease_id = update.terms.lease_id;
  std::shared_ptr<const CoordinateSet> coordinates;
  {
    MutexLock lock(mutex_);
    CloseRoundIfDue();
    if (auto answer = AnswerKnown(lease_id, update.digest, update.bytes)) {
      return *std::move(answer);
    }
    if (!update.validated.ok()) {
      ++round_->updates_rejected;
      return update.validated.status();
    }
    const int64_t accepted = round_->Count(LeaseState::kAccepted);
    if (accepted + round_->Count(LeaseState::kAccumulating) >= task_.round.cohort_size) {
      // One that is being added may yet fail to be kept.
      if (accepted < task_.round.cohort_size) {
        return absl::UnavailableError("the round may have all the updates it wanted; try again");
      }
      return absl::FailedPreconditionError(
          absl::StrCat("round ", round_->number(), " has all the updates it wanted"));
    }
    Member* member = round_->FindLease(lease_id);
    coordinates = member->leased->coordinates;
    round_->SetState(*member, LeaseState::kAccumulating);
  }
  // The round cannot close while a lease is accumulating.
  const absl::Status accumulated = Accumulate(update, coordinates);
  MutexLock lock(mutex_);
  Member* member = round_->FindLease(lease_id);
  if (!accumulated.ok()) {
    round_->SetState(*member, LeaseState::kGranted);
    return absl::UnavailableError(
        absl::StrCat("the update could not be kept; try again: ", accumulated.message()));
  }
  round_->SetState(*member, LeaseState::kAccepted);
  member->digest = update.digest;
  member->bytes = update.bytes;
  member->report = update.validated->update.report;
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

}  // namespace tern::server
