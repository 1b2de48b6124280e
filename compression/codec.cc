#include "compression/codec.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "compression/stages.h"
#include "core/base/status_macros.h"

namespace tern::compression {
namespace {

// Bounds on strings from outside.
constexpr size_t kMaxTextBytes = 256;
constexpr size_t kMaxStages = 8;

// Shortest digits that read back as the same number.
std::string NumberString(double number) {
  char digits[32];
  const std::to_chars_result end = std::to_chars(digits, digits + sizeof(digits), number);
  return std::string(digits, end.ptr);
}

std::string StageString(const StageSpec& stage) {
  std::vector<std::string> arguments;
  for (const double argument : stage.arguments) arguments.push_back(NumberString(argument));
  if (!stage.option.empty()) arguments.push_back(stage.option);
  if (arguments.empty()) return stage.name;
  return absl::StrCat(stage.name, "(", absl::StrJoin(arguments, ", "), ")");
}

bool IsWord(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isalpha) &&
         text != "inf" && text != "nan";
}

// Adds one argument: a number, or as the last one a word.
absl::Status ParseArgument(absl::string_view text, bool last, StageSpec& stage) {
  text = absl::StripAsciiWhitespace(text);
  double number = 0.0;
  if (last && IsWord(text)) {
    stage.option = std::string(text);
  } else if (absl::SimpleAtod(text, &number) && std::isfinite(number)) {
    stage.arguments.push_back(number);
  } else {
    return absl::InvalidArgumentError(absl::StrCat("stage '", stage.name, "': argument '", text,
                                                   "' is not a finite number",
                                                   last ? " or a word" : ""));
  }
  return absl::OkStatus();
}

// `name` or `name(argument, ...)`, spaces around each allowed.
absl::StatusOr<StageSpec> ParseStage(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  StageSpec stage;
  const size_t open = text.find('(');
  const absl::string_view name = absl::StripTrailingAsciiWhitespace(text.substr(0, open));
  if (name.empty()) {
    return absl::InvalidArgumentError("a stage has no name, expected stage|stage|...");
  }
  stage.name = std::string(name);
  if (open == absl::string_view::npos) return stage;
  if (text.back() != ')') {
    return absl::InvalidArgumentError(absl::StrCat("stage '", text, "': expected ')' at its end"));
  }
  const std::vector<absl::string_view> arguments =
      absl::StrSplit(text.substr(open + 1, text.size() - open - 2), ',');
  for (const absl::string_view& argument : arguments) {
    TERN_RETURN_IF_ERROR(ParseArgument(argument, &argument == &arguments.back(), stage));
  }
  return stage;
}

// Checks that the stages exist, that their arguments are right and that they follow one another.
absl::Status CheckStages(const CodecSpec& spec) {
  for (const StageSpec& stage : spec.stages) {
    const StageEntry* entry = FindStage(stage.name);
    if (entry == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown stage '", stage.name, "'; there are ",
                       absl::StrJoin(Stages(), ", ", [](std::string* out, const StageEntry& known) {
                         absl::StrAppend(out, known.usage);
                       })));
    }
    const std::string problem = entry->check(stage);
    if (!problem.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("stage '", stage.name, "' ", problem));
    }
  }
  return ArrangeStages(spec).status();
}

absl::StatusOr<CodecSpec> ParseStages(absl::string_view text) {
  CodecSpec spec;
  const std::vector<absl::string_view> stages = absl::StrSplit(text, '|');
  if (stages.size() > kMaxStages) {
    return absl::InvalidArgumentError(
        absl::StrCat("has ", stages.size(), " stages, expected at most ", kMaxStages));
  }
  for (const absl::string_view stage : stages) {
    TERN_ASSIGN_OR_RETURN(StageSpec parsed, ParseStage(stage));
    spec.stages.push_back(std::move(parsed));
  }
  TERN_RETURN_IF_ERROR(CheckStages(spec));
  return spec;
}

}  // namespace

std::string CodecSpec::ToString() const {
  return absl::StrJoin(stages, "|", [](std::string* out, const StageSpec& stage) {
    out->append(StageString(stage));
  });
}

absl::StatusOr<CodecSpec> ParseCodec(absl::string_view text) {
  if (text.size() > kMaxTextBytes) {
    return absl::InvalidArgumentError(absl::StrCat("codec '", text.substr(0, 32), "...' has ",
                                                   text.size(), " bytes, expected at most ",
                                                   kMaxTextBytes));
  }
  absl::StatusOr<CodecSpec> spec = ParseStages(text);
  if (spec.ok()) return spec;
  return absl::InvalidArgumentError(absl::StrCat("codec '", text, "': ", spec.status().message()));
}

bool CodecSpec::NeedsErrorFeedback() const {
  return std::any_of(stages.begin(), stages.end(),
                     [](const StageSpec& stage) { return FindStage(stage.name)->biased(stage); });
}

std::vector<StageInfo> ListStages() {
  std::vector<StageInfo> stages;
  for (const StageEntry& entry : Stages()) {
    stages.push_back(
        {.usage = std::string(entry.usage), .description = std::string(entry.description)});
  }
  return stages;
}

}  // namespace tern::compression
