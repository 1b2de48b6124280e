#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/wire/conversion_checks.h"
#include "core/wire/proto_conversion.h"

namespace tern {
namespace {

absl::StatusOr<Section> SectionFromProto(v1::Section& message, int index) {
  const std::string where = absl::StrCat("sections[", index, "]");
  TERN_RETURN_IF_ERROR(
      CheckSize(absl::StrCat(where, ".name"), message.name().size(), 1, kMaxNameBytes, "bytes"));
  TERN_RETURN_IF_ERROR(
      CheckSize(absl::StrCat(where, ".codec"), message.codec().size(), 0, kMaxCodecBytes, "bytes"));
  return Section{.name = message.name(),
                 .codec = message.codec(),
                 .frame = std::move(*message.mutable_frame())};
}

absl::StatusOr<UpdateReport> ReportFromProto(const v1::Report& message) {
  TERN_RETURN_IF_ERROR(CheckInRange("report.num_examples", message.num_examples(), 1));
  TERN_RETURN_IF_ERROR(CheckInRange("report.local_steps", message.local_steps(), 0));
  TERN_RETURN_IF_ERROR(CheckFinite("report.train_loss", message.train_loss()));
  TERN_RETURN_IF_ERROR(CheckInRange("report.peak_memory_bytes", message.peak_memory_bytes(), 0));
  TERN_RETURN_IF_ERROR(
      CheckSize("report.metrics", message.metrics().size(), 0, kMaxEntries, "entries"));
  UpdateReport report = {.num_examples = message.num_examples(),
                         .local_steps = message.local_steps(),
                         .train_loss = message.train_loss(),
                         .peak_memory_bytes = message.peak_memory_bytes()};
  for (const auto& [name, number] : message.metrics()) {
    TERN_RETURN_IF_ERROR(
        CheckSize("name in report.metrics", name.size(), 1, kMaxNameBytes, "bytes"));
    TERN_RETURN_IF_ERROR(CheckFinite(absl::StrCat("report.metrics['", name, "']"), number));
    report.metrics.emplace(name, number);
  }
  return report;
}

}  // namespace

void ToProto(const FetchModelRequest& value, v1::FetchModelRequest& message) {
  message.set_lease_id(value.lease_id);
  message.set_offset(value.offset);
}

absl::StatusOr<FetchModelRequest> FromProto(const v1::FetchModelRequest& message) {
  TERN_RETURN_IF_ERROR(CheckLength("lease_id", message.lease_id().size(), kLeaseIdBytes));
  return FetchModelRequest{.lease_id = message.lease_id(), .offset = message.offset()};
}

void ToProto(Chunk value, v1::Chunk& message) {
  message.set_lease_id(value.lease_id);
  message.set_total_bytes(value.total_bytes);
  message.set_offset(value.offset);
  message.set_data(std::move(value.data));
  message.set_crc32c(value.crc32c);
}

absl::StatusOr<Chunk> FromProto(v1::Chunk message) {
  if (!message.lease_id().empty()) {
    TERN_RETURN_IF_ERROR(CheckLength("chunk.lease_id", message.lease_id().size(), kLeaseIdBytes));
  }
  return Chunk{.lease_id = message.lease_id(),
               .total_bytes = message.total_bytes(),
               .offset = message.offset(),
               .data = std::move(*message.mutable_data()),
               .crc32c = message.crc32c()};
}

void ToProto(Update value, v1::Update& message) {
  message.set_lease_id(value.lease_id);
  message.set_base_hash(value.base_hash);
  for (Section& section : value.sections) {
    v1::Section& added = *message.add_sections();
    added.set_name(section.name);
    added.set_codec(section.codec);
    added.set_frame(std::move(section.frame));
  }
  v1::Report& report = *message.mutable_report();
  report.set_num_examples(value.report.num_examples);
  report.set_local_steps(value.report.local_steps);
  report.set_train_loss(value.report.train_loss);
  report.set_peak_memory_bytes(value.report.peak_memory_bytes);
  for (const auto& [name, number] : value.report.metrics) {
    (*report.mutable_metrics())[name] = number;
  }
}

absl::StatusOr<Update> FromProto(v1::Update&& message) {
  TERN_RETURN_IF_ERROR(CheckLength("lease_id", message.lease_id().size(), kLeaseIdBytes));
  TERN_RETURN_IF_ERROR(CheckLength("base_hash", message.base_hash().size(), kHashBytes));
  TERN_RETURN_IF_ERROR(
      CheckInRange("number of sections", message.sections_size(), 1, kMaxSections));
  Update update = {.lease_id = message.lease_id(), .base_hash = message.base_hash()};
  std::set<std::string> names;
  for (int i = 0; i < message.sections_size(); ++i) {
    TERN_ASSIGN_OR_RETURN(Section section, SectionFromProto(*message.mutable_sections(i), i));
    if (!names.insert(section.name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("sections[", i, "].name is '", section.name, "' a second time"));
    }
    update.sections.push_back(std::move(section));
  }
  if (names.count(kParametersSection) == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("no section is named '", kParametersSection, "', expected exactly one"));
  }
  TERN_ASSIGN_OR_RETURN(update.report, ReportFromProto(message.report()));
  return update;
}

void ToProto(const SubmitUpdateReply& value, v1::SubmitUpdateReply& message) {
  message.set_round(value.round);
  message.set_retry_after_ms(absl::ToInt64Milliseconds(value.retry_after));
}

absl::StatusOr<SubmitUpdateReply> FromProto(const v1::SubmitUpdateReply& message) {
  TERN_ASSIGN_OR_RETURN(const absl::Duration retry_after,
                        DurationFromMs("retry_after_ms", message.retry_after_ms()));
  return SubmitUpdateReply{.round = message.round(), .retry_after = retry_after};
}

void ToProto(const ReportFailureRequest& value, v1::ReportFailureRequest& message) {
  message.set_lease_id(value.lease_id);
  message.set_message(value.message);
}

absl::StatusOr<ReportFailureRequest> FromProto(const v1::ReportFailureRequest& message) {
  TERN_RETURN_IF_ERROR(CheckLength("lease_id", message.lease_id().size(), kLeaseIdBytes));
  TERN_RETURN_IF_ERROR(CheckSize("message", message.message().size(), 0, kMaxTextBytes, "bytes"));
  return ReportFailureRequest{.lease_id = message.lease_id(), .message = message.message()};
}

void ToProto(const ReportFailureReply& value, v1::ReportFailureReply& message) {
  message.set_retry_after_ms(absl::ToInt64Milliseconds(value.retry_after));
}

absl::StatusOr<ReportFailureReply> FromProto(const v1::ReportFailureReply& message) {
  TERN_ASSIGN_OR_RETURN(const absl::Duration retry_after,
                        DurationFromMs("retry_after_ms", message.retry_after_ms()));
  return ReportFailureReply{.retry_after = retry_after};
}

}  // namespace tern
