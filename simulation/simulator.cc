#include "simulation/simulator.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "compression/codec.h"
#include "core/base/status_macros.h"
#include "server/root_update.h"
#include "simulation/client_id.h"

namespace tern::simulation {
namespace {

// Virtual time without a round, after which there will be none.
constexpr absl::Duration kStalled = absl::Hours(24 * 30);

bool KeepsState(const server::Task& task) {
  if (task.train.has_control() || !task.train.personal.empty()) return true;
  const std::vector<std::string> codecs = task.Codecs();
  return task.error_feedback &&
         std::any_of(codecs.begin(), codecs.end(), [](const std::string& codec) {
           return compression::ParseCodec(codec)->NeedsErrorFeedback();
         });
}

}  // namespace

absl::StatusOr<std::unique_ptr<Simulator>> Simulator::Create(Options options, const Dataset* train,
                                                             Partition partition,
                                                             const Dataset* test) {
  server::Task& task = options.task;
  const int64_t num_clients = partition.num_clients();
  if (task.MaxSelected() > num_clients) {
    return absl::InvalidArgumentError(absl::StrCat(
        "task.round selects ", task.MaxSelected(), " clients, the data is divided among ",
        num_clients, "; lower round.cohort_size or raise data.partition.num_clients"));
  }
  if (task.weights.kind == server::WeightKind::kCustom) {
    return absl::InvalidArgumentError(
        "task.strategy.weights is custom, expected examples or uniform: what an update counts for "
        "is "
        "for an application's own trainer to say, a simulated device has none");
  }
  TERN_ASSIGN_OR_RETURN(Population population,
                        Population::Create(options.population, num_clients, task.seed));
  // Where no time passes, all clients are there from the start: a round that opened before all had
  // checked in would have only the first of them.
  if (population.is_timeless()) task.round.min_available = num_clients;
  std::unique_ptr<Simulator> simulator(
      new Simulator(std::move(options), std::move(population), train, std::move(partition), test));
  TERN_RETURN_IF_ERROR(simulator->Start());
  return simulator;
}

Simulator::Simulator(Options options, Population population, const Dataset* train,
                     Partition partition, const Dataset* test)
    : options_(std::move(options)),
      population_(std::move(population)),
      train_(train),
      partition_(std::move(partition)),
      test_(test),
      pool_(options_.num_threads) {}

absl::Status Simulator::Start() {
  const server::Task& task = options_.task;
  server::Coordinator::Parts parts = {.clock = &clock_, .observer = this};
  if (task.aggregator.name == "fltrust") {
    TERN_ASSIGN_OR_RETURN(parts.reference_update, server::MakeRootUpdate(task, train_));
  }
  TERN_ASSIGN_OR_RETURN(coordinator_, server::Coordinator::Create(task, std::move(parts)));
  const server::AttackOptions& attack = options_.simulation.attack;
  if (attack.kind != "none") {
    TERN_ASSIGN_OR_RETURN(attack_, Attack::Create(attack, task, train_, &partition_));
  }
  TERN_ASSIGN_OR_RETURN(report_, PopulationReport::Create(task, &population_, &partition_));
  // Most of those who cannot take part are known before anything has begun.
  std::vector<DeviceLoop::Refused> refused;
  for (const ClassReport& of_class : report_.classes()) {
    refused.push_back({of_class.refusal.empty() ? 0 : of_class.num_devices, of_class.refusal});
  }
  TERN_RETURN_IF_ERROR(CheckEnoughDevices(refused));
  const auto on_update = [this] {
    ++accepted_;
    if (options_.on_progress) options_.on_progress(accepted_, options_.task.round.cohort_size);
  };
  devices_ = std::make_unique<DeviceLoop>(
      DeviceLoop::Options{.seed = task.seed,
                          .num_threads = options_.num_threads,
                          .train_dropped = options_.simulation.train_dropped,
                          .check_in_spread = options_.simulation.check_in_spread,
                          .keeps_state = KeepsState(task),
                          .record_updates = options_.record_updates,
                          .on_update = on_update},
      DeviceLoop::Parts{.coordinator = coordinator_.get(),
                        .clock = &clock_,
                        .population = &population_,
                        .dataset = train_,
                        .partition = &partition_,
                        .attack = attack_.get()});
  return absl::OkStatus();
}

absl::StatusOr<SimulatedRound> Simulator::RunRound() {
  const MonotonicClock wall;
  const absl::Duration started = wall.Now();
  closed_.reset();
  accepted_ = 0;
  TERN_RETURN_IF_ERROR(RunEvents());
  if (finished()) {
    const server::Traffic before = coordinator_->total_traffic();
    devices_->AccountOpenLeases();
    closed_->traffic += coordinator_->total_traffic() - before;
  }
  DeviceTally tally = devices_->TakeTally();
  SimulatedRound result{.record = *std::move(closed_),
                        .first_failure = tally.first_failure,
                        .recorded_updates = std::move(tally.recorded_updates)};
  const auto failed = result.record.clients_dropped.find("failed");
  // Members whose battery no longer allows a plan count as failed, too, but they say nothing.
  if (failed != result.record.clients_dropped.end() &&
      failed->second == result.record.clients_selected && !result.first_failure.empty()) {
    return absl::AbortedError(result.first_failure);
  }
  AddDevicesView(tally, result.record);
  report_.AddRound(result.record, tally, devices_->refused());
  result.training_time = wall.Now() - started;
  const auto round = static_cast<int64_t>(result.record.round);
  if (options_.evaluate_every > 0 && (round % options_.evaluate_every == 0 || finished())) {
    TERN_ASSIGN_OR_RETURN(result.evaluation,
                          Evaluate(options_.task.model, result.record.model->parameters, *test_,
                                   pool_, options_.task.train.loss));
  }
  return result;
}

absl::Status Simulator::RunEvents() {
  const absl::Duration waiting_since = std::max(last_close_, options_.simulation.check_in_spread);
  while (!closed_.has_value()) {
    const uint64_t open_round = coordinator_->open_round();
    if (population_.is_timeless() && open_round != woken_round_) {
      devices_->WakeCohort();
      woken_round_ = open_round;
    }
    const std::optional<absl::Duration> deadline = coordinator_->deadline();
    const std::optional<absl::Duration> event = devices_->next_event();
    if (deadline.has_value() && (!event.has_value() || *deadline <= *event)) {
      // The clock counts whole nanoseconds.
      clock_.Advance(absl::Ceil(*deadline - clock_.Now(), absl::Nanoseconds(1)));
      coordinator_->Tick();
    } else if (event.has_value() && (deadline.has_value() || *event - waiting_since < kStalled)) {
      devices_->HandleNext();
      TERN_RETURN_IF_ERROR(CheckEnoughDevices(devices_->refused()));
    } else {
      return absl::FailedPreconditionError(
          absl::StrCat("no round opened within ", absl::FormatDuration(kStalled),
                       " of virtual time: too few of the ", population_.num_clients(),
                       " devices check in (are on, with energy left), a round needs ",
                       options_.task.MinAvailable()));
    }
  }
  last_close_ = closed_->closed_at;
  return absl::OkStatus();
}

absl::Status Simulator::CheckEnoughDevices(const std::vector<DeviceLoop::Refused>& refused) const {
  int64_t left = population_.num_clients();
  for (const DeviceLoop::Refused& of_class : refused) left -= of_class.num_clients;
  if (left >= options_.task.MinAvailable()) return absl::OkStatus();
  std::string message =
      absl::StrCat("only ", left, " of ", population_.num_clients(),
                   " devices can take part, a round needs ", options_.task.MinAvailable());
  for (size_t i = 0; i < refused.size(); ++i) {
    if (refused[i].num_clients == 0) continue;
    absl::StrAppend(&message, "; ", refused[i].num_clients, " x ", population_.classes()[i].name,
                    ": ", refused[i].message);
  }
  return absl::FailedPreconditionError(message);
}

void Simulator::AddDevicesView(const DeviceTally& tally, server::RoundRecord& record) const {
  if (population_.is_timeless()) return;
  record.energy_j = tally.total_energy_j();
  record.clients_dropped.clear();
  for (server::MemberOutcome& member : record.members) {
    if (member.outcome == server::kCompleted) continue;
    const int64_t client = ClientIndex(member.client_id);
    const auto cause = tally.causes.find(client);
    if (cause != tally.causes.end()) {
      member.outcome = cause->second;
    } else if (member.outcome == "late") {
      const std::string why = devices_->WhyAway(client);  // it has not come for its lease
      if (!why.empty()) member.outcome = why;
    }
    ++record.clients_dropped[member.outcome];
  }
}

}  // namespace tern::simulation
