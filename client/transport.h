// How a device reaches the coordinator. The session knows nothing of the carrier: gRPC on a device,
// a function call in the simulator.
#ifndef TERN_CLIENT_TRANSPORT_H_
#define TERN_CLIENT_TRANSPORT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/wire/messages.h"

namespace tern::client {

// Status codes are those of the service's contract (proto/tern/v1/coordinator.proto). UNAVAILABLE,
// DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED and CANCELLED may succeed when tried again; others will
// not. One call at a time.
class Transport {
 public:
  virtual ~Transport() = default;

  virtual absl::StatusOr<CheckInReply> CheckIn(const CheckInRequest& request) = 0;

  // Appends the lease's model to `model`, from the offset model.size() on; no more than `max_bytes`
  // in all. After an error, `model` holds what arrived whole, and the call may be made again.
  virtual absl::Status FetchModel(absl::string_view lease_id, int64_t max_bytes,
                                  std::string& model) = 0;

  // Sends a serialized Update under its lease.
  virtual absl::StatusOr<SubmitUpdateReply> SubmitUpdate(absl::string_view lease_id,
                                                         absl::string_view update) = 0;

  virtual absl::StatusOr<ReportFailureReply> ReportFailure(const ReportFailureRequest& request) = 0;
};

}  // namespace tern::client

#endif  // TERN_CLIENT_TRANSPORT_H_
