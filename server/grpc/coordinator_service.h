// The service of proto/tern/v1/coordinator.proto: each method converts, calls the coordinator,
// converts back and counts bytes.
#ifndef TERN_SERVER_GRPC_COORDINATOR_SERVICE_H_
#define TERN_SERVER_GRPC_COORDINATOR_SERVICE_H_

#include "absl/time/time.h"
#include "core/base/mutex.h"
#include "server/coordinator.h"
#include "server/grpc/transfer_ledger.h"
#include "tern/v1/coordinator.grpc.pb.h"

namespace tern::server {

// Thread-safe.
class CoordinatorService final : public v1::Coordinator::Service {
 public:
  // `coordinator` is borrowed and must outlive the service.
  explicit CoordinatorService(Coordinator* coordinator) : coordinator_(coordinator) {}

  // Returns when no call is running, or after `timeout`.
  void WaitUntilIdle(absl::Duration timeout);

  // PERMISSION_DENIED: the peer's certificate is for another client id.
  grpc::Status CheckIn(grpc::ServerContext* context, const v1::CheckInRequest* request,
                       v1::CheckInReply* reply) override;
  grpc::Status FetchModel(grpc::ServerContext* context, const v1::FetchModelRequest* request,
                          grpc::ServerWriter<v1::Chunk>* writer) override;
  grpc::Status SubmitUpdate(grpc::ServerContext* context, grpc::ServerReader<v1::Chunk>* reader,
                            v1::SubmitUpdateReply* reply) override;
  grpc::Status ReportFailure(grpc::ServerContext* context, const v1::ReportFailureRequest* request,
                             v1::ReportFailureReply* reply) override;

 private:
  // Stands for a call while it runs.
  class RunningCall {
   public:
    explicit RunningCall(CoordinatorService& service);
    ~RunningCall();
    RunningCall(const RunningCall&) = delete;
    RunningCall& operator=(const RunningCall&) = delete;

   private:
    CoordinatorService& service_;
  };

  Coordinator* const coordinator_;
  TransferLedger ledger_;

  Mutex mutex_;
  CondVar idle_;
  int running_calls_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace tern::server

#endif  // TERN_SERVER_GRPC_COORDINATOR_SERVICE_H_
