#include "client/session.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/error_feedback.h"
#include "compression/codec.h"
#include "compression/dense_sinks.h"
#include "compression/frame.h"
#include "core/base/random.h"
#include "core/base/status_macros.h"
#include "core/crypto/sha256.h"
#include "core/model/parameter_layout.h"
#include "core/wire/device_memory.h"
#include "core/wire/plan_bytes.h"
#include "core/wire/serialize.h"

namespace tern::client {
namespace {

constexpr absl::Duration kLongestRetry = absl::Minutes(1);

// Models travel as plain floats in this version.
constexpr char kModelCodec[] = "none";

// Subtracts what is decoded from what is there.
void SubtractPayload(const compression::CodecSpec& codec, absl::string_view payload,
                     const compression::CodecContext& context, absl::Span<float> values) {
  compression::SubtractSink sink(values);
  compression::MakeDecoder(codec)->DecodeInto(payload, context, sink);
}

// What the buffers take besides the parameters, which the trainer counts.
int64_t HeldBytes(const SessionBuffers& buffers) {
  return static_cast<int64_t>(buffers.transfer.capacity());
}

// A coordinator that knows the device's memory gives no such plan; one that is broken might.
// `budget`: 0 without limit.
absl::Status CheckMemory(const Plan& plan, int64_t num_examples, int64_t budget) {
  if (budget == 0) return absl::OkStatus();
  TERN_ASSIGN_OR_RETURN(const MemoryReport report, DescribeDeviceMemory(plan, num_examples));
  const int64_t needed = report.peak_bytes();
  if (needed <= budget) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "the plan needs ", needed, " bytes of memory, ", needed - budget, " more than the budget of ",
      budget, ": ", MemoryItemsText(LargestItems(report.Items(), 3))));
}

bool MayPass(const absl::Status& status) {
  // The session cancels nothing: CANCELLED is a coordinator that stopped in the middle of a call.
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsResourceExhausted(status) || absl::IsCancelled(status);
}

}  // namespace

Session::Session(SessionOptions options, Parts parts)
    : options_(std::move(options)), parts_(parts), client_hash_(HashClientId(options_.client_id)) {
  Capabilities& capabilities = options_.capabilities;
  if (capabilities.codecs.empty()) capabilities.codecs = compression::StagesToDeclare();
}

Session::Progress Session::Step() {
  const bool has_lease =
      state_ == State::kFetch || state_ == State::kTrain || state_ == State::kSubmit;
  if (has_lease && parts_.clock->Now() >= lease_ends_at_) {
    return GiveUpLease(absl::DeadlineExceededError("the round's deadline has passed"));
  }
  switch (state_) {
    case State::kCheckIn:
      return CheckIn();
    case State::kFetch:
      return Fetch();
    case State::kTrain:
      return Train();
    case State::kSubmit:
      return Submit();
    case State::kFinished:
    case State::kRefused:
    case State::kFailed:
      break;
  }
  return {.next = state_, .message = "the session has ended"};
}

Session::Progress Session::CheckIn() {
  const absl::StatusOr<CheckInReply> reply =
      parts_.transport->CheckIn({.client_id = options_.client_id,
                                 .capabilities = options_.capabilities,
                                 .num_examples = parts_.dataset->size()});
  if (!reply.ok()) {
    if (MayPass(reply.status())) return Retry(reply.status());
    return MoveTo(State::kFailed, absl::ZeroDuration(),
                  absl::StrCat("check-in failed: ", reply.status().message()));
  }
  if (const auto* lease = std::get_if<Lease>(&*reply)) {
    lease_ = *lease;
    lease_ends_at_ = parts_.clock->Now() + lease_.deadline;
    parts_.buffers->transfer.clear();
    return MoveTo(State::kFetch, absl::ZeroDuration(),
                  absl::StrCat("round ", lease_.plan.round, ": selected, model version ",
                               lease_.model_version));
  }
  if (const auto* come_back = std::get_if<ComeBack>(&*reply)) {
    return MoveTo(State::kCheckIn, come_back->retry_after, come_back->reason);
  }
  if (const auto* refusal = std::get_if<Refusal>(&*reply)) {
    // Another one, or the same after an upgrade, may be there soon.
    if (refusal->reason == RefusalReason::kShuttingDown) {
      return Retry(absl::UnavailableError(refusal->message));
    }
    return MoveTo(State::kRefused, absl::ZeroDuration(),
                  absl::StrCat("refused by the coordinator: ", refusal->message));
  }
  const auto& finished = std::get<TaskFinished>(*reply);
  return MoveTo(State::kFinished, absl::ZeroDuration(),
                absl::StrCat("task '", finished.task, "' is finished after ", finished.num_rounds,
                             " rounds; ", updates_accepted_, " updates of this client counted"));
}

Session::Progress Session::Fetch() {
  std::string& model = parts_.buffers->transfer;
  if (model.empty()) {
    const absl::Status taken = TakeMemory();
    if (!taken.ok()) return ReportFailure(taken);
  }
  const absl::Status fetched =
      parts_.transport->FetchModel(lease_.lease_id, lease_.model_bytes, model);
  if (MayPass(fetched)) return Retry(fetched);
  if (!fetched.ok()) return EndLease(fetched);
  const absl::Status decoded = DecodeModel();
  if (!decoded.ok()) return ReportFailure(decoded);
  return MoveTo(State::kTrain, absl::ZeroDuration(), "");
}

absl::Status Session::TakeMemory() {
  const Plan& plan = lease_.plan;
  if (plan.error_feedback && parts_.state == nullptr) {
    return absl::FailedPreconditionError(
        "the plan wants error feedback, this device has no state to keep a residual in");
  }
  TERN_ASSIGN_OR_RETURN(PlanCodec codec, PlanCodec::Make(plan));
  TERN_ASSIGN_OR_RETURN(const PlanBytes bytes, CountPlanBytes(plan, codec));
  if (lease_.model_bytes != bytes.model) {
    return absl::InvalidArgumentError(absl::StrCat("the lease offers a model of ",
                                                   lease_.model_bytes, " bytes, the plan's has ",
                                                   bytes.model));
  }
  TERN_RETURN_IF_ERROR(CheckMemory(plan, parts_.dataset->size(), options_.capabilities.ram_bytes));
  SessionBuffers& buffers = *parts_.buffers;
  const auto transfer_bytes = static_cast<size_t>(bytes.buffer());
  if (buffers.transfer.capacity() != transfer_bytes) std::string().swap(buffers.transfer);
  if (buffers.parameters.size() != codec.count()) buffers.parameters = AlignedFloats();
  TERN_RETURN_IF_ERROR(parts_.trainer->Prepare(plan, parts_.dataset->size()));
  buffers.transfer.reserve(transfer_bytes);
  if (buffers.parameters.size() != codec.count()) {
    TERN_ASSIGN_OR_RETURN(buffers.parameters, AlignedFloats::Allocate(codec.count()));
  }
  codec_ = std::make_unique<const PlanCodec>(std::move(codec));
  return absl::OkStatus();
}

absl::Status Session::DecodeModel() {
  const absl::Span<float> parameters = parts_.buffers->parameters.span();
  const auto count = static_cast<int64_t>(parameters.size());
  const auto decoder = compression::MakeDecoder(*compression::ParseCodec(kModelCodec));
  TERN_ASSIGN_OR_RETURN(const compression::Frame frame,
                        compression::ReadFrame(parts_.buffers->transfer, *decoder, {.count = count},
                                               std::numeric_limits<float>::max()));
  compression::DenseSink sink(absl::MakeSpan(parameters));
  decoder->DecodeInto(frame.payload, {.count = count}, sink);
  if (options_.verify_model_hash && ModelHash(parameters) != lease_.base_hash) {
    return absl::DataLossError("the fetched model is not the one the lease names");
  }
  return absl::OkStatus();
}

Session::Progress Session::Train() {
  const absl::Span<float> parameters = parts_.buffers->parameters.span();
  std::string warning;
  if (lease_.plan.error_feedback) {
    const absl::Status added = AddResidual(lease_, *parts_.state, parameters);
    if (!added.ok()) {
      warning =
          absl::StrCat("; warning: the residual is not made up for, or not all: ", added.message());
    }
  }
  const absl::StatusOr<TrainReport> report =
      parts_.trainer->Train(lease_.plan, client_hash_, *parts_.dataset, parameters);
  if (!report.ok()) return ReportFailure(report.status());
  SubtractPayload(
      *compression::ParseCodec(kModelCodec),
      absl::string_view(parts_.buffers->transfer).substr(compression::kFrameHeaderBytes),
      {.count = codec_->count()}, parameters);
  const absl::Status encoded = EncodeUpdate(*report);
  if (!encoded.ok()) return ReportFailure(encoded);
  return MoveTo(
      State::kSubmit, absl::ZeroDuration(),
      absl::StrFormat("round %d: trained %d steps on %d examples, loss %.4f%s", lease_.plan.round,
                      report->local_steps, report->num_examples, report->train_loss, warning));
}

absl::Status Session::EncodeUpdate(const TrainReport& report) {
  Update update{.lease_id = lease_.lease_id, .base_hash = lease_.base_hash};
  update.sections.push_back({.name = kParametersSection});
  update.report = {.num_examples = report.num_examples,
                   .local_steps = report.local_steps,
                   .train_loss = report.train_loss,
                   .peak_memory_bytes = HeldBytes(*parts_.buffers) + report.train_bytes +
                                        CodecScratchBytes(lease_.plan, *codec_)};
  return WriteUpdate(update);
}

absl::Status Session::WriteUpdate(const Update& update) {
  SessionBuffers& buffers = *parts_.buffers;
  if (parts_.observer != nullptr) parts_.observer->OnUpdate(lease_, buffers.parameters.span());
  const compression::CodecContext context = codec_->Context(client_hash_);
  // The model has been subtracted; the frame takes its place, behind room for what comes before it.
  std::string& out = buffers.transfer;
  const auto encoder = compression::MakeEncoder(codec_->spec());
  const size_t room =
      MakeUpdateEnvelope(update, compression::MaxFrameBytes(*encoder, context)).before.size();
  out.resize(room);
  {
    std::vector<char> scratch(static_cast<size_t>(encoder->ScratchBytes(context)));
    TERN_RETURN_IF_ERROR(compression::AppendFrame(*encoder,
                                                  {.values = buffers.parameters.span(),
                                                   .model_version = lease_.model_version,
                                                   .context = context,
                                                   .scratch = absl::MakeSpan(scratch)},
                                                  out));
  }
  const absl::string_view frame = absl::string_view(out).substr(room);
  if (lease_.plan.error_feedback) {
    SubtractPayload(codec_->spec(), frame.substr(compression::kFrameHeaderBytes), context,
                    buffers.parameters.span());
  }
  const UpdateEnvelope envelope = MakeUpdateEnvelope(update, static_cast<int64_t>(frame.size()));
  out.replace(0, room, envelope.before);
  out.append(envelope.after);
  return absl::OkStatus();
}

Session::Progress Session::Submit() {
  SessionBuffers& buffers = *parts_.buffers;
  const absl::StatusOr<SubmitUpdateReply> reply =
      parts_.transport->SubmitUpdate(lease_.lease_id, buffers.transfer);
  if (!reply.ok()) {
    const absl::Status& status = reply.status();
    if (MayPass(status)) return Retry(status);
    return EndLease(status);
  }
  ++updates_accepted_;
  std::string message = absl::StrCat("round ", reply->round, ": update accepted, ",
                                     buffers.transfer.size(), " bytes");
  if (lease_.plan.error_feedback) {
    const absl::Status written =
        WriteResidual(lease_, buffers.parameters.span(), buffers.transfer, *parts_.state);
    if (!written.ok()) {
      absl::StrAppend(&message, "; warning: what it left out is lost: ", written.message());
    }
  }
  return MoveTo(State::kCheckIn, reply->retry_after, std::move(message));
}

Session::Progress Session::MoveTo(State next, absl::Duration wait, std::string message) {
  state_ = next;
  failed_attempts_ = 0;
  return {.next = next, .wait = wait, .message = std::move(message)};
}

Session::Progress Session::Retry(const absl::Status& status) {
  const absl::Duration now = parts_.clock->Now();
  if (failed_attempts_ == 0) unreachable_since_ = now;
  const absl::Duration out_of_reach = now - unreachable_since_;
  if (out_of_reach >= options_.give_up_after) {
    state_ = State::kFailed;
    return {.next = state_,
            .message = absl::StrCat(
                "coordinator out of reach for ",
                absl::FormatDuration(absl::Trunc(out_of_reach, absl::Milliseconds(100))),
                ", giving up: ", status.message())};
  }
  const absl::Duration wait =
      std::min(kRetryWait * (1 << std::min(failed_attempts_, 10)), kLongestRetry);
  ++failed_attempts_;
  return {.next = state_,
          .wait = std::min(wait, options_.give_up_after - out_of_reach),
          .message = absl::StrCat("coordinator not reached, trying again: ", status.message())};
}

Session::Progress Session::EndLease(const absl::Status& status) {
  const bool is_over_there = absl::IsNotFound(status) || absl::IsFailedPrecondition(status) ||
                             absl::IsAlreadyExists(status) || absl::IsAborted(status);
  return is_over_there ? GiveUpLease(status) : ReportFailure(status);
}

Session::Progress Session::GiveUpLease(const absl::Status& status) {
  return MoveTo(State::kCheckIn, kRetryWait,
                absl::StrCat("round ", lease_.plan.round, ": lease given up: ", status.message()));
}

Session::Progress Session::ReportFailure(const absl::Status& status) {
  const absl::StatusOr<ReportFailureReply> reply = parts_.transport->ReportFailure(
      {.lease_id = lease_.lease_id, .message = std::string(status.message())});
  return MoveTo(State::kCheckIn, reply.ok() ? reply->retry_after : kRetryWait,
                absl::StrCat("round ", lease_.plan.round, ": failed: ", status.message()));
}

}  // namespace tern::client
