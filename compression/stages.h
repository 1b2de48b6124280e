// The table of stages that exist. What makes their encoders and decoders is in encoders.cc and
// decoders.cc.
#ifndef TERN_COMPRESSION_STAGES_H_
#define TERN_COMPRESSION_STAGES_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "compression/codec.h"
#include "compression/pipeline.h"

namespace tern::compression {

struct StageEntry {
  absl::string_view name;
  absl::string_view usage;
  absl::string_view description;  // one line
  Slot slot;
  // Whether numbers and option are right: empty, or the problem.
  std::string (*check)(const StageSpec& stage);
  // Whether the stage needs error feedback: it drops coordinates, or rounds to fewer than 5 bits
  // other than at random.
  bool (*biased)(const StageSpec& stage);
};

absl::Span<const StageEntry> Stages();
// Null: there is no stage of this name.
const StageEntry* FindStage(absl::string_view name);

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_STAGES_H_
