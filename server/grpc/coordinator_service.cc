#include "server/grpc/coordinator_service.h"

#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/auth_context.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "core/base/status_macros.h"
#include "core/wire/chunks.h"
#include "core/wire/proto_conversion.h"

namespace tern::server {
namespace {

// A status travels in a header, of which peers accept 8 KiB.
constexpr size_t kMaxStatusBytes = 1024;

grpc::Status ToGrpc(const absl::Status& status) {
  const absl::string_view message = status.message().substr(0, kMaxStatusBytes);
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(message));
}

template <typename Message>
int64_t SizeOf(const Message& message) {
  return static_cast<int64_t>(message.ByteSizeLong());
}

// PERMISSION_DENIED if the peer showed a certificate and it is for another name.
absl::Status CheckPeerIsClient(const grpc::ServerContext& context, absl::string_view client_id) {
  const std::shared_ptr<const grpc::AuthContext> peer = context.auth_context();
  if (peer == nullptr || !peer->IsPeerAuthenticated()) return absl::OkStatus();
  std::vector<std::string> names;
  for (const char* property : {GRPC_X509_CN_PROPERTY_NAME, GRPC_X509_SAN_PROPERTY_NAME}) {
    for (const grpc::string_ref& name : peer->FindPropertyValues(property)) {
      names.emplace_back(name.data(), name.size());
    }
  }
  if (std::find(names.begin(), names.end(), client_id) != names.end()) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat("the certificate is for '",
                                                  absl::StrJoin(names, "', '"),
                                                  "', the client id is '", client_id, "'"));
}

// Puts an upload together: its lease and the bytes. `on_lease` may refuse it before anything is
// kept of it; `on_chunk` hears of every chunk that came.
absl::StatusOr<std::pair<std::string, std::string>> Receive(
    grpc::ServerReader<v1::Chunk>& reader, int64_t max_bytes,
    const std::function<absl::Status(const std::string&)>& on_lease,
    const std::function<void(const std::string&, const v1::Chunk&)>& on_chunk) {
  std::string lease_id;
  std::string update;
  ChunkAssembler assembler(static_cast<uint64_t>(max_bytes), &update);
  v1::Chunk message;
  while (reader.Read(&message)) {
    TERN_ASSIGN_OR_RETURN(const Chunk chunk, FromProto(message));
    const bool first = lease_id.empty();
    if (first) lease_id = chunk.lease_id;
    if (lease_id.empty()) {
      return absl::InvalidArgumentError("first chunk: no lease_id, expected 16 bytes");
    }
    on_chunk(lease_id, message);
    if (first) TERN_RETURN_IF_ERROR(on_lease(lease_id));
    TERN_RETURN_IF_ERROR(assembler.Add(chunk));
  }
  TERN_RETURN_IF_ERROR(assembler.Finish());
  return std::make_pair(std::move(lease_id), std::move(update));
}

}  // namespace

CoordinatorService::RunningCall::RunningCall(CoordinatorService& service) : service_(service) {
  MutexLock lock(service_.mutex_);
  ++service_.running_calls_;
}

CoordinatorService::RunningCall::~RunningCall() {
  MutexLock lock(service_.mutex_);
  if (--service_.running_calls_ == 0) service_.idle_.NotifyAll();
}

void CoordinatorService::WaitUntilIdle(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  MutexLock lock(mutex_);
  while (running_calls_ > 0 && absl::Now() < deadline) {
    idle_.WaitFor(mutex_, deadline - absl::Now());
  }
}

grpc::Status CoordinatorService::CheckIn(grpc::ServerContext* context,
                                         const v1::CheckInRequest* request,
                                         v1::CheckInReply* reply) {
  const RunningCall running(*this);
  coordinator_->CountTraffic({.bytes_up = SizeOf(*request)});
  const absl::StatusOr<CheckInRequest> value = FromProto(*request);
  if (!value.ok()) return ToGrpc(value.status());
  const absl::Status peer = CheckPeerIsClient(*context, value->client_id);
  if (!peer.ok()) return ToGrpc(peer);
  ToProto(coordinator_->CheckIn(*value), *reply);
  coordinator_->CountTraffic({.bytes_down = SizeOf(*reply)});
  return grpc::Status::OK;
}

grpc::Status CoordinatorService::FetchModel(grpc::ServerContext* /*context*/,
                                            const v1::FetchModelRequest* request,
                                            grpc::ServerWriter<v1::Chunk>* writer) {
  const RunningCall running(*this);
  coordinator_->CountTraffic({.bytes_up = SizeOf(*request)});
  const absl::StatusOr<FetchModelRequest> value = FromProto(*request);
  if (!value.ok()) return ToGrpc(value.status());
  const absl::StatusOr<std::shared_ptr<const Model>> model =
      coordinator_->FetchModel(value->lease_id);
  if (!model.ok()) return ToGrpc(model.status());
  const auto send = [&](Chunk&& chunk) {
    v1::Chunk message;
    ToProto(std::move(chunk), message);
    if (!writer->Write(message)) return absl::CancelledError("the device has gone");
    const int64_t again =
        ledger_.Sent(value->lease_id, message.offset(), message.offset() + message.data().size());
    coordinator_->CountTraffic(
        {.bytes_down = SizeOf(message) - again, .bytes_retransmitted = again});
    return absl::OkStatus();
  };
  return ToGrpc(SendChunks((*model)->frame, value->offset, "", send));
}

grpc::Status CoordinatorService::SubmitUpdate(grpc::ServerContext* context,
                                              grpc::ServerReader<v1::Chunk>* reader,
                                              v1::SubmitUpdateReply* reply) {
  const RunningCall running(*this);
  const auto count = [&](const std::string& lease_id, const v1::Chunk& chunk) {
    const int64_t again =
        ledger_.Received(lease_id, chunk.offset(), chunk.offset() + chunk.data().size());
    coordinator_->CountTraffic({.bytes_up = SizeOf(chunk) - again, .bytes_retransmitted = again});
  };
  const auto may_upload = [this](const std::string& lease_id) {
    return coordinator_->MayUpload(lease_id);
  };
  const auto upload = Receive(*reader, coordinator_->max_update_bytes(), may_upload, count);
  if (context->IsCancelled())
    return grpc::Status(grpc::StatusCode::CANCELLED, "the device has gone");
  if (!upload.ok()) return ToGrpc(upload.status());
  const absl::StatusOr<SubmitUpdateReply> value =
      coordinator_->SubmitUpdate(upload->first, upload->second);
  if (!value.ok()) return ToGrpc(value.status());
  ToProto(*value, *reply);
  coordinator_->CountTraffic({.bytes_down = SizeOf(*reply)});
  return grpc::Status::OK;
}

grpc::Status CoordinatorService::ReportFailure(grpc::ServerContext* /*context*/,
                                               const v1::ReportFailureRequest* request,
                                               v1::ReportFailureReply* reply) {
  const RunningCall running(*this);
  coordinator_->CountTraffic({.bytes_up = SizeOf(*request)});
  const absl::StatusOr<ReportFailureRequest> value = FromProto(*request);
  if (!value.ok()) return ToGrpc(value.status());
  const absl::StatusOr<ReportFailureReply> answer = coordinator_->ReportFailure(*value);
  if (!answer.ok()) return ToGrpc(answer.status());
  ToProto(*answer, *reply);
  coordinator_->CountTraffic({.bytes_down = SizeOf(*reply)});
  return grpc::Status::OK;
}

}  // namespace tern::server
