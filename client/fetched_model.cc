#include "client/fetched_model.h"

#include <limits>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "client/payload.h"
#include "compression/codec.h"
#include "compression/frame.h"
#include "core/base/status_macros.h"

namespace tern::client {
namespace {

compression::CodecSpec PlainFloats() { return *compression::ParseCodec("none"); }

absl::string_view Payload(absl::string_view frame) {
  return frame.substr(compression::kFrameHeaderBytes);
}

absl::StatusOr<compression::Frame> ReadPlainFrame(absl::string_view bytes, int64_t count) {
  const auto decoder = compression::MakeDecoder(PlainFloats());
  return compression::ReadFrame(bytes, *decoder, {.count = count},
                                std::numeric_limits<float>::max());
}

}  // namespace

FetchedModel::FetchedModel(absl::string_view bytes, const Lease& lease, int64_t count)
    : model_frame_(bytes),
      has_control_(lease.plan.train.receives_control()),
      model_version_(lease.model_version),
      count_(count) {
  if (!has_control_) return;
  const int64_t frame_bytes =
      compression::kFrameHeaderBytes + count * static_cast<int64_t>(sizeof(float));
  model_frame_ = bytes.substr(0, static_cast<size_t>(frame_bytes));
  control_frame_ = bytes.substr(model_frame_.size());
}

absl::Status FetchedModel::Check() const {
  TERN_RETURN_IF_ERROR(ReadPlainFrame(model_frame_, count_).status());
  if (!has_control_) return absl::OkStatus();
  const absl::StatusOr<compression::Frame> control = ReadPlainFrame(control_frame_, count_);
  if (!control.ok()) {
    return {control.status().code(),
            absl::StrCat("the control variate behind the model: ", control.status().message())};
  }
  if (control->model_version == model_version_) return absl::OkStatus();
  // The model itself is told by its hash.
  return absl::DataLossError(absl::StrCat("the control variate behind the model is of version ",
                                          control->model_version, ", expected ", model_version_));
}

void FetchedModel::CopyModel(absl::Span<float> out) const {
  DecodePayload(PlainFloats(), Payload(model_frame_), {.count = count_}, out);
}

void FetchedModel::SubtractModel(absl::Span<float> values) const {
  SubtractPayload(PlainFloats(), Payload(model_frame_), {.count = count_}, values);
}

void FetchedModel::CopyControl(absl::Span<float> out) const {
  DecodePayload(PlainFloats(), Payload(control_frame_), {.count = count_}, out);
}

void FetchedModel::SubtractControl(absl::Span<float> values) const {
  SubtractPayload(PlainFloats(), Payload(control_frame_), {.count = count_}, values);
}

}  // namespace tern::client
