// The discrete events of simulated devices: they check in, and those that get a lease download,
// train and upload in the time that their profile takes, unless the deadline, a battery or a power
// switch is faster. Events come in the order of virtual time, one after the other, so that results
// depend on nothing else; training runs ahead of its events, in parallel.
#ifndef TERN_SIMULATION_DEVICE_LOOP_H_
#define TERN_SIMULATION_DEVICE_LOOP_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/device_state.h"
#include "core/base/clock.h"
#include "core/data/dataset.h"
#include "core/data/partition.h"
#include "server/coordinator.h"
#include "simulation/attacks/attack.h"
#include "simulation/population.h"
#include "simulation/round_trip.h"
#include "simulation/updates.h"
#include "simulation/visit.h"
#include "simulation/work_queue.h"

namespace tern::simulation {

// What devices did since it was taken last.
struct DeviceTally {
  std::map<int64_t, std::string> causes;  // client -> why it dropped out of its lease
  std::vector<double> energy_j;           // by class
  std::vector<server::Traffic> traffic;   // by class; without check-ins
  std::string first_failure;              // "client 'client-3': ..."; empty: none
  std::vector<RecordedUpdate> recorded_updates;

  double total_energy_j() const;
};

// One thread at a time.
class DeviceLoop {
 public:
  struct Options {
    uint64_t seed = 1;
    int num_threads = 1;
    bool train_dropped = false;      // trains also what is known not to count
    absl::Duration check_in_spread;  // devices first check in within so long
    bool keeps_state = false;        // devices need their state between rounds
    // So many updates are recorded, the first that are accepted. Until then the unencoded update of
    // every open lease is kept.
    int64_t record_updates = 0;
    std::function<void()> on_update;  // after an accepted update; may be empty
  };
  // All must outlive the loop.
  struct Parts {
    server::Coordinator* coordinator = nullptr;
    SimulatedClock* clock = nullptr;  // the coordinator's
    const Population* population = nullptr;
    const Dataset* dataset = nullptr;
    const Partition* partition = nullptr;  // device i holds client(i)
    const Attack* attack = nullptr;        // null: all are honest
  };
  DeviceLoop(Options options, Parts parts);
  ~DeviceLoop();

  // The time of the next event; nothing if none will come.
  std::optional<absl::Duration> next_event() const;
  // Lets time pass up to it, and does it.
  void HandleNext();

  // Lets the members of the open round check in now: in a population for which no time passes,
  // nobody asks before there is an answer.
  void WakeCohort();

  // Why a device does not come for its lease now: "offline", "battery", or empty.
  std::string WhyAway(int64_t client);
  // Books what leases that are under way have done until now; at the end of a run.
  void AccountOpenLeases();
  DeviceTally TakeTally();
  // Devices that will never take part, by class, and the coordinator's first word to one of them.
  struct Refused {
    int64_t num_clients = 0;
    std::string message;
  };
  const std::vector<Refused>& refused() const { return refused_; }

 private:
  enum class Kind { kCheckIn, kTrained, kUploaded, kDropped };
  // Among events of one time, check-ins come first, so that the work of all is known before any of
  // it is waited for; then leases in order, each to its end.
  struct Event {
    absl::Duration at;
    int64_t order = 0;  // of the lease; negative for a check-in
    Kind kind = Kind::kCheckIn;
    int64_t client = 0;
    const char* cause = "";  // of a drop

    bool operator>(const Event& other) const {
      return std::tie(at, order, kind) > std::tie(other.at, other.order, other.kind);
    }
  };
  // What ends a lease before it is done.
  struct Obstacle {
    absl::Duration at = absl::InfiniteDuration();
    const char* cause = "";
  };

  void Schedule(Event event);
  void CheckInAt(int64_t client, absl::Duration at);
  void CheckIn(int64_t client);
  void StartLease(std::unique_ptr<Visit> visit);
  // The attack on the open round, of which a lease was given; null where there is none.
  const std::shared_ptr<RoundAttack>& AttackOnRound(uint64_t round);
  void FinishTraining(Visit& visit);
  void FinishUpload(Visit& visit);
  void Fail(Visit& visit);
  void Drop(Visit& visit, const char* cause);
  bool IsOfOpenRound(const Visit& visit) const;
  // Takes the visit back from the workers, trained or not.
  void SettleWork(Visit& visit);
  // Puts the update, which was accepted, into the tally, if it is one of the first.
  void Record(Visit& visit);
  // Forgets the visit; its device checks in after `wait`.
  void End(Visit& visit, absl::Duration wait);

  Capabilities CapabilitiesOf(int64_t client, double battery_joules) const;
  DeviceSpeed SpeedOf(const Visit& visit) const;
  const DeviceProfile& ProfileOf(const Visit& visit) const;
  Obstacle FirstObstacle(const Visit& visit) const;
  // Books what the visit has done of its legs until now.
  void Account(const Visit& visit);
  WorkQueue::Key WorkKey(const Visit& visit) const;
  client::DeviceState* StateOf(int64_t client);

  const Options options_;
  const Parts parts_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::priority_queue<Event, std::vector<Event>, std::greater<Event>> events_;
  std::unordered_map<int64_t, std::unique_ptr<Visit>> leases_;  // by client
  std::vector<Battery> batteries_;                              // by client; empty: on mains
  std::unordered_map<int64_t, std::unique_ptr<client::DeviceState>> states_;
  std::vector<Refused> refused_;
  std::shared_ptr<RoundAttack> attack_;  // on attacked_round_
  uint64_t attacked_round_ = 0;
  DeviceTally tally_;
  int64_t num_check_ins_ = 0;
  int64_t num_leases_ = 0;
  int64_t num_recorded_ = 0;
  WorkQueue work_;  // last: its threads end first
};

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_DEVICE_LOOP_H_
