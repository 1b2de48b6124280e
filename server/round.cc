#include "server/round.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/base/random.h"
#include "core/crypto/sha256.h"

namespace tern::server {
namespace {

std::string LeaseId(absl::string_view secret, uint64_t round, absl::string_view client_id) {
  std::string input(secret);
  ByteWriter writer(&input);
  writer.Write(round);
  writer.WriteBytes(client_id);
  return Sha256(input).substr(0, static_cast<size_t>(kLeaseIdBytes));
}

}  // namespace

std::vector<std::string> DrawCohort(uint64_t seed, uint64_t round,
                                    const std::vector<std::string>& sorted_ids, int64_t count) {
  std::vector<uint32_t> order(sorted_ids.size());
  std::iota(order.begin(), order.end(), 0u);
  const size_t drawn = std::min(order.size(), static_cast<size_t>(count));
  RandomStream random({.seed = seed, .round = round, .purpose = RandomPurpose::kCohort});
  std::vector<std::string> cohort;
  cohort.reserve(drawn);
  for (size_t i = 0; i < drawn; ++i) {
    const size_t j = i + random.Below(static_cast<uint32_t>(order.size() - i));
    std::swap(order[i], order[j]);
    cohort.push_back(sorted_ids[order[i]]);
  }
  return cohort;
}

Round::Round(uint64_t number, std::shared_ptr<const Model> base, std::vector<std::string> cohort,
             absl::string_view lease_secret)
    : number_(number), base_(std::move(base)) {
  std::vector<std::string> sorted = cohort;
  std::sort(sorted.begin(), sorted.end());
  members_.reserve(cohort.size());
  for (std::string& client_id : cohort) {
    std::string lease_id = LeaseId(lease_secret, number, client_id);
    by_client_.emplace(client_id, members_.size());
    by_lease_.emplace(lease_id, members_.size());
    const auto rank = std::lower_bound(sorted.begin(), sorted.end(), client_id) - sorted.begin();
    members_.push_back({.client_id = std::move(client_id),
                        .rank = static_cast<uint64_t>(rank),
                        .lease_id = std::move(lease_id)});
  }
  counts_[static_cast<size_t>(LeaseState::kSelected)] = static_cast<int64_t>(members_.size());
}

Member* Round::FindClient(absl::string_view client_id) {
  const auto found = by_client_.find(client_id);
  return found == by_client_.end() ? nullptr : &members_[found->second];
}

Member* Round::FindLease(absl::string_view lease_id) {
  const auto found = by_lease_.find(lease_id);
  return found == by_lease_.end() ? nullptr : &members_[found->second];
}

void Round::SetState(Member& member, LeaseState state) {
  --counts_[static_cast<size_t>(member.state)];
  ++counts_[static_cast<size_t>(state)];
  member.state = state;
}

bool Round::AllSettled() const {
  return Count(LeaseState::kAccepted) + Count(LeaseState::kFailed) ==
         static_cast<int64_t>(members_.size());
}

std::shared_ptr<const LeasedModel> Round::Leased(const ModelSpec& full, SubmodelRule rule,
                                                 double width) {
  std::shared_ptr<const LeasedModel>& leased = leased_[width];
  if (leased == nullptr) {
    leased = MakeLeasedModel(full, {.rule = rule, .width = width, .round = number_}, base_);
  }
  return leased;
}

std::shared_ptr<const PlanCodec> Round::CodecOf(const Plan& plan) {
  std::shared_ptr<const PlanCodec>& codec = codecs_[{plan.submodel, plan.codec}];
  if (codec == nullptr) {
    absl::StatusOr<PlanCodec> made = PlanCodec::Make(plan);
    TERN_CHECK(made.ok());
    codec = std::make_shared<const PlanCodec>(*std::move(made));
  }
  return codec;
}

void Round::Summarize(absl::string_view unsettled_reason, RoundRecord& record) const {
  double weighted_loss = 0.0;
  double weight = 0.0;
  for (const Member& member : members_) {
    MemberOutcome outcome{.client_id = member.client_id,
                          .predicted_peak_bytes = member.plan.estimate.peak_bytes};
    int64_t float_bytes = 0;
    if (member.leased != nullptr) {
      outcome.submodel = member.leased->submodel;
      float_bytes = static_cast<int64_t>(member.leased->model->parameters.size() * sizeof(float));
    }
    if (member.fetched) record.float_bytes_down += float_bytes;
    if (member.state == LeaseState::kAccepted) {
      const auto examples = static_cast<double>(member.report.num_examples);
      weighted_loss += examples * member.report.train_loss;
      weight += examples;
      ++record.clients_completed;
      record.update_bytes += member.bytes;
      record.float_bytes_up += float_bytes;
      outcome.outcome = kCompleted;
      outcome.update_bytes = member.bytes;
      outcome.measured_peak_bytes = member.report.peak_memory_bytes;
      record.device_peak_memory_bytes =
          std::max(record.device_peak_memory_bytes, member.report.peak_memory_bytes);
    } else {
      outcome.outcome =
          member.state == LeaseState::kFailed ? "failed" : std::string(unsettled_reason);
      ++record.clients_dropped[outcome.outcome];
    }
    record.members.push_back(std::move(outcome));
  }
  if (weight > 0.0) record.train_loss = weighted_loss / weight;
  record.round = number_;
  record.clients_available = clients_available;
  record.clients_selected = static_cast<int64_t>(members_.size());
  record.updates_rejected = updates_rejected;
}

}  // namespace tern::server
