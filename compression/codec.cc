#include "compression/codec.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "compression/quantize.h"
#include "compression/topk.h"
#include "core/base/status_macros.h"

namespace tern::compression {
namespace {

// Bounds on strings from outside.
constexpr size_t kMaxTextBytes = 256;
constexpr size_t kMaxStages = 8;

// What flows between stages: the first takes values, the last gives bytes.
enum class Flow { kValues, kBytes };

absl::string_view FlowName(Flow flow) { return flow == Flow::kValues ? "values" : "bytes"; }

// Shortest digits that read back as the same number.
std::string NumberString(double number) {
  char digits[32];
  const std::to_chars_result end = std::to_chars(digits, digits + sizeof(digits), number);
  return std::string(digits, end.ptr);
}

std::string StageString(const StageSpec& stage) {
  if (stage.arguments.empty()) return stage.name;
  return absl::StrCat(
      stage.name, "(",
      absl::StrJoin(stage.arguments, ", ",
                    [](std::string* out, double argument) { out->append(NumberString(argument)); }),
      ")");
}

// Checks of arguments: empty, or the problem.
std::string CheckNoArguments(const std::vector<double>& arguments) {
  if (arguments.empty()) return "";
  return absl::StrCat("has ", arguments.size(), " arguments, expected none");
}

std::string CheckQuantizeArguments(const std::vector<double>& arguments) {
  if (arguments.size() != 1) {
    return absl::StrCat("has ", arguments.size(), " arguments, expected one: bits");
  }
  if (arguments[0] == kQuantizeBits) return "";
  return absl::StrCat("bits is ", NumberString(arguments[0]), ", expected ", kQuantizeBits);
}

std::string CheckTopKArguments(const std::vector<double>& arguments) {
  if (arguments.size() != 1) {
    return absl::StrCat("has ", arguments.size(), " arguments, expected one: fraction");
  }
  if (arguments[0] > 0.0 && arguments[0] <= 1.0) return "";
  return absl::StrCat("fraction is ", NumberString(arguments[0]), ", expected above 0, at most 1");
}

struct StageEntry {
  absl::string_view name;
  absl::string_view usage;
  absl::string_view description;
  Flow takes;
  Flow gives;
  std::string (*check)(const std::vector<double>& arguments);
  bool leaves_out_coordinates = false;
};

// The stages that exist. What makes their encoders and decoders is in encoders.cc and decoders.cc.
constexpr StageEntry kStages[] = {
    {.name = "none",
     .usage = "none",
     .description = "32-bit floats as they are, 4 bytes a coordinate",
     .takes = Flow::kValues,
     .gives = Flow::kBytes,
     .check = CheckNoArguments},
    {.name = "quantize",
     .usage = "quantize(bits)",
     .description = "uniform with one scale for each 256 coordinates; bits: 8 (1.016 bytes a "
                    "coordinate)",
     .takes = Flow::kValues,
     .gives = Flow::kBytes,
     .check = CheckQuantizeArguments},
    {.name = "topk",
     .usage = "topk(fraction)",
     .description =
         "the coordinates of largest magnitude exactly, the others not at all; about 5.3 "
         "bytes for each that is kept",
     .takes = Flow::kValues,
     .gives = Flow::kBytes,
     .check = CheckTopKArguments,
     .leaves_out_coordinates = true},
};

const StageEntry* FindStage(absl::string_view name) {
  for (const StageEntry& entry : kStages) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

absl::StatusOr<double> ParseArgument(absl::string_view stage, absl::string_view text) {
  double number = 0.0;
  if (absl::SimpleAtod(text, &number) && std::isfinite(number)) return number;
  return absl::InvalidArgumentError(absl::StrCat("stage '", stage, "': argument '",
                                                 absl::StripAsciiWhitespace(text),
                                                 "' is not a finite number"));
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
  for (const absl::string_view argument :
       absl::StrSplit(text.substr(open + 1, text.size() - open - 2), ',')) {
    TERN_ASSIGN_OR_RETURN(const double number, ParseArgument(name, argument));
    stage.arguments.push_back(number);
  }
  return stage;
}

// Checks that the stages exist, that their arguments are in range and that they follow one another.
absl::Status CheckStages(const CodecSpec& spec) {
  Flow flow = Flow::kValues;
  for (const StageSpec& stage : spec.stages) {
    const StageEntry* entry = FindStage(stage.name);
    if (entry == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown stage '", stage.name, "'; there are ",
                       absl::StrJoin(kStages, ", ", [](std::string* out, const StageEntry& known) {
                         absl::StrAppend(out, known.usage);
                       })));
    }
    const std::string problem = entry->check(stage.arguments);
    if (!problem.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("stage '", stage.name, "' ", problem));
    }
    if (entry->takes != flow) {
      return absl::InvalidArgumentError(absl::StrCat("stage '", stage.name, "' takes ",
                                                     FlowName(entry->takes), " but would get ",
                                                     FlowName(flow)));
    }
    flow = entry->gives;
  }
  if (flow == Flow::kBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the last stage gives ", FlowName(flow), ", expected one that gives bytes"));
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

bool CodecSpec::LeavesOutCoordinates() const {
  return std::any_of(stages.begin(), stages.end(), [](const StageSpec& stage) {
    return FindStage(stage.name)->leaves_out_coordinates;
  });
}

std::vector<StageInfo> ListStages() {
  std::vector<StageInfo> stages;
  for (const StageEntry& entry : kStages) {
    stages.push_back(
        {.usage = std::string(entry.usage), .description = std::string(entry.description)});
  }
  return stages;
}

}  // namespace tern::compression
