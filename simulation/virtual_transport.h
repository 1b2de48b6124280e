// The carrier of the simulator: function calls that serialize, parse and count the very messages
// that the gRPC transport sends.
//
// Coordinator and clock belong to the simulator's event thread. The work of a lease, which a worker
// does ahead of its time, sees neither: what it needs of the coordinator is taken when the lease is
// given, and what it has for the coordinator is handed over by the event thread when that is due.
#ifndef TERN_SIMULATION_VIRTUAL_TRANSPORT_H_
#define TERN_SIMULATION_VIRTUAL_TRANSPORT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "client/transport.h"
#include "server/coordinator.h"

namespace tern::simulation {

// Of one device, from a check-in to the end of its lease. Not thread-safe: the event thread hands
// it to one worker and takes it back.
class VirtualTransport final : public client::Transport {
 public:
  // `coordinator` must outlive the transport.
  explicit VirtualTransport(server::Coordinator* coordinator) : coordinator_(coordinator) {}

  // On the event thread. Where the reply is a lease, also takes its model and its terms.
  absl::StatusOr<CheckInReply> CheckIn(const CheckInRequest& request) override;
  // On a worker.
  absl::Status FetchModel(absl::string_view lease_id, int64_t max_bytes,
                          std::string& model) override;
  // On the event thread: hands over what Upload has carried.
  absl::StatusOr<SubmitUpdateReply> SubmitUpdate(absl::string_view lease_id,
                                                 absl::string_view update) override;
  // Anywhere: is kept until DeliverFailure.
  absl::StatusOr<ReportFailureReply> ReportFailure(const ReportFailureRequest& request) override;

  // On a worker, after training: carries the update to the other end, where it waits.
  absl::Status Upload(absl::string_view update);
  // On the event thread: hands over the failure that was reported.
  absl::StatusOr<ReportFailureReply> DeliverFailure();

  // What the check-in gave, if it gave that.
  const std::optional<Lease>& lease() const { return lease_; }
  const std::optional<Refusal>& refusal() const { return refusal_; }
  const std::optional<ReportFailureRequest>& failure() const { return failure_; }
  // Of the check-in, and of the whole update in its chunks. The coordinator has counted the former.
  const server::Traffic& check_in_traffic() const { return check_in_traffic_; }
  int64_t upload_bytes() const { return upload_bytes_; }

 private:
  server::Coordinator* coordinator_;
  std::optional<Lease> lease_;
  std::optional<Refusal> refusal_;
  std::shared_ptr<const server::Model> model_;
  server::LeaseTerms terms_;
  std::optional<server::PreparedUpdate> update_;
  std::optional<ReportFailureRequest> failure_;
  server::Traffic check_in_traffic_;
  int64_t upload_bytes_ = 0;
};

// What fetching a model of `model_bytes` sends, request included.
server::Traffic DownloadTraffic(int64_t model_bytes);

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_VIRTUAL_TRANSPORT_H_
