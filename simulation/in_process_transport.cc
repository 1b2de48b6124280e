#include "simulation/in_process_transport.h"

#include <utility>

#include "core/base/status_macros.h"
#include "core/wire/chunks.h"
#include "core/wire/serialize.h"

namespace tern::simulation {
namespace {

// What arrives at the other end when `value` is sent; adds its length to `bytes`.
template <typename T>
absl::StatusOr<T> Carry(T value, int64_t& bytes) {
  const std::string message = Serialize(std::move(value));
  bytes += static_cast<int64_t>(message.size());
  return Parse<T>(message);
}

}  // namespace

absl::StatusOr<CheckInReply> InProcessTransport::CheckIn(const CheckInRequest& request) {
  server::Traffic traffic;
  TERN_ASSIGN_OR_RETURN(const CheckInRequest arrived, Carry(request, traffic.bytes_up));
  absl::StatusOr<CheckInReply> reply = Carry(coordinator_->CheckIn(arrived), traffic.bytes_down);
  coordinator_->CountTraffic(traffic);
  return reply;
}

absl::Status InProcessTransport::FetchModel(absl::string_view lease_id, int64_t max_bytes,
                                            std::string& model) {
  server::Traffic traffic;
  TERN_ASSIGN_OR_RETURN(
      const FetchModelRequest request,
      Carry(FetchModelRequest{.lease_id = std::string(lease_id), .offset = model.size()},
            traffic.bytes_up));
  TERN_ASSIGN_OR_RETURN(const std::shared_ptr<const server::Model> source,
                        coordinator_->FetchModel(request.lease_id));
  ChunkAssembler assembler(static_cast<uint64_t>(max_bytes), &model);
  TERN_RETURN_IF_ERROR(
      SendChunks(source->frame, request.offset, "", [&](Chunk&& chunk) -> absl::Status {
        TERN_ASSIGN_OR_RETURN(const Chunk arrived, Carry(std::move(chunk), traffic.bytes_down));
        return assembler.Add(arrived);
      }));
  coordinator_->CountTraffic(traffic);
  return assembler.Finish();
}

absl::StatusOr<SubmitUpdateReply> InProcessTransport::SubmitUpdate(absl::string_view lease_id,
                                                                   absl::string_view update) {
  server::Traffic traffic;
  received_.clear();
  ChunkAssembler assembler(static_cast<uint64_t>(coordinator_->max_update_bytes()), &received_);
  TERN_RETURN_IF_ERROR(SendChunks(update, 0, lease_id, [&](Chunk&& chunk) -> absl::Status {
    TERN_ASSIGN_OR_RETURN(const Chunk arrived, Carry(std::move(chunk), traffic.bytes_up));
    return assembler.Add(arrived);
  }));
  TERN_RETURN_IF_ERROR(assembler.Finish());
  // Counted before it is handed over: the update that closes a round belongs to that round.
  coordinator_->CountTraffic(traffic);
  TERN_ASSIGN_OR_RETURN(const SubmitUpdateReply reply,
                        coordinator_->SubmitUpdate(lease_id, received_));
  server::Traffic back;
  absl::StatusOr<SubmitUpdateReply> arrived = Carry(reply, back.bytes_down);
  coordinator_->CountTraffic(back);
  return arrived;
}

absl::StatusOr<ReportFailureReply> InProcessTransport::ReportFailure(
    const ReportFailureRequest& request) {
  server::Traffic traffic;
  TERN_ASSIGN_OR_RETURN(const ReportFailureRequest arrived, Carry(request, traffic.bytes_up));
  TERN_ASSIGN_OR_RETURN(const ReportFailureReply reply, coordinator_->ReportFailure(arrived));
  absl::StatusOr<ReportFailureReply> answer = Carry(reply, traffic.bytes_down);
  coordinator_->CountTraffic(traffic);
  return answer;
}

}  // namespace tern::simulation
