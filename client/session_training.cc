// What a session does under a lease on the device itself: memory, training, the update's bytes, and
// what it keeps.
#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/control_variate.h"
#include "client/error_feedback.h"
#include "client/payload.h"
#include "client/personal_parameters.h"
#include "client/session.h"
#include "client/update_writer.h"
#include "core/base/status_macros.h"
#include "core/crypto/sha256.h"
#include "core/wire/device_memory.h"
#include "core/wire/plan_bytes.h"

namespace tern::client {
namespace {

constexpr auto kFloatBytes = static_cast<int64_t>(sizeof(float));

// What the buffers take besides the parameters, which the trainer counts.
int64_t HeldBytes(const SessionBuffers& buffers) {
  return static_cast<int64_t>(buffers.transfer.capacity()) +
         (buffers.control.size() + buffers.personal.size()) * kFloatBytes;
}

absl::Status CheckState(const PlanBytes& bytes, const DeviceState* state) {
  if (state != nullptr || bytes.state() == 0) return absl::OkStatus();
  const char* const what = bytes.residual > 0  ? "a residual"
                           : bytes.control > 0 ? "a control variate"
                                               : "personal parameters";
  return absl::FailedPreconditionError(
      absl::StrCat("this device has no state to keep ", what, " in, which the plan wants"));
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

// Sets all but the coordinates of the set, null: all, to 0.
void KeepOnly(const CoordinateSet* set, absl::Span<float> values) {
  if (set == nullptr) return;
  auto begin = values.begin();
  for (const CoordinateRun& run : set->runs) {
    std::fill(begin, values.begin() + run.begin, 0.0f);
    begin = values.begin() + run.begin + run.size;
  }
  std::fill(begin, values.end(), 0.0f);
}

// Whether `status` is OK; else says to people what follows from it.
bool IsOkOrWarn(const absl::Status& status, absl::string_view what, std::string& warnings) {
  if (!status.ok()) absl::StrAppend(&warnings, "; warning: ", what, ": ", status.message());
  return status.ok();
}

}  // namespace

absl::Status Session::TakeMemory() {
  const Plan& plan = lease_.plan;
  TERN_ASSIGN_OR_RETURN(PlanCodec codec, PlanCodec::Make(plan));
  TERN_ASSIGN_OR_RETURN(const PlanBytes bytes, CountPlanBytes(plan, codec));
  TERN_RETURN_IF_ERROR(CheckState(bytes, parts_.state));
  if (lease_.model_bytes != bytes.model) {
    return absl::InvalidArgumentError(absl::StrCat("the lease offers a model of ",
                                                   lease_.model_bytes, " bytes, the plan's has ",
                                                   bytes.model));
  }
  TERN_RETURN_IF_ERROR(CheckMemory(plan, parts_.dataset->size(), options_.capabilities.ram_bytes));
  SessionBuffers& buffers = *parts_.buffers;
  struct Vector {
    AlignedFloats& floats;
    int64_t size;
  };
  const Vector vectors[] = {{buffers.parameters, codec.count()},
                            {buffers.control, bytes.control_vector() / kFloatBytes},
                            {buffers.personal, bytes.personal_vector() / kFloatBytes}};
  const auto transfer_bytes = static_cast<size_t>(bytes.buffer());
  if (buffers.transfer.capacity() != transfer_bytes) std::string().swap(buffers.transfer);
  for (const Vector& vector : vectors) {
    if (vector.floats.size() != vector.size) vector.floats = AlignedFloats();
  }
  TERN_RETURN_IF_ERROR(parts_.trainer->Prepare(plan, parts_.dataset->size()));
  buffers.transfer.reserve(transfer_bytes);
  for (const Vector& vector : vectors) {
    if (vector.floats.size() == vector.size) continue;
    TERN_ASSIGN_OR_RETURN(vector.floats, AlignedFloats::Allocate(vector.size));
  }
  codec_ = std::make_unique<const PlanCodec>(std::move(codec));
  return absl::OkStatus();
}

FetchedModel Session::Fetched() const {
  return FetchedModel(parts_.buffers->transfer, lease_, codec_->count());
}

absl::Status Session::DecodeModel() {
  const FetchedModel model = Fetched();
  TERN_RETURN_IF_ERROR(model.Check());
  const absl::Span<float> parameters = parts_.buffers->parameters.span();
  model.CopyModel(parameters);
  if (options_.verify_model_hash && ModelHash(parameters) != lease_.base_hash) {
    return absl::DataLossError("the fetched model is not the one the lease names");
  }
  return absl::OkStatus();
}

Session::Progress Session::Train() {
  SessionBuffers& buffers = *parts_.buffers;
  const std::string warnings = BeginTraining();
  const absl::StatusOr<TrainReport> report =
      parts_.trainer->Train(lease_.plan, client_hash_, *parts_.dataset, buffers.parameters.span(),
                            buffers.control.span());
  if (!report.ok()) return ReportFailure(report.status());
  absl::Status finished = TakeUpdate(*report);
  if (finished.ok()) finished = EncodeUpdate(*report);
  if (!finished.ok()) return ReportFailure(finished);
  return MoveTo(
      State::kSubmit, absl::ZeroDuration(),
      absl::StrFormat("round %d: trained %d steps on %d examples, loss %.4f%s", lease_.plan.round,
                      report->local_steps, report->num_examples, report->train_loss, warnings));
}

std::string Session::BeginTraining() {
  SessionBuffers& buffers = *parts_.buffers;
  std::string warnings;
  if (lease_.plan.error_feedback) {
    residual_is_used_ = IsOkOrWarn(AddResidual(lease_, *parts_.state, buffers.parameters.span()),
                                   "the residual is not made up for", warnings);
    if (!residual_is_used_) Fetched().CopyModel(buffers.parameters.span());
  }
  if (codec_->personal() != nullptr) {
    IsOkOrWarn(LoadPersonal(lease_, *codec_->personal(), *parts_.state, buffers.personal.span(),
                            buffers.parameters.span()),
               "personal parameters begin as the model's", warnings);
  }
  if (lease_.plan.train.has_control()) {
    control_is_used_ =
        IsOkOrWarn(BeginControl(lease_, Fetched(), *parts_.state, buffers.control.span()),
                   "the control variate begins from zero", warnings);
  }
  return warnings;
}

absl::Status Session::TakeUpdate(const TrainReport& report) {
  const FetchedModel model = Fetched();
  const absl::Span<float> parameters = parts_.buffers->parameters.span();
  const absl::Span<float> control = parts_.buffers->control.span();
  if (codec_->personal() != nullptr) {
    codec_->personal()->Pack(parameters, parts_.buffers->personal.span());
  }
  if (lease_.plan.train.method == ClientMethod::kScaffold) {
    // Where training began, once more: there is no memory to keep it in.
    model.CopyModel(control);
    if (lease_.plan.error_feedback && residual_is_used_) {
      TERN_RETURN_IF_ERROR(AddResidual(lease_, *parts_.state, control));
    }
    TERN_RETURN_IF_ERROR(ControlOfSteps(lease_, model, report, parameters, control));
  } else if (lease_.plan.train.method == ClientMethod::kScaffoldGradient && control_is_used_) {
    TERN_RETURN_IF_ERROR(ControlOfGradient(lease_, *parts_.state, control));
  }
  model.SubtractModel(parameters);
  const CoordinateSet* const sent = codec_->Context(client_hash_).mask;
  KeepOnly(sent, parameters);
  if (!control.empty()) KeepOnly(sent, control);
  return absl::OkStatus();
}

absl::Status Session::EncodeUpdate(const TrainReport& report) {
  SessionBuffers& buffers = *parts_.buffers;
  const TrainOptions& train = lease_.plan.train;
  const compression::CodecContext context = codec_->Context(client_hash_);
  Update update{.lease_id = lease_.lease_id, .base_hash = lease_.base_hash};
  update.sections.push_back({.name = kParametersSection});
  std::vector<SectionValues> sections = {{buffers.parameters.span(), context}};
  if (train.receives_control()) {
    update.sections.push_back({.name = kControlSection});
    sections.push_back({buffers.control.span(), codec_->Context(client_hash_, true)});
  }
  update.report = {.num_examples = report.num_examples,
                   .local_steps = report.local_steps,
                   .train_loss = report.train_loss,
                   .peak_memory_bytes = HeldBytes(buffers) + report.train_bytes +
                                        CodecScratchBytes(lease_.plan, *codec_),
                   .metrics = report.metrics};
  if (parts_.observer != nullptr) parts_.observer->OnUpdate(lease_, buffers.parameters.span());
  TERN_ASSIGN_OR_RETURN(
      const std::vector<absl::string_view> payloads,
      WriteUpdate(update, codec_->spec(), lease_.model_version, sections, buffers.transfer));
  if (train.has_control()) {
    // Of SCAFFOLD's section, of FedDyn's update.
    DecodePayload(codec_->spec(), payloads.back(), sections.back().context, buffers.control.span());
  }
  if (lease_.plan.error_feedback) {
    SubtractPayload(codec_->spec(), payloads[0], context, buffers.parameters.span());
  }
  return absl::OkStatus();
}

std::string Session::KeepState() {
  SessionBuffers& buffers = *parts_.buffers;
  std::string warnings;
  if (lease_.plan.error_feedback) {
    IsOkOrWarn(WriteResidual(lease_, buffers.parameters.span(), buffers.transfer, *parts_.state),
               "what it left out is lost", warnings);
  }
  if (lease_.plan.train.has_control()) {
    IsOkOrWarn(CommitControl(lease_, !control_is_used_, buffers.control.span(), buffers.transfer,
                             *parts_.state),
               "the control variate is as it was", warnings);
  }
  if (codec_->personal() != nullptr) {
    IsOkOrWarn(KeepPersonal(lease_, buffers.personal.span(), buffers.transfer, *parts_.state),
               "personal parameters are as they were", warnings);
  }
  return warnings;
}

}  // namespace tern::client
