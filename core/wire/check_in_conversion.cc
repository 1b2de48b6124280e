#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/wire/conversion_checks.h"
#include "core/wire/proto_conversion.h"

namespace tern {
namespace {

constexpr double kMaxRoundTripSeconds = 3600.0;

void CapabilitiesToProto(const Capabilities& value, v1::Capabilities& message) {
  message.set_ram_bytes(value.ram_bytes);
  message.set_flops_per_second(value.flops_per_second);
  message.set_downlink_bytes_per_second(value.downlink_bytes_per_second);
  message.set_uplink_bytes_per_second(value.uplink_bytes_per_second);
  message.set_battery_joules(value.battery_joules);
  for (const std::string& codec : value.codecs) message.add_codecs(codec);
  for (const LayerKind kind : value.layer_kinds) {
    message.add_layer_kinds(static_cast<v1::LayerKind>(kind));
  }
  message.set_storage_bytes(value.storage_bytes);
  message.set_joules_per_flop(value.joules_per_flop);
  message.set_joules_per_byte_down(value.joules_per_byte_down);
  message.set_joules_per_byte_up(value.joules_per_byte_up);
  message.set_round_trip_s(absl::ToDoubleSeconds(value.round_trip));
}

absl::StatusOr<Capabilities> CapabilitiesFromProto(const v1::Capabilities& message) {
  TERN_RETURN_IF_ERROR(CheckInRange("capabilities.ram_bytes", message.ram_bytes(), 0));
  TERN_RETURN_IF_ERROR(CheckQuantity("capabilities.flops_per_second", message.flops_per_second()));
  TERN_RETURN_IF_ERROR(
      CheckQuantity("capabilities.downlink_bytes_per_second", message.downlink_bytes_per_second()));
  TERN_RETURN_IF_ERROR(
      CheckQuantity("capabilities.uplink_bytes_per_second", message.uplink_bytes_per_second()));
  TERN_RETURN_IF_ERROR(CheckQuantity("capabilities.battery_joules", message.battery_joules()));
  TERN_RETURN_IF_ERROR(CheckInRange("capabilities.storage_bytes", message.storage_bytes(), 0));
  TERN_RETURN_IF_ERROR(CheckQuantity("capabilities.joules_per_flop", message.joules_per_flop()));
  TERN_RETURN_IF_ERROR(
      CheckQuantity("capabilities.joules_per_byte_down", message.joules_per_byte_down()));
  TERN_RETURN_IF_ERROR(
      CheckQuantity("capabilities.joules_per_byte_up", message.joules_per_byte_up()));
  TERN_RETURN_IF_ERROR(CheckQuantity("capabilities.round_trip_s", message.round_trip_s()));
  if (message.round_trip_s() > kMaxRoundTripSeconds) {
    return absl::InvalidArgumentError(absl::StrCat("capabilities.round_trip_s is ",
                                                   message.round_trip_s(), ", expected at most ",
                                                   kMaxRoundTripSeconds));
  }
  TERN_RETURN_IF_ERROR(
      CheckInRange("number of capabilities.codecs", message.codecs_size(), 0, kMaxEntries));
  TERN_RETURN_IF_ERROR(CheckInRange("number of capabilities.layer_kinds",
                                    message.layer_kinds_size(), 0, kMaxEntries));
  Capabilities value = {.ram_bytes = message.ram_bytes(),
                        .flops_per_second = message.flops_per_second(),
                        .downlink_bytes_per_second = message.downlink_bytes_per_second(),
                        .uplink_bytes_per_second = message.uplink_bytes_per_second(),
                        .battery_joules = message.battery_joules(),
                        .storage_bytes = message.storage_bytes(),
                        .joules_per_flop = message.joules_per_flop(),
                        .joules_per_byte_down = message.joules_per_byte_down(),
                        .joules_per_byte_up = message.joules_per_byte_up(),
                        .round_trip = absl::Seconds(message.round_trip_s())};
  for (const std::string& codec : message.codecs()) {
    TERN_RETURN_IF_ERROR(CheckSize("capabilities.codecs", codec.size(), 1, kMaxNameBytes, "bytes"));
    value.codecs.push_back(codec);
  }
  // Kinds that this version does not know are kept: a newer device may be able to do more.
  for (const int kind : message.layer_kinds()) {
    value.layer_kinds.push_back(static_cast<LayerKind>(kind));
  }
  return value;
}

void LeaseToProto(const Lease& value, v1::Lease& message) {
  message.set_lease_id(value.lease_id);
  message.set_task(value.task);
  ToProto(value.plan, *message.mutable_plan());
  message.set_model_version(value.model_version);
  message.set_base_hash(value.base_hash);
  message.set_model_bytes(value.model_bytes);
  message.set_deadline_ms(absl::ToInt64Milliseconds(value.deadline));
}

absl::StatusOr<Lease> LeaseFromProto(const v1::Lease& message) {
  TERN_RETURN_IF_ERROR(CheckLength("lease.lease_id", message.lease_id().size(), kLeaseIdBytes));
  TERN_RETURN_IF_ERROR(CheckSize("lease.task", message.task().size(), 0, kMaxTextBytes, "bytes"));
  TERN_RETURN_IF_ERROR(CheckLength("lease.base_hash", message.base_hash().size(), kHashBytes));
  TERN_RETURN_IF_ERROR(CheckInRange("lease.model_bytes", message.model_bytes(), 1));
  Lease lease = {.lease_id = message.lease_id(),
                 .task = message.task(),
                 .model_version = message.model_version(),
                 .base_hash = message.base_hash(),
                 .model_bytes = message.model_bytes()};
  TERN_ASSIGN_OR_RETURN(lease.plan, FromProto(message.plan()));
  TERN_ASSIGN_OR_RETURN(lease.deadline, DurationFromMs("lease.deadline_ms", message.deadline_ms()));
  return lease;
}

absl::StatusOr<ComeBack> ComeBackFromProto(const v1::ComeBack& message) {
  TERN_RETURN_IF_ERROR(
      CheckSize("come_back.reason", message.reason().size(), 0, kMaxTextBytes, "bytes"));
  TERN_ASSIGN_OR_RETURN(const absl::Duration retry_after,
                        DurationFromMs("come_back.retry_after_ms", message.retry_after_ms()));
  return ComeBack{.retry_after = retry_after, .reason = message.reason()};
}

absl::StatusOr<Refusal> RefusalFromProto(const v1::Refusal& message) {
  TERN_RETURN_IF_ERROR(
      CheckSize("refusal.message", message.message().size(), 0, kMaxTextBytes, "bytes"));
  if (!v1::RefusalReason_IsValid(message.reason()) ||
      message.reason() == v1::REFUSAL_REASON_UNSPECIFIED) {
    return absl::InvalidArgumentError(
        absl::StrCat("refusal.reason is ", static_cast<int>(message.reason()),
                     ", which is no reason of this version; its message is: ", message.message()));
  }
  return Refusal{.reason = static_cast<RefusalReason>(message.reason()),
                 .message = message.message()};
}

absl::StatusOr<TaskFinished> TaskFinishedFromProto(const v1::TaskFinished& message) {
  TERN_RETURN_IF_ERROR(
      CheckSize("task_finished.task", message.task().size(), 0, kMaxTextBytes, "bytes"));
  return TaskFinished{.task = message.task(), .num_rounds = message.num_rounds()};
}

}  // namespace

void ToProto(const CheckInRequest& value, v1::CheckInRequest& message) {
  message.set_min_protocol_version(value.min_protocol_version);
  message.set_max_protocol_version(value.max_protocol_version);
  message.set_client_id(value.client_id);
  CapabilitiesToProto(value.capabilities, *message.mutable_capabilities());
  message.set_num_examples(value.num_examples);
  message.set_model_version(value.model_version);
}

absl::StatusOr<CheckInRequest> FromProto(const v1::CheckInRequest& message) {
  TERN_RETURN_IF_ERROR(
      CheckSize("client_id", message.client_id().size(), 0, kMaxClientIdBytes, "bytes"));
  CheckInRequest value = {.min_protocol_version = message.min_protocol_version(),
                          .max_protocol_version = message.max_protocol_version(),
                          .client_id = message.client_id(),
                          .num_examples = message.num_examples(),
                          .model_version = message.model_version()};
  TERN_ASSIGN_OR_RETURN(value.capabilities, CapabilitiesFromProto(message.capabilities()));
  return value;
}

void ToProto(const CheckInReply& value, v1::CheckInReply& message) {
  message.set_protocol_version(kProtocolVersion);
  if (const auto* lease = std::get_if<Lease>(&value)) {
    LeaseToProto(*lease, *message.mutable_lease());
  } else if (const auto* come_back = std::get_if<ComeBack>(&value)) {
    message.mutable_come_back()->set_retry_after_ms(
        absl::ToInt64Milliseconds(come_back->retry_after));
    message.mutable_come_back()->set_reason(come_back->reason);
  } else if (const auto* refusal = std::get_if<Refusal>(&value)) {
    if (refusal->reason == RefusalReason::kUnsupportedProtocol) message.set_protocol_version(0);
    message.mutable_refusal()->set_reason(static_cast<v1::RefusalReason>(refusal->reason));
    message.mutable_refusal()->set_message(refusal->message);
  } else if (const auto* finished = std::get_if<TaskFinished>(&value)) {
    message.mutable_task_finished()->set_task(finished->task);
    message.mutable_task_finished()->set_num_rounds(finished->num_rounds);
  }
}

absl::StatusOr<CheckInReply> FromProto(const v1::CheckInReply& message) {
  if (message.protocol_version() != kProtocolVersion && !message.has_refusal()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "protocol_version is ", message.protocol_version(), ", expected ", kProtocolVersion));
  }
  switch (message.answer_case()) {
    case v1::CheckInReply::kLease:
      return LeaseFromProto(message.lease());
    case v1::CheckInReply::kComeBack:
      return ComeBackFromProto(message.come_back());
    case v1::CheckInReply::kRefusal:
      return RefusalFromProto(message.refusal());
    case v1::CheckInReply::kTaskFinished:
      return TaskFinishedFromProto(message.task_finished());
    case v1::CheckInReply::ANSWER_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError(
      "answer is missing, expected a lease, a time to come back, a refusal or the task's end");
}

}  // namespace tern
