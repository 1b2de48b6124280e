// The service of proto/tern/v1/coordinator.proto: each method converts, calls the coordinator,
// converts back and counts bytes.
#ifndef TERN_SERVER_GRPC_COORDINATOR_SERVICE_H_
#define TERN_SERVER_GRPC_COORDINATOR_SERVICE_H_

#include "server/coordinator.h"
#include "server/grpc/transfer_ledger.h"
#include "tern/v1/coordinator.grpc.pb.h"

namespace tern::server {

// Thread-safe.
class CoordinatorService final : public v1::Coordinator::Service {
 public:
  // `coordinator` is borrowed and must outlive the service.
  explicit CoordinatorService(Coordinator* coordinator) : coordinator_(coordinator) {}

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
  Coordinator* const coordinator_;
  TransferLedger ledger_;
};

}  // namespace tern::server

#endif  // TERN_SERVER_GRPC_COORDINATOR_SERVICE_H_
