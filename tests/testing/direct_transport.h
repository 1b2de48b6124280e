// A session's transport to a coordinator in the same process, without a network.
#ifndef TERN_TESTS_TESTING_DIRECT_TRANSPORT_H_
#define TERN_TESTS_TESTING_DIRECT_TRANSPORT_H_

#include <string>

#include "client/transport.h"
#include "server/coordinator.h"

namespace tern::testing {

class DirectTransport final : public client::Transport {
 public:
  explicit DirectTransport(server::Coordinator* coordinator) : coordinator_(coordinator) {}

  absl::StatusOr<CheckInReply> CheckIn(const CheckInRequest& request) override {
    return coordinator_->CheckIn(request);
  }
  absl::Status FetchModel(absl::string_view lease_id, int64_t /*max_bytes*/,
                          std::string& model) override {
    const auto fetched = coordinator_->FetchModel(lease_id);
    if (!fetched.ok()) return fetched.status();
    model += (*fetched)->frame.substr(model.size());
    return absl::OkStatus();
  }
  absl::StatusOr<SubmitUpdateReply> SubmitUpdate(absl::string_view lease_id,
                                                 absl::string_view update) override {
    return coordinator_->SubmitUpdate(lease_id, update);
  }
  absl::StatusOr<ReportFailureReply> ReportFailure(const ReportFailureRequest& request) override {
    return coordinator_->ReportFailure(request);
  }

 private:
  server::Coordinator* coordinator_;
};

}  // namespace tern::testing

#endif  // TERN_TESTS_TESTING_DIRECT_TRANSPORT_H_
