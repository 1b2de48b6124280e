// One visit of a simulated device to the coordinator: a check-in and, if that gives a lease, the
// work under it. The deployed session does all of it; the visit lends it a clock, a carrier, a
// trainer and memory.
#ifndef TERN_SIMULATION_VISIT_H_
#define TERN_SIMULATION_VISIT_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "client/device_state.h"
#include "client/session.h"
#include "core/base/clock.h"
#include "core/data/dataset.h"
#include "core/train/engine_trainer.h"
#include "simulation/attacks/attack.h"
#include "simulation/round_trip.h"
#include "simulation/virtual_transport.h"

namespace tern::simulation {

// What a thread lends to the device that it works for.
struct Worker {
  EngineTrainer trainer;
  client::SessionBuffers buffers;
};

// Call order: CheckIn, then, if it gave a lease, Work at most once, then nothing more, or
// DeliverFailure, or Submit and, if that ended in a failure, DeliverFailure. Work may run in
// another thread than the rest, not at the same time.
class Visit {
 public:
  struct Parts {
    server::Coordinator* coordinator = nullptr;
    const Dataset* dataset = nullptr;  // of all devices
    absl::Span<const int32_t> examples;
    client::DeviceState* state = nullptr;  // may be null
    bool keep_update = false;
  };
  // What `parts` points to must outlive the visit.
  Visit(int64_t client, const std::string& client_id, const Capabilities& capabilities,
        const Parts& parts);

  client::Session::Progress CheckIn(absl::Duration now);
  bool has_lease() const { return transport_.lease().has_value(); }

  // Fetches, trains, encodes and carries the update to the other end.
  void Work(Worker& worker);
  // Whether Work ended with an update.
  bool has_update() const { return session_.state() == client::Session::State::kSubmit; }
  const std::string& failure() const { return failure_; }  // why not; empty: none

  // Each ends the lease and returns the wait until the device checks in again: hands over the
  // update, or the failure. A device that gives its lease up waits Session::kRetryWait.
  absl::Duration Submit(absl::Duration now);
  absl::Duration DeliverFailure();
  bool accepted() const { return session_.updates_accepted() > 0; }
  // With keep_update, after Work: the update as it was before it was encoded.
  std::vector<float> TakeKeptUpdate() { return std::move(keeper_.values); }

  // Fills in `legs` from the lease: the upload is as short as it can be.
  void PlanLegs(const DeviceProfile& profile, const DeviceSpeed& speed);
  // After Work: the upload as it is.
  void MeasureUpload(const DeviceProfile& profile, const DeviceSpeed& speed);

  int64_t client() const { return client_; }
  const VirtualTransport& transport() const { return transport_; }
  const Lease& lease() const { return *transport_.lease(); }

  std::array<Leg, 3> legs;       // download, training, upload
  absl::Duration started_at;     // when the lease was given
  int64_t order = 0;             // of the lease among all leases
  bool is_queued = false;        // Work is in the work queue
  bool is_wanted_again = false;  // checks in again at once
  size_t class_index = 0;        // of the device
  // What the device does instead of training; null: it is honest.
  std::shared_ptr<RoundAttack> attack;

 private:
  // Hands the session the trainer of whatever worker it is with.
  class LentTrainer final : public Trainer {
   public:
    absl::Status Prepare(const Plan& plan, int64_t num_examples) override {
      return trainer->Prepare(plan, num_examples);
    }
    absl::StatusOr<TrainReport> Train(const Plan& plan, uint64_t client, const Dataset& dataset,
                                      absl::Span<float> parameters,
                                      absl::Span<float> control) override {
      return trainer->Train(plan, client, dataset, parameters, control);
    }
    Trainer* trainer = nullptr;
  };

  class Keeper final : public client::UpdateObserver {
   public:
    void OnUpdate(const Lease& /*lease*/, absl::Span<const float> update) override {
      values.assign(update.begin(), update.end());
    }
    std::vector<float> values;
  };

  const int64_t client_;
  Keeper keeper_;
  SimulatedClock clock_;
  VirtualTransport transport_;
  LentTrainer trainer_;
  DatasetView examples_;
  client::SessionBuffers buffers_;
  client::Session session_;
  std::string failure_;
};

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_VISIT_H_
