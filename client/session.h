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
#include "client/transport.h"
#include "core/base/clock.h"
#include "core/data/dataset.h"
#include "core/train/trainer.h"
#include "core/wire/messages.h"

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

// Memory that a session works in; kept apart so that many sessions can take turns with one.
struct SessionBuffers {
  std::string model;              // as it was fetched; kept until the update is taken from it
  std::vector<float> parameters;  // being trained; then the update
  std::string update;             // serialized
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
  };
  Session(SessionOptions options, Parts parts);

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

  // Whether the model that the lease offers is as long as the plan says, before memory is spent on
  // it.
  absl::Status CheckModelBytes() const;
  // Fills buffers.parameters from the fetched model.
  absl::Status DecodeModel();
  // Turns the trained parameters into the update and serializes it.
  absl::Status EncodeUpdate(const TrainReport& report);
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
  absl::Duration lease_ends_at_;  // by the session's clock
  int64_t updates_accepted_ = 0;
  int failed_attempts_ = 0;
  absl::Duration unreachable_since_;
};

}  // namespace tern::client

#endif  // TERN_CLIENT_SESSION_H_
