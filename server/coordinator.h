// The coordinator: who may train what, which updates count, when a round closes and what comes of
// it. Pure logic with an injected clock; it knows no network. Transports parse messages, call it,
// and send what it answers.
//
// The life of a round: enough devices have checked in -> the round opens and its cohort is drawn, a
// pure function of (seed, round, sorted ids) -> members get leases at their next check-in ->
// updates are validated and accumulated as they come -> at the goal count, or when every lease is
// settled, or at the deadline, the round closes: with enough updates the strategy makes the next
// model.
//
// Thread-safe. Validation and accumulation run outside the lock, in as many threads as callers come
// with.
#ifndef TERN_SERVER_COORDINATOR_H_
#define TERN_SERVER_COORDINATOR_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "aggregation/aggregator.h"
#include "aggregation/server_optimizer.h"
#include "compression/codec.h"
#include "core/base/clock.h"
#include "core/base/mutex.h"
#include "core/model/parameter_layout.h"
#include "core/wire/messages.h"
#include "server/accumulator_pool.h"
#include "server/pace.h"
#include "server/planner.h"
#include "server/round.h"
#include "server/round_journal.h"
#include "server/round_record.h"
#include "server/task.h"
#include "server/update_validator.h"

namespace tern::server {

// An update that was parsed and compared with its lease's terms.
struct PreparedUpdate {
  LeaseTerms terms;
  uint32_t digest = 0;  // of its bytes
  int64_t bytes = 0;
  absl::StatusOr<ValidatedUpdate> validated;
  aggregation::UpdateFacts facts;  // of what was validated
};

class Coordinator {
 public:
  struct Parts {
    const Clock* clock = nullptr;       // borrowed, must outlive the coordinator
    RoundObserver* observer = nullptr;  // borrowed, may be null
    std::string lease_secret;           // makes lease ids unguessable; no influence on results
    std::string journal_directory;      // as RoundJournal::Create
    // Aggregator fltrust: what the coordinator trains itself from a round's model, on
    // task.root_examples examples that it trusts. Called under the coordinator's lock.
    std::function<absl::StatusOr<std::vector<float>>(const Model& model, uint64_t round)>
        reference_update;
  };

  // As ValidateTask, and as RoundJournal::Create where updates are read back. FAILED_PRECONDITION:
  // the aggregator takes a reference update, which nobody trains.
  static absl::StatusOr<std::unique_ptr<Coordinator>> Create(Task task, Parts parts);

  // Never fails: what is wrong with a request is a Refusal.
  CheckInReply CheckIn(const CheckInRequest& request);

  // The model that a lease's plan trains. NOT_FOUND, FAILED_PRECONDITION as in the service's
  // contract.
  absl::StatusOr<std::shared_ptr<const Model>> FetchModel(absl::string_view lease_id);

  // The most that an update of this task can be, serialized.
  int64_t max_update_bytes() const { return max_update_bytes_; }

  // Whether an upload under this lease is worth receiving. NOT_FOUND, FAILED_PRECONDITION as
  // SubmitUpdate.
  absl::Status MayUpload(absl::string_view lease_id);

  // Takes a serialized Update. Errors as in the service's contract; none of them changes the model.
  absl::StatusOr<SubmitUpdateReply> SubmitUpdate(absl::string_view lease_id,
                                                 absl::string_view update);

  // The same in parts, for who wants the long one done before its time. What an update under this
  // lease must be; errors as SubmitUpdate.
  absl::StatusOr<LeaseTerms> TermsOf(absl::string_view lease_id);
  // All that depends on the bytes alone.
  PreparedUpdate Prepare(LeaseTerms terms, absl::string_view update) const;
  // Decides whether it counts, and adds it.
  absl::StatusOr<SubmitUpdateReply> SubmitUpdate(const PreparedUpdate& update);

  absl::StatusOr<ReportFailureReply> ReportFailure(const ReportFailureRequest& request);

  // Closes the round if its deadline has passed. Every other call does so too; somebody must call
  // this now and then.
  void Tick();

  // From now on check-ins are refused with SHUTTING_DOWN.
  void Drain();

  // Transports count what they receive and send.
  void CountTraffic(const Traffic& traffic);

  bool finished() const;
  // When the last of the devices that may come back was told to; nothing if none may. Once the task
  // is finished, these are the devices that have not been told so.
  std::optional<absl::Duration> LastArrival() const;
  const Task& task() const { return task_; }
  std::shared_ptr<const Model> model() const;
  Traffic total_traffic() const;
  uint64_t open_round() const;  // its number; 0: none is open
  // When the open round closes at the latest; nothing if no round is open.
  std::optional<absl::Duration> deadline() const;
  // The open round's cohort, in the order in which it was drawn; empty if no round is open.
  std::vector<std::string> cohort() const;

 private:
  Coordinator(Task task, Parts parts, Planner planner, const ParameterLayout& layout);

  // The device's plan, or why it may not take part.
  std::variant<PlanChoice, Refusal> ChoosePlan(const CheckInRequest& request) const;
  // A lease for the device that has come with this plan, or when it should come again.
  CheckInReply AnswerInRound(const CheckInRequest& request, PlanChoice plan)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Lease MakeLease(const Round& round, const Member& member) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // When `client_id` should come back: at once if a lease waits for it, or if the task is finished.
  absl::Duration RetryAfter(const std::string& client_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // The open round's member for a lease. FAILED_PRECONDITION: of the round before. NOT_FOUND: of
  // none.
  absl::StatusOr<Member*> FindOpenLease(absl::string_view lease_id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // FAILED_PRECONDITION or NOT_FOUND: nothing may come under this lease any more.
  absl::Status CheckOpenLease(absl::string_view lease_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Adds an update whose lease is accumulating. An error: it could not be kept; nothing was added.
  absl::Status Accumulate(const PreparedUpdate& update,
                          const std::shared_ptr<const CoordinateSet>& coordinates);
  // The updates' payload where it stays until the round closes, if the aggregator reads it back.
  absl::StatusOr<absl::string_view> Keep(absl::string_view payload);
  // Of a member that has come for its lease.
  LeaseTerms TermsOfMember(const Member& member) const;
  // The answer to an upload that needs no look at its contents: a receipt for what was accepted
  // before, or why it cannot be taken. Nothing: go on and validate.
  std::optional<absl::StatusOr<SubmitUpdateReply>> AnswerKnown(absl::string_view lease_id,
                                                               uint32_t digest, int64_t bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void OpenRoundIfPossible() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CloseRoundIfDue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CloseRound(absl::string_view unsettled_reason) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The next model, or why there is none.
  absl::StatusOr<std::shared_ptr<const Model>> NextModel(const RoundRecord& record)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<aggregation::Aggregate> ReportUpdates() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The updates' share of the population.
  double Participation(const RoundRecord& record) const;
  // SCAFFOLD's c follows what the clients' own have changed by, whatever becomes of the model: they
  // have their acknowledgements.
  void TakeControls(const RoundRecord& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Task task_;
  const Parts parts_;
  const Planner planner_;
  const int64_t max_update_bytes_;
  const UpdateValidator validator_;
  AccumulatorPool accumulators_;
  AccumulatorPool controls_;  // of sections `control`, where plans have them

  mutable Mutex mutex_;
  // Devices that may be selected, and when they were told to come back.
  std::map<std::string, absl::Duration> available_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const Model> model_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<aggregation::ServerOptimizer> optimizer_ ABSL_GUARDED_BY(mutex_);
  // The last round's, for centered_clip; empty before.
  std::vector<float> aggregate_ ABSL_GUARDED_BY(mutex_);
  // Of the open round, where updates are read back; null before its first.
  std::shared_ptr<RoundJournal> journal_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Round> round_ ABSL_GUARDED_BY(mutex_);     // null: none is open
  std::unique_ptr<Round> previous_ ABSL_GUARDED_BY(mutex_);  // answers for leases that came late
  int64_t rounds_closed_ ABSL_GUARDED_BY(mutex_) = 0;
  Pace pace_ ABSL_GUARDED_BY(mutex_);
  Traffic traffic_ ABSL_GUARDED_BY(mutex_);
  Traffic traffic_at_last_close_ ABSL_GUARDED_BY(mutex_);
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace tern::server

#endif  // TERN_SERVER_COORDINATOR_H_
