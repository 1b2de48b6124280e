// The table of encoders: apart from the decoders and from the grammar, so that a device links one
// direction only.
#include "compression/codec.h"
#include "compression/eden.h"
#include "compression/float_formats.h"
#include "compression/mask.h"
#include "compression/pipeline.h"
#include "compression/qsgd.h"
#include "compression/quantize.h"
#include "compression/randk.h"
#include "compression/sign.h"
#include "compression/threshold.h"
#include "compression/topk.h"
#include "compression/zstd.h"
#include "core/base/check.h"

namespace tern::compression {
namespace {

template <typename Made>
struct Entry {
  absl::string_view stage;
  std::unique_ptr<Made> (*make)(const StageSpec&);
};

constexpr Entry<Sparsifier> kSparsifiers[] = {
    {"topk", MakeTopKSparsifier},
    {"randk", MakeRandKSparsifier},
    {"threshold", MakeThresholdSparsifier},
};

constexpr Entry<Quantizer> kQuantizers[] = {
    {"none", MakeFloatQuantizer},     {"float16", MakeFloatQuantizer},
    {"bfloat16", MakeFloatQuantizer}, {"quantize", MakeQuantizeQuantizer},
    {"qsgd", MakeQsgdQuantizer},      {"ternary", MakeSignQuantizer},
    {"sign", MakeSignQuantizer},      {"eden", MakeEdenQuantizer},
    {"ecsq", MakeEcsqQuantizer},
};

template <typename Made, size_t kSize>
std::unique_ptr<Made> Make(const Entry<Made> (&table)[kSize], const StageSpec& stage) {
  for (const Entry<Made>& entry : table) {
    if (entry.stage == stage.name) return entry.make(stage);
  }
  CheckFailed("a spec that ParseCodec returned", __FILE__, __LINE__);
}

}  // namespace

std::unique_ptr<Encoder> MakeEncoder(const CodecSpec& spec) {
  const Pipeline pipeline = *ArrangeStages(spec);
  std::unique_ptr<Encoder> encoder = MakePipelineEncoder(
      pipeline,
      pipeline.sparsifier.has_value() ? Make(kSparsifiers, *pipeline.sparsifier) : nullptr,
      Make(kQuantizers, pipeline.quantizer));
#ifdef TERN_WITH_ZSTD
  if (pipeline.zstd.has_value()) encoder = MakeZstdEncoder(*pipeline.zstd, std::move(encoder));
#endif
  return pipeline.mask ? MakeMaskEncoder(std::move(encoder)) : std::move(encoder);
}

}  // namespace tern::compression
