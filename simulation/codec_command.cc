#include "simulation/codec_command.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"
#include "server/run_report.h"
#include "simulation/rate_distortion_svg.h"
#include "simulation/updates.h"

namespace tern::simulation {
namespace {

using Json = nlohmann::ordered_json;

struct Column {
  absl::string_view above;
  absl::string_view below;
  size_t width;
};
// Behind the codec's name; numbers are flush right.
constexpr Column kColumns[] = {{"frame", "bytes", 9},   {"bits per", "parameter", 9},
                               {"times", "smaller", 7}, {"", "NMSE", 8},
                               {"dR", "bits", 5},       {"encode", "GB/s", 6},
                               {"decode", "GB/s", 6},   {"encoder", "scratch", 8}};
constexpr size_t kNumColumns = std::size(kColumns);
constexpr char kGap[] = "  ";
constexpr char kNone[] = "-";

using Cells = std::array<std::string, kNumColumns>;

// Three or four digits.
std::string NumberText(double value) {
  if (value >= 99.95) return absl::StrFormat("%.0f", value);
  if (value >= 9.995) return absl::StrFormat("%.1f", value);
  if (value >= 0.0995) return absl::StrFormat("%.2f", value);
  return absl::StrFormat("%.4f", value);
}

std::string BitsText(double bits) {
  return absl::StrFormat(bits >= 9.9995 ? "%.2f" : bits >= 0.99995 ? "%.3f" : "%.4f", bits);
}

std::string SpeedText(const std::optional<double>& bytes_per_s) {
  return bytes_per_s.has_value() ? NumberText(*bytes_per_s / 1e9) : kNone;
}

std::string TableLine(absl::string_view codec, size_t codec_width, const Cells& cells) {
  std::string line = absl::StrFormat("%-*s", codec_width, codec);
  for (size_t i = 0; i < kNumColumns; ++i) {
    absl::StrAppendFormat(&line, "%s%*s", kGap, kColumns[i].width, cells[i]);
  }
  return line + "\n";
}

Json OrNull(const std::optional<double>& value) {
  return value.has_value() ? Json(*value) : Json(nullptr);
}

struct Update {
  std::string description;
  std::vector<float> values;
};

absl::StatusOr<Update> LoadUpdate(const CodecCommand& command) {
  Update update;
  if (command.update.empty()) {
    TERN_ASSIGN_OR_RETURN(update.values,
                          DrawUpdate(command.distribution, command.count, command.seed));
    update.description = absl::StrCat(command.distribution, ", seed ", command.seed);
  } else {
    TERN_ASSIGN_OR_RETURN(update.values, ReadUpdate(command.update));
    update.description = command.update;
  }
  const auto count = static_cast<int64_t>(update.values.size());
  absl::StrAppend(&update.description, ", ", count, " parameters, ",
                  server::FormatBytes(count * static_cast<int64_t>(sizeof(float))),
                  " as 32-bit floats");
  return update;
}

// The canonical strings, too.
absl::StatusOr<std::vector<compression::CodecSpec>> ParseCodecs(std::vector<std::string>& codecs) {
  std::vector<compression::CodecSpec> specs;
  for (std::string& codec : codecs) {
    TERN_ASSIGN_OR_RETURN(compression::CodecSpec spec, compression::ParseCodec(codec));
    codec = spec.ToString();
    specs.push_back(std::move(spec));
  }
  return specs;
}

absl::StatusOr<std::vector<CodecMeasurement>> MeasureAndPrint(const CodecCommand& command,
                                                              const Update& update) {
  std::vector<std::string> codecs =
      command.codecs.empty() ? DefaultCodecs(update.values) : command.codecs;
  TERN_ASSIGN_OR_RETURN(const std::vector<compression::CodecSpec> specs, ParseCodecs(codecs));
  const MonotonicClock clock;
  const MeasureOptions options = {.clock = command.timing ? &clock : nullptr,
                                  .repetitions = command.repetitions};
  const CodecTable table(codecs);
  std::printf("Update: %s.\n\n%s", update.description.c_str(), table.Head().c_str());
  std::vector<CodecMeasurement> measurements;
  for (const compression::CodecSpec& spec : specs) {
    TERN_ASSIGN_OR_RETURN(CodecMeasurement measurement, MeasureCodec(spec, update.values, options));
    std::printf("%s", table.Line(measurement).c_str());
    std::fflush(stdout);
    measurements.push_back(std::move(measurement));
  }
  return measurements;
}

}  // namespace

CodecTable::CodecTable(absl::Span<const std::string> codecs) : codec_width_(5) {
  for (const std::string& codec : codecs) codec_width_ = std::max(codec_width_, codec.size());
}

std::string CodecTable::Head() const {
  Cells above, below;
  for (size_t i = 0; i < kNumColumns; ++i) {
    above[i] = std::string(kColumns[i].above);
    below[i] = std::string(kColumns[i].below);
  }
  const std::string last = TableLine("codec", codec_width_, below);
  return absl::StrCat(TableLine("", codec_width_, above), last, std::string(last.size() - 1, '-'),
                      "\n");
}

std::string CodecTable::Line(const CodecMeasurement& measurement) const {
  const std::optional<double> distance = measurement.distance_bits();
  return TableLine(
      measurement.codec, codec_width_,
      {absl::StrCat(measurement.frame_bytes), BitsText(measurement.bits_per_parameter()),
       NumberText(measurement.times_smaller()), absl::StrFormat("%.3g", measurement.nmse),
       distance.has_value() ? absl::StrFormat("%.2f", *distance) : kNone,
       SpeedText(measurement.encode_bytes_per_s), SpeedText(measurement.decode_bytes_per_s),
       server::FormatBytes(measurement.scratch_bytes)});
}

std::string CodecJson(const std::string& update, absl::Span<const CodecMeasurement> measurements) {
  Json json;
  json["update"] = update;
  json["codecs"] = Json::array();
  for (const CodecMeasurement& measurement : measurements) {
    Json codec;
    codec["codec"] = measurement.codec;
    codec["count"] = measurement.count;
    codec["frame_bytes"] = measurement.frame_bytes;
    codec["bits_per_parameter"] = measurement.bits_per_parameter();
    codec["times_smaller"] = measurement.times_smaller();
    codec["nmse"] = measurement.nmse;
    codec["distance_bits"] = OrNull(measurement.distance_bits());
    codec["encode_bytes_per_s"] = OrNull(measurement.encode_bytes_per_s);
    codec["decode_bytes_per_s"] = OrNull(measurement.decode_bytes_per_s);
    codec["scratch_bytes"] = measurement.scratch_bytes;
    json["codecs"].push_back(std::move(codec));
  }
  // A file's name may be no UTF-8.
  return json.dump(/*indent=*/2, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) +
         "\n";
}

absl::Status ShowCodecs(const CodecCommand& command) {
  std::vector<std::string> codecs = command.codecs;
  TERN_RETURN_IF_ERROR(ParseCodecs(codecs).status());
  TERN_ASSIGN_OR_RETURN(const Update update, LoadUpdate(command));
  TERN_ASSIGN_OR_RETURN(const std::vector<CodecMeasurement> measurements,
                        MeasureAndPrint(command, update));
  if (!command.json.empty()) {
    TERN_RETURN_IF_ERROR(
        WriteFileAtomically(command.json, CodecJson(update.description, measurements)));
    std::printf("\n%s written\n", command.json.c_str());
  }
  if (!command.plot.empty()) {
    TERN_RETURN_IF_ERROR(
        WriteFileAtomically(command.plot, RateDistortionSvg(update.description, measurements)));
    std::printf("\n%s written\n", command.plot.c_str());
  }
  return absl::OkStatus();
}

}  // namespace tern::simulation
