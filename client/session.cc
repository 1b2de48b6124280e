#include "client/session.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "compression/codec.h"
#include "compression/frame.h"
#include "core/base/random.h"
#include "core/base/status_macros.h"
#include "core/crypto/sha256.h"
#include "core/model/parameter_layout.h"
#include "core/wire/serialize.h"

namespace tern::client {
namespace {

constexpr absl::Duration kFirstRetry = absl::Milliseconds(200);
constexpr absl::Duration kLongestRetry = absl::Minutes(1);

// Models travel as plain floats in this version.
constexpr char kModelCodec[] = "none";

// Subtracts what is decoded from what is there: parameters minus those they were trained from.
class SubtractSink final : public compression::UpdateSink {
 public:
  explicit SubtractSink(absl::Span<float> values) : values_(values) {}
  void Add(int64_t offset, absl::Span<const float> decoded) override {
    float* target = values_.data() + offset;
    for (size_t i = 0; i < decoded.size(); ++i) target[i] -= decoded[i];
  }
  void AddSparse(absl::Span<const int32_t> indices, absl::Span<const float> decoded) override {
    for (size_t i = 0; i < indices.size(); ++i) {
      values_[static_cast<size_t>(indices[i])] -= decoded[i];
    }
  }

 private:
  absl::Span<float> values_;
};

bool MayPass(const absl::Status& status) {
  // The session cancels nothing: CANCELLED is a coordinator that stopped in the middle of a call.
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsResourceExhausted(status) || absl::IsCancelled(status);
}

}  // namespace

Session::Session(SessionOptions options, Parts parts)
    : options_(std::move(options)), parts_(parts), client_hash_(HashClientId(options_.client_id)) {}

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
    parts_.buffers->model.clear();
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
  const absl::Status bounded = CheckModelBytes();
  if (!bounded.ok()) return ReportFailure(bounded);
  const absl::Status fetched =
      parts_.transport->FetchModel(lease_.lease_id, lease_.model_bytes, parts_.buffers->model);
  if (MayPass(fetched)) return Retry(fetched);
  if (!fetched.ok()) return EndLease(fetched);
  const absl::Status decoded = DecodeModel();
  if (!decoded.ok()) return ReportFailure(decoded);
  return MoveTo(State::kTrain, absl::ZeroDuration(), "");
}

absl::Status Session::CheckModelBytes() const {
  TERN_ASSIGN_OR_RETURN(const ParameterLayout layout, MakeParameterLayout(lease_.plan.model));
  const int64_t expected =
      compression::kFrameHeaderBytes + layout.size * static_cast<int64_t>(sizeof(float));
  if (lease_.model_bytes == expected) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the lease offers a model of ", lease_.model_bytes,
                                                 " bytes, the plan's has ", expected));
}

absl::Status Session::DecodeModel() {
  TERN_ASSIGN_OR_RETURN(const ParameterLayout layout, MakeParameterLayout(lease_.plan.model));
  const auto decoder = compression::MakeDecoder(*compression::ParseCodec(kModelCodec));
  TERN_ASSIGN_OR_RETURN(
      const compression::Frame frame,
      compression::ReadFrame(
          parts_.buffers->model, *decoder,
          {.count = layout.size, .max_abs_value = std::numeric_limits<float>::max()}));
  std::vector<float>& parameters = parts_.buffers->parameters;
  parameters.resize(static_cast<size_t>(layout.size));
  compression::DenseSink sink(absl::MakeSpan(parameters));
  decoder->DecodeInto(frame.payload, layout.size, sink);
  if (options_.verify_model_hash && ModelHash(parameters) != lease_.base_hash) {
    return absl::DataLossError("the fetched model is not the one the lease names");
  }
  return absl::OkStatus();
}

Session::Progress Session::Train() {
  SessionBuffers& buffers = *parts_.buffers;
  const absl::StatusOr<TrainReport> report = parts_.trainer->Train(
      lease_.plan, client_hash_, *parts_.dataset, absl::MakeSpan(buffers.parameters));
  if (!report.ok()) return ReportFailure(report.status());
  const absl::Status encoded = EncodeUpdate(*report);
  if (!encoded.ok()) return ReportFailure(encoded);
  return MoveTo(
      State::kSubmit, absl::ZeroDuration(),
      absl::StrFormat("round %d: trained %d steps on %d examples, loss %.4f", lease_.plan.round,
                      report->local_steps, report->num_examples, report->train_loss));
}

absl::Status Session::EncodeUpdate(const TrainReport& report) {
  SessionBuffers& buffers = *parts_.buffers;
  const auto count = static_cast<int64_t>(buffers.parameters.size());
  const auto model_decoder = compression::MakeDecoder(*compression::ParseCodec(kModelCodec));
  SubtractSink subtract(absl::MakeSpan(buffers.parameters));
  model_decoder->DecodeInto(absl::string_view(buffers.model).substr(compression::kFrameHeaderBytes),
                            count, subtract);

  TERN_ASSIGN_OR_RETURN(const compression::CodecSpec codec,
                        compression::ParseCodec(lease_.plan.codec));
  const auto encoder = compression::MakeEncoder(codec);
  const RandomKey key{.seed = lease_.plan.seed,
                      .round = lease_.plan.round,
                      .client = client_hash_,
                      .purpose = RandomPurpose::kEncode};
  TERN_ASSIGN_OR_RETURN(std::string frame, compression::EncodeFrame(*encoder, buffers.parameters,
                                                                    lease_.model_version, key));
  const auto bytes_of = [](const auto& buffer) { return static_cast<int64_t>(buffer.size()); };
  Update update{.lease_id = lease_.lease_id, .base_hash = lease_.base_hash};
  update.report = {.num_examples = report.num_examples,
                   .local_steps = report.local_steps,
                   .train_loss = report.train_loss,
                   .peak_memory_bytes = bytes_of(buffers.model) + report.train_bytes +
                                        encoder->ScratchBytes(count) + 2 * bytes_of(frame)};
  update.sections.push_back(
      {.name = kParametersSection, .codec = lease_.plan.codec, .frame = std::move(frame)});
  buffers.update = Serialize(std::move(update));
  return absl::OkStatus();
}

Session::Progress Session::Submit() {
  const absl::StatusOr<SubmitUpdateReply> reply =
      parts_.transport->SubmitUpdate(lease_.lease_id, parts_.buffers->update);
  if (!reply.ok()) {
    const absl::Status& status = reply.status();
    if (MayPass(status)) return Retry(status);
    return EndLease(status);
  }
  ++updates_accepted_;
  return MoveTo(State::kCheckIn, reply->retry_after,
                absl::StrCat("round ", reply->round, ": update accepted, ",
                             parts_.buffers->update.size(), " bytes"));
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
      std::min(kFirstRetry * (1 << std::min(failed_attempts_, 10)), kLongestRetry);
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
  return MoveTo(State::kCheckIn, kFirstRetry,
                absl::StrCat("round ", lease_.plan.round, ": lease given up: ", status.message()));
}

Session::Progress Session::ReportFailure(const absl::Status& status) {
  const absl::StatusOr<ReportFailureReply> reply = parts_.transport->ReportFailure(
      {.lease_id = lease_.lease_id, .message = std::string(status.message())});
  return MoveTo(State::kCheckIn, reply.ok() ? reply->retry_after : kFirstRetry,
                absl::StrCat("round ", lease_.plan.round, ": failed: ", status.message()));
}

}  // namespace tern::client
