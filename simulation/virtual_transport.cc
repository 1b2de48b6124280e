#include "simulation/virtual_transport.h"

#include <utility>
#include <variant>

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

absl::StatusOr<CheckInReply> VirtualTransport::CheckIn(const CheckInRequest& request) {
  TERN_ASSIGN_OR_RETURN(const CheckInRequest arrived, Carry(request, check_in_traffic_.bytes_up));
  absl::StatusOr<CheckInReply> reply =
      Carry(coordinator_->CheckIn(arrived), check_in_traffic_.bytes_down);
  coordinator_->CountTraffic(check_in_traffic_);
  if (!reply.ok()) return reply;
  if (const auto* lease = std::get_if<Lease>(&*reply)) {
    lease_ = *lease;
    TERN_ASSIGN_OR_RETURN(model_, coordinator_->FetchModel(lease->lease_id));
    TERN_ASSIGN_OR_RETURN(terms_, coordinator_->TermsOf(lease->lease_id));
  }
  if (const auto* refusal = std::get_if<Refusal>(&*reply)) refusal_ = *refusal;
  return reply;
}

absl::Status VirtualTransport::FetchModel(absl::string_view lease_id, int64_t max_bytes,
                                          std::string& model) {
  // Counted by the event thread, as much of it as is due: see DownloadTraffic.
  int64_t bytes = 0;
  TERN_ASSIGN_OR_RETURN(const FetchModelRequest request,
                        Carry(FetchModelRequest{.lease_id = std::string(lease_id)}, bytes));
  ChunkAssembler assembler(static_cast<uint64_t>(max_bytes), &model);
  TERN_RETURN_IF_ERROR(
      SendChunks(model_->frame, request.offset, "", [&](Chunk&& chunk) -> absl::Status {
        TERN_ASSIGN_OR_RETURN(const Chunk arrived, Carry(std::move(chunk), bytes));
        return assembler.Add(arrived);
      }));
  return assembler.Finish();
}

absl::Status VirtualTransport::Upload(absl::string_view update) {
  std::string received;
  received.reserve(update.size());
  ChunkAssembler assembler(static_cast<uint64_t>(coordinator_->max_update_bytes()), &received);
  TERN_RETURN_IF_ERROR(SendChunks(update, 0, terms_.lease_id, [&](Chunk&& chunk) -> absl::Status {
    TERN_ASSIGN_OR_RETURN(const Chunk arrived, Carry(std::move(chunk), upload_bytes_));
    return assembler.Add(arrived);
  }));
  TERN_RETURN_IF_ERROR(assembler.Finish());
  update_ = coordinator_->Prepare(std::move(terms_), received);
  return absl::OkStatus();
}

absl::StatusOr<SubmitUpdateReply> VirtualTransport::SubmitUpdate(absl::string_view /*lease_id*/,
                                                                 absl::string_view /*update*/) {
  TERN_ASSIGN_OR_RETURN(const SubmitUpdateReply reply, coordinator_->SubmitUpdate(*update_));
  server::Traffic back;
  absl::StatusOr<SubmitUpdateReply> arrived = Carry(reply, back.bytes_down);
  coordinator_->CountTraffic(back);
  return arrived;
}

absl::StatusOr<ReportFailureReply> VirtualTransport::ReportFailure(
    const ReportFailureRequest& request) {
  failure_ = request;
  return ReportFailureReply{};
}

absl::StatusOr<ReportFailureReply> VirtualTransport::DeliverFailure() {
  server::Traffic traffic;
  TERN_ASSIGN_OR_RETURN(const ReportFailureRequest arrived, Carry(*failure_, traffic.bytes_up));
  TERN_ASSIGN_OR_RETURN(const ReportFailureReply reply, coordinator_->ReportFailure(arrived));
  absl::StatusOr<ReportFailureReply> answer = Carry(reply, traffic.bytes_down);
  coordinator_->CountTraffic(traffic);
  return answer;
}

server::Traffic DownloadTraffic(int64_t model_bytes) {
  const FetchModelRequest request{.lease_id = std::string(kLeaseIdBytes, '\0')};
  return {.bytes_up = static_cast<int64_t>(Serialize(request).size()),
          .bytes_down = ChunkedBytes(model_bytes, /*with_lease_id=*/false)};
}

}  // namespace tern::simulation
