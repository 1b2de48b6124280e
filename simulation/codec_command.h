// `tern-sim codec`: what codecs make of an update. Nothing is trained.
#ifndef TERN_SIMULATION_CODEC_COMMAND_H_
#define TERN_SIMULATION_CODEC_COMMAND_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "simulation/codec_measurement.h"

namespace tern::simulation {

struct CodecCommand {
  std::vector<std::string> codecs;  // empty: DefaultCodecs
  std::string update;               // a file as ReadUpdate takes it; empty: one is drawn
  std::string distribution = "gaussian";
  int64_t count = int64_t{1} << 20;
  uint64_t seed = 1;
  int repetitions = 0;  // as MeasureOptions has them
  bool timing = true;
  std::string json;  // these files are written too; empty: not
  std::string plot;
};

// Prints a table to standard output, a line as soon as it is known. INVALID_ARGUMENT as ParseCodec,
// before anything is measured, DrawUpdate and MeasureCodec; else as ReadUpdate and
// WriteFileAtomically.
absl::Status ShowCodecs(const CodecCommand& command);

// The table's lines, each with its end.
class CodecTable {
 public:
  // For codecs with these names.
  explicit CodecTable(absl::Span<const std::string> codecs);

  std::string Head() const;
  std::string Line(const CodecMeasurement& measurement) const;

 private:
  size_t codec_width_;
};

// One object: "update" as text, and an array "codecs" with the numbers of the table; null for what
// is not known.
std::string CodecJson(const std::string& update, absl::Span<const CodecMeasurement> measurements);

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_CODEC_COMMAND_H_
