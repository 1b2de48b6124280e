#include "server/update_validator.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "compression/frame.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"
#include "core/model/parameter_layout.h"
#include "core/wire/serialize.h"

namespace tern::server {
namespace {

void AppendName(std::string* text, const Section& section) { absl::StrAppend(text, section.name); }

// Where a message of a decoder names a coordinate, adds which parameter that is. Those of sparse
// codecs count what is kept.
std::string WithParameterName(absl::string_view message, const LeaseTerms& terms) {
  constexpr absl::string_view kWord = "coordinate ";
  const size_t found = message.find(kWord);
  const std::vector<compression::StageSpec>& stages = terms.codec->spec().stages;
  const bool is_sparse = std::any_of(stages.begin(), stages.end(), [](const auto& stage) {
    return stage.name == "topk" || stage.name == "randk" || stage.name == "threshold";
  });
  if (found == absl::string_view::npos || is_sparse) return std::string(message);
  const size_t begin = found + kWord.size();
  const size_t end = std::min(message.find_first_not_of("0123456789", begin), message.size());
  int64_t index = 0;
  if (!absl::SimpleAtoi(message.substr(begin, end - begin), &index)) return std::string(message);
  if (const CoordinateSet* const sent = terms.codec->Context(terms.client).mask) {
    for (const CoordinateRun& run : sent->runs) {
      if (index < run.size) {
        index += run.begin;
        break;
      }
      index -= run.size;
    }
  }
  const absl::StatusOr<ParameterLayout> layout = MakeParameterLayout(terms.leased->spec);
  if (!layout.ok() || index >= layout->size) return std::string(message);
  return absl::StrCat(message.substr(0, end), " (", layout->CoordinateName(index), ")",
                      message.substr(end));
}

}  // namespace

absl::string_view ValidatedUpdate::payload(size_t index) const {
  return absl::string_view(update.sections[index].frame).substr(compression::kFrameHeaderBytes);
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
  std::vector<absl::string_view> names = {kParametersSection};
  if (terms.train.receives_control()) names.push_back(kControlSection);
  const auto is_named = [](const Section& section, absl::string_view name) {
    return section.name == name;
  };
  if (!std::equal(update.sections.begin(), update.sections.end(), names.begin(), names.end(),
                  is_named)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the update has sections '", absl::StrJoin(update.sections, "', '", AppendName),
        "', expected '", absl::StrJoin(names, "', '"), "'"));
  }
  TERN_RETURN_IF_ERROR(CheckReport(update.report));
  for (const Section& section : update.sections) {
    const absl::Status status = CheckFrame(section, section.name == kControlSection, terms);
    if (status.ok()) continue;
    return absl::Status(
        status.code(),
        absl::StrCat("section '", section.name, "': ", WithParameterName(status.message(), terms)));
  }
  return result;
}

absl::Status UpdateValidator::CheckFrame(const Section& section, bool is_control,
                                         const LeaseTerms& terms) const {
  const std::string& codec = terms.codec->text();
  if (!section.codec.empty() && section.codec != codec) {
    return absl::InvalidArgumentError(
        absl::StrCat("is encoded with '", section.codec, "', the plan says '", codec, "'"));
  }
  TERN_ASSIGN_OR_RETURN(const compression::Frame frame,
                        compression::ReadFrame(section.frame, decoder(codec),
                                               terms.codec->Context(terms.client, is_control),
                                               limits_.max_abs_value));
  if (frame.model_version != terms.model_version) {
    return absl::FailedPreconditionError(
        absl::StrCat("was trained from model version ", frame.model_version,
                     ", the lease gave out version ", terms.model_version));
  }
  return absl::OkStatus();
}

}  // namespace tern::server
