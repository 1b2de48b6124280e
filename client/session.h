// A device's side of federated learning, as a state machine:
//
//   check in ─> (wait ─> check in)* ─> fetch ─> train ─> submit ─> wait ─> check in ...
//
// A session does one step at a time and never waits itself: it says how long its driver should wait
// before the next step. The driver is a loop in tern-client, or the simulator.
#ifndef TERN_CLIENT_SESSION_H_
#define TERN_CLIENT_SESSION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/device_state.h"
#include "client/fetched_model.h"
#include "client/transport.h"
#include "compression/codec.h"
#include "core/base/clock.h"
#include "core/data/dataset.h"
#include "core/engine/aligned_floats.h"
#include "core/train/trainer.h"
#include "core/wire/messages.h"
#include "core/wire/plan_codec.h"

namespace tern::client {

struct SessionOptions {
  std::string client_id;
  Capabilities capabilities;
  // How long the coordinator may be out of reach before the session gives up.
  absl::Duration give_up_after = absl::Minutes(10);
  // Whether a fetched model is hashed and compared with the lease. Off where transport and
  // coordinator are one process.
  bool verify_model_hash = true;
};

// Memory that a session works in; kept apart so that many sessions can take turns with one, a lease
// each. From one lease to the next it is kept where the plans need the same, and else released
// before the trainer's is taken: what is held is what the plan was predicted to need.
struct SessionBuffers {
  // The model as it was fetched, until the update is taken from it; then the update, serialized.
  std::string transfer;
  // Being trained, with error feedback from the model and the residual on; then the update; with
  // error feedback, then the new residual.
  AlignedFloats parameters;
  // What is added to every gradient; then the section `control` where there is one; then what the
  // coordinator decodes of it, with FedDyn of the update. Empty where the plan's method has none.
  AlignedFloats control;
  // Personal parameters as they were trained. Empty where the plan has none.
  AlignedFloats personal;
};

// Is shown updates before they are encoded.
class UpdateObserver {
 public:
  virtual ~UpdateObserver() = default;
  // `update` is valid during the call only.
  virtual void OnUpdate(const Lease& lease, absl::Span<const float> update) = 0;
};

class Session {
 public:
  // All pointers are borrowed and must outlive the session. One thread at a time.
  struct Parts {
    Transport* transport = nullptr;
    Trainer* trainer = nullptr;
    const Dataset* dataset = nullptr;
    const Clock* clock = nullptr;
    SessionBuffers* buffers = nullptr;
    // May be null where no plan wants anything kept: no residual, control variate or personal
    // parameters.
    DeviceState* state = nullptr;
    UpdateObserver* observer = nullptr;  // may be null
  };
  Session(SessionOptions options, Parts parts);

  // Before the first new attempt, and after a lease that was given up.
  static constexpr absl::Duration kRetryWait = absl::Milliseconds(200);

  enum class State { kCheckIn, kFetch, kTrain, kSubmit, kFinished, kRefused, kFailed };

  // What a step did, for the driver and for people.
  struct Progress {
    State next = State::kCheckIn;  // the step to come; kFinished, kRefused and kFailed are final
    absl::Duration wait;           // before it
    std::string message;           // one line; may be empty
  };

  // Does the current state's work and moves on, unless the lease's deadline has passed. A
  // coordinator that cannot be reached keeps the state, with growing waits, until give_up_after has
  // passed; then kFailed. An error that concerns one lease gives the lease up.
  Progress Step();

  State state() const { return state_; }
  // Updates acknowledged so far.
  int64_t updates_accepted() const { return updates_accepted_; }

 private:
  Progress CheckIn();
  Progress Fetch();
  Progress Train();
  Progress Submit();

  // Takes all memory that the lease needs, before anything is fetched for it. An error: the plan
  // cannot be executed, or the model that the lease offers is not as long as the plan says.
  absl::Status TakeMemory();
  // A view into buffers.transfer.
  FetchedModel Fetched() const;
  // Fills buffers.parameters from the fetched model.
  absl::Status DecodeModel();
  // Adds what the device keeps to the model, and to what training takes besides. Warnings about
  // what of that could not be read, each behind "; warning: ".
  std::string BeginTraining();
  // Turns the trained parameters into the update, and fills the other buffers.
  absl::Status TakeUpdate(const TrainReport& report);
  // Encodes the update into buffers.transfer; with error feedback, parameters are the new residual
  // then.
  absl::Status EncodeUpdate(const TrainReport& report);
  // Keeps what an update that was acknowledged leaves on the device. Warnings as BeginTraining.
  std::string KeepState();
  Progress MoveTo(State next, absl::Duration wait, std::string message);
  Progress Retry(const absl::Status& status);
  // After an error that trying again does not mend.
  Progress EndLease(const absl::Status& status);
  Progress GiveUpLease(const absl::Status& status);
  Progress ReportFailure(const absl::Status& status);

  SessionOptions options_;
  Parts parts_;
  uint64_t client_hash_;
  State state_ = State::kCheckIn;
  Lease lease_;
  std::unique_ptr<const PlanCodec> codec_;  // of the lease
  // Whether what the device keeps could be read when training began; else it counts as 0.
  bool residual_is_used_ = false;
  bool control_is_used_ = false;
  absl::Duration lease_ends_at_;  // by the session's clock
  int64_t updates_accepted_ = 0;
  int failed_attempts_ = 0;
  absl::Duration unreachable_since_;
};

}  // namespace tern::client

#endif  // TERN_CLIENT_SESSION_H_
