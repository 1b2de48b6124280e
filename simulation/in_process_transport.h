// The carrier of the simulator: a function call that serializes, parses and counts the very
// messages that the gRPC transport sends.
#ifndef TERN_SIMULATION_IN_PROCESS_TRANSPORT_H_
#define TERN_SIMULATION_IN_PROCESS_TRANSPORT_H_

#include <string>

#include "client/transport.h"
#include "server/coordinator.h"

namespace tern::simulation {

class InProcessTransport final : public client::Transport {
 public:
  // `coordinator` must outlive the transport.
  explicit InProcessTransport(server::Coordinator* coordinator) : coordinator_(coordinator) {}

  absl::StatusOr<CheckInReply> CheckIn(const CheckInRequest& request) override;
  absl::Status FetchModel(absl::string_view lease_id, int64_t max_bytes,
                          std::string& model) override;
  absl::StatusOr<SubmitUpdateReply> SubmitUpdate(absl::string_view lease_id,
                                                 absl::string_view update) override;
  absl::StatusOr<ReportFailureReply> ReportFailure(const ReportFailureRequest& request) override;

 private:
  server::Coordinator* coordinator_;
  std::string received_;  // the upload at the server's end
};

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_IN_PROCESS_TRANSPORT_H_
