// The state of one open round: its cohort, who holds which lease, and what has come in. No locking
// and no time of its own: the coordinator's.
#ifndef TERN_SERVER_ROUND_H_
#define TERN_SERVER_ROUND_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "core/wire/messages.h"
#include "core/wire/plan_codec.h"
#include "server/leased_model.h"
#include "server/planner.h"
#include "server/round_record.h"

namespace tern::server {

// What became of a member's lease. Accepted and failed are settled: they do not change any more.
enum class LeaseState {
  kSelected,      // the member has not come for it yet
  kGranted,       // it has
  kAccumulating,  // its update was validated and is being added: counted, whatever the clock says
  kAccepted,
  kFailed,
};
inline constexpr size_t kNumLeaseStates = 5;

struct Member {
  std::string client_id;
  uint64_t rank = 0;  // of the client's id among those of the cohort
  std::string lease_id;
  LeaseState state = LeaseState::kSelected;  // changed by Round::SetState
  absl::Duration granted_at;
  PlanChoice plan;                            // from when it has come for its lease on
  std::shared_ptr<const LeasedModel> leased;  // null before
  std::shared_ptr<const PlanCodec> codec;     // null before
  bool fetched = false;                       // the model, or a part of it
  // Of the accepted update's bytes: tells a repeated upload from another one.
  uint32_t digest = 0;
  int64_t bytes = 0;
  UpdateReport report;
};

// The cohort of a round: `count` of the ids, or all if there are fewer, drawn uniformly without
// replacement; a pure function of its arguments. `sorted_ids` ascending.
std::vector<std::string> DrawCohort(uint64_t seed, uint64_t round,
                                    const std::vector<std::string>& sorted_ids, int64_t count);

class Round {
 public:
  // `lease_secret` makes lease ids unguessable.
  Round(uint64_t number, std::shared_ptr<const Model> base, std::vector<std::string> cohort,
        absl::string_view lease_secret);

  uint64_t number() const { return number_; }
  const std::shared_ptr<const Model>& base() const { return base_; }
  // What members of this width train, made when it is asked for first. `full` is the task's model.
  std::shared_ptr<const LeasedModel> Leased(const ModelSpec& full, SubmodelRule rule, double width);
  // The codec of a plan of this round, made when it is asked for first. All plans of a task train
  // the same of one submodel.
  std::shared_ptr<const PlanCodec> CodecOf(const Plan& plan);
  const std::vector<Member>& members() const { return members_; }

  // Null if there is none.
  Member* FindClient(absl::string_view client_id);
  Member* FindLease(absl::string_view lease_id);

  void SetState(Member& member, LeaseState state);
  int64_t Count(LeaseState state) const { return counts_[static_cast<size_t>(state)]; }
  // No lease can bring another update.
  bool AllSettled() const;

  absl::Duration opened_at;
  absl::Duration deadline;
  int64_t clients_available = 0;
  int64_t updates_rejected = 0;

  // Fills in what the members tell: outcomes (unsettled members under `unsettled_reason`), loss,
  // memory, bytes.
  void Summarize(absl::string_view unsettled_reason, RoundRecord& record) const;

 private:
  uint64_t number_;
  std::shared_ptr<const Model> base_;
  std::map<double, std::shared_ptr<const LeasedModel>> leased_;  // by width
  std::map<std::pair<std::string, std::string>, std::shared_ptr<const PlanCodec>> codecs_;
  std::array<int64_t, kNumLeaseStates> counts_{};
  std::vector<Member> members_;  // in the order in which they were drawn
  absl::flat_hash_map<std::string, size_t> by_client_;
  absl::flat_hash_map<std::string, size_t> by_lease_;
};

}  // namespace tern::server

#endif  // TERN_SERVER_ROUND_H_
