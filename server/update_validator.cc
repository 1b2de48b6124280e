#include "server/update_validator.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "compression/frame.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"
#include "core/wire/serialize.h"

namespace tern::server {

absl::string_view ValidatedUpdate::payload() const {
  return absl::string_view(update.sections.front().frame).substr(compression::kFrameHeaderBytes);
}

UpdateValidator::UpdateValidator(const std::vector<std::string>& codecs, const Limits& limits)
    : limits_(limits) {
  for (const std::string& codec : codecs) {
    decoders_[codec] = compression::MakeDecoder(*compression::ParseCodec(codec));
  }
}

const compression::Decoder& UpdateValidator::decoder(absl::string_view codec) const {
  const auto found = decoders_.find(codec);
  TERN_CHECK(found != decoders_.end());
  return *found->second;
}

absl::Status UpdateValidator::CheckReport(const UpdateReport& report) const {
  if (report.num_examples < 1 || report.num_examples > limits_.max_num_examples) {
    return absl::InvalidArgumentError(absl::StrCat("report.num_examples is ", report.num_examples,
                                                   ", expected 1 to ", limits_.max_num_examples));
  }
  if (!std::isfinite(report.train_loss)) {
    return absl::InvalidArgumentError("report.train_loss is not finite");
  }
  return absl::OkStatus();
}

absl::StatusOr<ValidatedUpdate> UpdateValidator::Validate(absl::string_view bytes,
                                                          const LeaseTerms& terms) const {
  ValidatedUpdate result;
  TERN_ASSIGN_OR_RETURN(result.update, Parse<Update>(bytes));
  const Update& update = result.update;
  if (update.lease_id != terms.lease_id) {
    return absl::InvalidArgumentError("the update names another lease than the one it came under");
  }
  if (update.base_hash != terms.base_hash) {
    return absl::FailedPreconditionError(
        "the update was trained from another model than the lease gave out");
  }
  if (update.sections.size() != 1 || update.sections[0].name != kParametersSection) {
    return absl::InvalidArgumentError(absl::StrCat("expected one section '", kParametersSection,
                                                   "', got ", update.sections.size(), " sections"));
  }
  const std::string& codec = terms.codec->text();
  if (!update.sections[0].codec.empty() && update.sections[0].codec != codec) {
    return absl::InvalidArgumentError(absl::StrCat("section '", kParametersSection,
                                                   "' is encoded with '", update.sections[0].codec,
                                                   "', the plan says '", codec, "'"));
  }
  TERN_RETURN_IF_ERROR(CheckReport(update.report));
  TERN_ASSIGN_OR_RETURN(
      const compression::Frame frame,
      compression::ReadFrame(update.sections[0].frame, decoder(codec),
                             terms.codec->Context(terms.client), limits_.max_abs_value));
  if (frame.model_version != terms.model_version) {
    return absl::FailedPreconditionError(
        absl::StrCat("the update was trained from model version ", frame.model_version,
                     ", the lease gave out version ", terms.model_version));
  }
  return result;
}

}  // namespace tern::server
