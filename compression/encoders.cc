// The table of encoders: apart from the decoders and from the grammar, so that a device links one
// direction only.
#include "compression/codec.h"
#include "compression/none.h"
#include "compression/quantize.h"
#include "compression/topk.h"
#include "core/base/check.h"

namespace tern::compression {
namespace {

struct EncoderEntry {
  absl::string_view stage;
  std::unique_ptr<Encoder> (*make)(const StageSpec&);
};

constexpr EncoderEntry kEncoders[] = {
    {"none", MakeNoneEncoder},
    {"quantize", MakeQuantizeEncoder},
    {"topk", MakeTopKEncoder},
};

}  // namespace

std::unique_ptr<Encoder> MakeEncoder(const CodecSpec& spec) {
  // No stage takes what another gives, so a pipeline that parses is one stage.
  TERN_CHECK(spec.stages.size() == 1);
  for (const EncoderEntry& entry : kEncoders) {
    if (entry.stage == spec.stages[0].name) return entry.make(spec.stages[0]);
  }
  CheckFailed("a spec that ParseCodec returned", __FILE__, __LINE__);
}

}  // namespace tern::compression
