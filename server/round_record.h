// What happened in a round, and the model that came of it.
#ifndef TERN_SERVER_ROUND_RECORD_H_
#define TERN_SERVER_ROUND_RECORD_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/model.h"

namespace tern::server {

// Bytes of serialized application messages, without gRPC and TLS framing.
struct Traffic {
  int64_t bytes_up = 0;
  int64_t bytes_down = 0;
  int64_t bytes_retransmitted = 0;  // of both, what was sent again

  Traffic& operator+=(const Traffic& other) {
    bytes_up += other.bytes_up;
    bytes_down += other.bytes_down;
    bytes_retransmitted += other.bytes_retransmitted;
    return *this;
  }
  Traffic operator-(const Traffic& other) const {
    return {bytes_up - other.bytes_up, bytes_down - other.bytes_down,
            bytes_retransmitted - other.bytes_retransmitted};
  }
};

// What became of a member of the cohort.
inline constexpr char kCompleted[] = "completed";
struct MemberOutcome {
  std::string client_id;
  std::string outcome;               // kCompleted, or why not, a key of clients_dropped
  std::string submodel;              // of its plan; empty: the full model
  int64_t update_bytes = 0;          // serialized, if it completed
  int64_t predicted_peak_bytes = 0;  // of its plan; 0: it has not come for its lease
  int64_t measured_peak_bytes = 0;   // if it completed
};

struct RoundRecord {
  uint64_t round = 0;  // from 1
  bool changed_model = false;
  std::string note;  // why not, if it did not
  int64_t clients_available = 0;
  int64_t clients_selected = 0;
  int64_t clients_completed = 0;
  std::map<std::string, int64_t> clients_dropped;  // by reason: "late", "failed", "not_needed"
  int64_t updates_rejected = 0;
  double train_loss = 0.0;  // mean over clients, weighted by examples
  int64_t device_peak_memory_bytes = 0;
  Traffic traffic;
  int64_t float_bytes_up = 0;  // what its updates and its models would have been as 32-bit floats
  int64_t float_bytes_down = 0;
  absl::Duration duration;
  absl::Duration closed_at;            // by the coordinator's clock
  int64_t update_bytes = 0;            // of accepted updates, serialized
  std::optional<double> energy_j;      // of the devices, where it is known
  std::vector<MemberOutcome> members;  // in the order in which they were drawn
  std::shared_ptr<const Model> model;  // after the round
};

// Told of every round when it has closed. Calls come one at a time, in order, from the thread that
// closed the round and under the coordinator's lock: hand long work on, and do not call the
// coordinator.
class RoundObserver {
 public:
  virtual ~RoundObserver() = default;
  virtual void OnRoundClosed(const RoundRecord& record) = 0;
};

}  // namespace tern::server

#endif  // TERN_SERVER_ROUND_RECORD_H_
