// Protobuf messages to values and back: the only conversion, and the only validation of what comes
// from outside.
//
// FromProto checks everything that can be checked without knowing the task and returns
// INVALID_ARGUMENT with the field's name. Whether a model is a model (InferShapes) and a codec
// string a codec (ParseCodec) is checked by who uses them. ToProto writes into a message that is
// empty. Durations are whole milliseconds in messages; a fraction is cut off.
#ifndef TERN_CORE_WIRE_PROTO_CONVERSION_H_
#define TERN_CORE_WIRE_PROTO_CONVERSION_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/model/model_spec.h"
#include "core/train/plan.h"
#include "core/wire/messages.h"
#include "tern/v1/coordinator.pb.h"
#include "tern/v1/model.pb.h"
#include "tern/v1/plan.pb.h"

namespace tern {

// In model_conversion.cc.
void ToProto(const ModelSpec& value, v1::ModelSpec& message);
void ToProto(const Plan& value, v1::Plan& message);

absl::StatusOr<ModelSpec> FromProto(const v1::ModelSpec& message);
absl::StatusOr<Plan> FromProto(const v1::Plan& message);

// In check_in_conversion.cc.
void ToProto(const CheckInRequest& value, v1::CheckInRequest& message);
void ToProto(const CheckInReply& value, v1::CheckInReply& message);

absl::StatusOr<CheckInRequest> FromProto(const v1::CheckInRequest& message);
absl::StatusOr<CheckInReply> FromProto(const v1::CheckInReply& message);

// In update_conversion.cc. An update's frames are moved where its owner gives it away: they are as
// long as all else that a device holds.
void ToProto(const FetchModelRequest& value, v1::FetchModelRequest& message);
void ToProto(Chunk value, v1::Chunk& message);
void ToProto(Update value, v1::Update& message);
void ToProto(const SubmitUpdateReply& value, v1::SubmitUpdateReply& message);
void ToProto(const ReportFailureRequest& value, v1::ReportFailureRequest& message);
void ToProto(const ReportFailureReply& value, v1::ReportFailureReply& message);

absl::StatusOr<FetchModelRequest> FromProto(const v1::FetchModelRequest& message);
absl::StatusOr<Chunk> FromProto(v1::Chunk message);
absl::StatusOr<Update> FromProto(v1::Update&& message);
absl::StatusOr<SubmitUpdateReply> FromProto(const v1::SubmitUpdateReply& message);
absl::StatusOr<ReportFailureRequest> FromProto(const v1::ReportFailureRequest& message);
absl::StatusOr<ReportFailureReply> FromProto(const v1::ReportFailureReply& message);

}  // namespace tern

#endif  // TERN_CORE_WIRE_PROTO_CONVERSION_H_
