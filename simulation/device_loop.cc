#include "simulation/device_loop.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/stored_vector.h"
#include "core/base/check.h"
#include "core/base/random.h"
#include "core/base/random_distributions.h"
#include "simulation/client_id.h"
#include "simulation/device_capabilities.h"

namespace tern::simulation {
namespace {

// How long a device whose battery is too low waits until it looks again.
constexpr absl::Duration kBatteryWait = absl::Minutes(30);

constexpr char kLate[] = "late";
constexpr char kOffline[] = "offline";
constexpr char kBattery[] = "battery";

// Whether a refusal is for ever: energy can be charged, nothing else changes.
bool IsFinal(const Refusal& refusal, const BatteryProfile& battery, double budget) {
  const bool charges =
      battery.charge_watts > 0.0 && battery.charge_from_hour != battery.charge_to_hour;
  return refusal.reason != RefusalReason::kTooSlow || !charges ||
         budget >= 0.999 * FullBatteryJoules(battery);
}

}  // namespace

double DeviceTally::total_energy_j() const {
  double total = 0.0;
  for (const double energy : energy_j) total += energy;
  return total;
}

DeviceLoop::DeviceLoop(Options options, Parts parts)
    : options_(std::move(options)),
      parts_(parts),
      refused_(parts.population->classes().size()),
      work_(options_.num_threads) {
  for (int i = 0; i < options_.num_threads; ++i) workers_.push_back(std::make_unique<Worker>());
  TakeTally();
  const Population& population = *parts_.population;
  for (int64_t client = 0; client < population.num_clients(); ++client) {
    if (population.is_timeless()) {
      CheckInAt(client, absl::ZeroDuration());
      continue;
    }
    const DeviceProfile& profile = population.classes()[population.class_of(client)].profile;
    batteries_.emplace_back(&profile, options_.seed, client);
    RandomStream random({.seed = options_.seed,
                         .round = 2,  // speeds and batteries are drawn from 0 and 1
                         .client = static_cast<uint64_t>(client),
                         .purpose = RandomPurpose::kDevice});
    CheckInAt(client, NextOpenUniform(random) * options_.check_in_spread);
  }
}

DeviceLoop::~DeviceLoop() {
  for (const auto& [client, visit] : leases_) {
    if (visit->is_queued) work_.Cancel(WorkKey(*visit));
  }
}

std::optional<absl::Duration> DeviceLoop::next_event() const {
  if (events_.empty()) return std::nullopt;
  return events_.top().at;
}

void DeviceLoop::HandleNext() {
  const Event event = events_.top();
  events_.pop();
  parts_.clock->Advance(std::max(absl::ZeroDuration(), event.at - parts_.clock->Now()));
  if (event.kind == Kind::kCheckIn) return CheckIn(event.client);
  Visit& visit = *leases_.at(event.client);
  if (event.kind == Kind::kTrained) FinishTraining(visit);
  if (event.kind == Kind::kUploaded) FinishUpload(visit);
  if (event.kind == Kind::kDropped) Drop(visit, event.cause);
}

void DeviceLoop::WakeCohort() {
  const uint64_t round = parts_.coordinator->open_round();
  for (const std::string& client_id : parts_.coordinator->cohort()) {
    const int64_t client = ClientIndex(client_id);
    const auto busy = leases_.find(client);
    if (busy == leases_.end()) {
      CheckInAt(client, parts_.clock->Now());
    } else if (busy->second->lease().plan.round != round) {
      busy->second->is_wanted_again = true;
    }
  }
}

std::string DeviceLoop::WhyAway(int64_t client) {
  const Population& population = *parts_.population;
  const DeviceClass& device = population.classes()[population.class_of(client)];
  const absl::Duration now = parts_.clock->Now();
  if (!device.availability->IsOn(client, now)) return kOffline;
  if (batteries_.empty()) return "";
  Battery& battery = batteries_[static_cast<size_t>(client)];
  battery.AdvanceTo(now);
  return battery.Budget() == 0.0 ? kBattery : "";
}

void DeviceLoop::AccountOpenLeases() {
  std::map<int64_t, const Visit*> in_order;
  for (const auto& [client, visit] : leases_) in_order[visit->order] = visit.get();
  for (const auto& [order, visit] : in_order) Account(*visit);
}

DeviceTally DeviceLoop::TakeTally() {
  const size_t num_classes = parts_.population->classes().size();
  return std::exchange(tally_, DeviceTally{.energy_j = std::vector<double>(num_classes),
                                           .traffic = std::vector<server::Traffic>(num_classes)});
}

void DeviceLoop::Schedule(Event event) {
  // The clock counts whole nanoseconds: at its event's time, what was waited for must be there.
  event.at = absl::Ceil(event.at, absl::Nanoseconds(1));
  events_.push(event);
}

void DeviceLoop::CheckInAt(int64_t client, absl::Duration at) {
  if (at == absl::InfiniteDuration()) return;
  constexpr int64_t kBeforeAllLeases = std::numeric_limits<int64_t>::min();
  Schedule({.at = at, .order = kBeforeAllLeases + num_check_ins_++, .client = client});
}

void DeviceLoop::CheckIn(int64_t client) {
  const Population& population = *parts_.population;
  const size_t class_index = population.class_of(client);
  const DeviceClass& device = population.classes()[class_index];
  const absl::Duration now = parts_.clock->Now();
  if (!device.availability->IsOn(client, now)) {
    return CheckInAt(client, device.availability->NextChange(client, now));
  }
  double budget = std::numeric_limits<double>::infinity();
  if (!batteries_.empty()) {
    Battery& battery = batteries_[static_cast<size_t>(client)];
    battery.AdvanceTo(now);
    budget = battery.Budget();
    if (budget == 0.0) return CheckInAt(client, now + kBatteryWait);
  }
  auto visit =
      std::make_unique<Visit>(client, ClientId(client), CapabilitiesOf(client, budget),
                              Visit::Parts{.coordinator = parts_.coordinator,
                                           .dataset = parts_.dataset,
                                           .examples = parts_.partition->client(client),
                                           .state = StateOf(client),
                                           .keep_update = num_recorded_ < options_.record_updates});
  visit->class_index = class_index;
  const client::Session::Progress progress = visit->CheckIn(now);
  if (visit->has_lease()) return StartLease(std::move(visit));
  if (const std::optional<Refusal>& refusal = visit->transport().refusal()) {
    if (!IsFinal(*refusal, device.profile.battery, budget)) {
      return CheckInAt(client, now + kBatteryWait);
    }
    Refused& refused = refused_[class_index];
    if (refused.num_clients++ == 0) refused.message = refusal->message;
    return;
  }
  using State = client::Session::State;
  if (progress.next == State::kFailed && tally_.first_failure.empty()) {
    tally_.first_failure = absl::StrCat("client '", ClientId(client), "': ", progress.message);
  }
  const bool asks_again = progress.next == State::kCheckIn && !population.is_timeless();
  if (asks_again) CheckInAt(client, now + progress.wait);
}

void DeviceLoop::StartLease(std::unique_ptr<Visit> visit) {
  const std::shared_ptr<RoundAttack>& attack = AttackOnRound(visit->lease().plan.round);
  if (attack != nullptr && attack->IsAttacker(visit->client())) {
    visit->attack = attack;
    // A lie is told anew: what encoding left out of the last one is not added to it.
    client::DeviceState* const state = StateOf(visit->client());
    if (state != nullptr) TERN_CHECK(state->Write(client::kStoredResidual.name, "").ok());
  }
  visit->order = num_leases_++;
  visit->PlanLegs(ProfileOf(*visit), SpeedOf(*visit));
  Visit& lease = *leases_.emplace(visit->client(), std::move(visit)).first->second;
  const Obstacle obstacle = FirstObstacle(lease);
  const bool comes_through = obstacle.at == absl::InfiniteDuration();
  if (comes_through || options_.train_dropped) {
    lease.is_queued = true;
    work_.Add(WorkKey(lease),
              [this, &lease](int worker) { lease.Work(*workers_[static_cast<size_t>(worker)]); });
  }
  if (comes_through) {
    const absl::Duration trained_at =
        lease.started_at + lease.legs[0].duration + lease.legs[1].duration;
    Schedule({trained_at, lease.order, Kind::kTrained, lease.client()});
  } else {
    Schedule({obstacle.at, lease.order, Kind::kDropped, lease.client(), obstacle.cause});
  }
}

const std::shared_ptr<RoundAttack>& DeviceLoop::AttackOnRound(uint64_t round) {
  if (parts_.attack == nullptr || round == attacked_round_) return attack_;
  std::vector<int64_t> cohort;
  for (const std::string& client_id : parts_.coordinator->cohort()) {
    cohort.push_back(ClientIndex(client_id));
  }
  attacked_round_ = round;
  attack_ = std::make_shared<RoundAttack>(parts_.attack, round, std::move(cohort),
                                          parts_.coordinator->model());
  return attack_;
}

void DeviceLoop::FinishTraining(Visit& visit) {
  const absl::Duration now = parts_.clock->Now();
  if (!parts_.coordinator->MayUpload(visit.lease().lease_id).ok()) {
    // The round closed meanwhile; the coordinator refuses the upload before it begins.
    SettleWork(visit);
    visit.legs[2] = Leg{};
    Account(visit);
    return End(visit, client::Session::kRetryWait);
  }
  work_.Wait(WorkKey(visit));
  visit.is_queued = false;
  if (!visit.has_update()) {
    visit.legs[2] = Leg{};
    Account(visit);
    return Fail(visit);
  }
  visit.MeasureUpload(ProfileOf(visit), SpeedOf(visit));
  const Obstacle obstacle = FirstObstacle(visit);
  if (obstacle.at != absl::InfiniteDuration()) {
    Schedule({obstacle.at, visit.order, Kind::kDropped, visit.client(), obstacle.cause});
  } else {
    Schedule({now + visit.legs[2].duration, visit.order, Kind::kUploaded, visit.client()});
  }
}

void DeviceLoop::FinishUpload(Visit& visit) {
  // Counted before it is handed over: the update that closes a round belongs to that round.
  Account(visit);
  const absl::Duration wait = visit.Submit(parts_.clock->Now());
  if (!visit.failure().empty()) return Fail(visit);
  if (visit.accepted()) Record(visit);
  if (visit.accepted() && options_.on_update) options_.on_update();
  End(visit, wait);
}

void DeviceLoop::Fail(Visit& visit) {
  if (IsOfOpenRound(visit) && tally_.first_failure.empty()) {
    tally_.first_failure =
        absl::StrCat("client '", ClientId(visit.client()), "': ", visit.failure());
  }
  End(visit, visit.DeliverFailure());
}

bool DeviceLoop::IsOfOpenRound(const Visit& visit) const {
  return visit.lease().plan.round == parts_.coordinator->open_round();
}

void DeviceLoop::Drop(Visit& visit, const char* cause) {
  SettleWork(visit);
  Account(visit);
  if (IsOfOpenRound(visit)) tally_.causes[visit.client()] = cause;
  End(visit, client::Session::kRetryWait);
}

void DeviceLoop::SettleWork(Visit& visit) {
  if (!visit.is_queued) return;
  visit.is_queued = false;
  if (options_.train_dropped) {
    work_.Wait(WorkKey(visit));
  } else {
    work_.Cancel(WorkKey(visit));
  }
}

void DeviceLoop::Record(Visit& visit) {
  if (num_recorded_ >= options_.record_updates) return;
  ++num_recorded_;
  tally_.recorded_updates.push_back({.round = visit.lease().plan.round,
                                     .client_id = ClientId(visit.client()),
                                     .model_version = visit.lease().model_version,
                                     .values = visit.TakeKeptUpdate()});
}

void DeviceLoop::End(Visit& visit, absl::Duration wait) {
  const int64_t client = visit.client();
  const absl::Duration now = parts_.clock->Now();
  if (!parts_.population->is_timeless()) {
    CheckInAt(client, now + wait);
  } else if (visit.is_wanted_again) {
    CheckInAt(client, now);
  }
  leases_.erase(client);
}

Capabilities DeviceLoop::CapabilitiesOf(int64_t client, double battery_joules) const {
  const Population& population = *parts_.population;
  const DeviceProfile& profile = population.classes()[population.class_of(client)].profile;
  return DeclaredCapabilities(profile, std::isfinite(battery_joules) ? battery_joules : 0.0);
}

const DeviceProfile& DeviceLoop::ProfileOf(const Visit& visit) const {
  return parts_.population->classes()[visit.class_index].profile;
}

DeviceSpeed DeviceLoop::SpeedOf(const Visit& visit) const {
  return DrawDeviceSpeed(ProfileOf(visit), options_.seed, visit.client(), visit.lease().plan.round);
}

DeviceLoop::Obstacle DeviceLoop::FirstObstacle(const Visit& visit) const {
  const DeviceClass& device = parts_.population->classes()[visit.class_index];
  Obstacle first;
  const auto consider = [&](absl::Duration at, const char* cause) {
    if (at < first.at) first = {at, cause};
  };
  absl::Duration end = visit.started_at;
  double left = batteries_.empty() ? std::numeric_limits<double>::infinity()
                                   : batteries_[static_cast<size_t>(visit.client())].Budget();
  for (const Leg& leg : visit.legs) {
    const double energy =
        leg.energy_j + device.profile.idle_watts * absl::ToDoubleSeconds(leg.duration);
    if (energy > left) {
      consider(end + left / energy * leg.duration, kBattery);
      left = std::numeric_limits<double>::infinity();  // it cannot run empty twice
    }
    left -= energy;
    end += leg.duration;
  }
  const absl::Duration off_at = device.availability->NextChange(visit.client(), visit.started_at);
  if (off_at < end) consider(off_at, kOffline);
  const absl::Duration lease_end = visit.started_at + visit.lease().deadline;
  if (lease_end <= end) consider(lease_end, kLate);
  return first;
}

void DeviceLoop::Account(const Visit& visit) {
  absl::Duration left = parts_.clock->Now() - visit.started_at;
  const double idle_j = ProfileOf(visit).idle_watts * absl::ToDoubleSeconds(left);
  Leg done;
  for (const Leg& leg : visit.legs) {
    const double share =
        left >= leg.duration ? 1.0 : std::max(0.0, absl::FDivDuration(left, leg.duration));
    const Leg part = PartOf(leg, share);
    done.energy_j += part.energy_j;
    done.traffic += part.traffic;
    left -= leg.duration;
  }
  tally_.energy_j[visit.class_index] += done.energy_j + idle_j;
  tally_.traffic[visit.class_index] += done.traffic;
  parts_.coordinator->CountTraffic(done.traffic);
  if (batteries_.empty()) return;
  Battery& battery = batteries_[static_cast<size_t>(visit.client())];
  battery.AdvanceTo(parts_.clock->Now());  // idles
  battery.Spend(done.energy_j);
}

WorkQueue::Key DeviceLoop::WorkKey(const Visit& visit) const {
  return {visit.started_at + visit.legs[0].duration + visit.legs[1].duration, visit.order};
}

client::DeviceState* DeviceLoop::StateOf(int64_t client) {
  if (!options_.keeps_state) return nullptr;
  std::unique_ptr<client::DeviceState>& state = states_[client];
  if (state == nullptr) state = std::make_unique<client::MemoryDeviceState>();
  return state.get();
}

}  // namespace tern::simulation
