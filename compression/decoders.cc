// The table of decoders: apart from the encoders and from the grammar, so that a device links one
// direction only.
#include "compression/codec.h"
#include "compression/eden.h"
#include "compression/float_formats.h"
#include "compression/mask.h"
#include "compression/pipeline.h"
#include "compression/qsgd.h"
#include "compression/quantize.h"
#include "compression/seek.h"
#include "compression/sign.h"
#include "compression/zstd.h"
#include "core/base/check.h"

namespace tern::compression {
namespace {

struct Entry {
  absl::string_view stage;
  std::unique_ptr<Dequantizer> (*make)(const StageSpec&);
};

constexpr Entry kDequantizers[] = {
    {"none", MakeFloatDequantizer},     {"float16", MakeFloatDequantizer},
    {"bfloat16", MakeFloatDequantizer}, {"quantize", MakeQuantizeDequantizer},
    {"qsgd", MakeQsgdDequantizer},      {"ternary", MakeSignDequantizer},
    {"sign", MakeSignDequantizer},      {"eden", MakeEdenDequantizer},
    {"ecsq", MakeEcsqDequantizer},
};

std::unique_ptr<Dequantizer> MakeDequantizer(const StageSpec& stage) {
  for (const Entry& entry : kDequantizers) {
    if (entry.stage == stage.name) return entry.make(stage);
  }
  CheckFailed("a spec that ParseCodec returned", __FILE__, __LINE__);
}

}  // namespace

std::unique_ptr<Decoder> MakeDecoder(const CodecSpec& spec) {
  const Pipeline pipeline = *ArrangeStages(spec);
  std::unique_ptr<Dequantizer> dequantizer = MakeDequantizer(pipeline.quantizer);
#ifdef TERN_WITH_ZSTD
  const PayloadLayout layout(pipeline, dequantizer->shape());
#endif
  std::unique_ptr<Decoder> decoder = MakePipelineDecoder(pipeline, std::move(dequantizer));
#ifdef TERN_WITH_ZSTD
  if (pipeline.zstd.has_value()) decoder = MakeZstdDecoder(layout, std::move(decoder));
#endif
  return pipeline.mask ? MakeMaskDecoder(std::move(decoder)) : std::move(decoder);
}

}  // namespace tern::compression
