// A codec, taken apart. A pipeline has at most one stage of each slot, in this order; each says
// what becomes of what the one before gives:
//
//   mask | topk, randk or threshold, or else rotate | a quantizer | rice, bitpack or rans | zstd
//
// The payload, before `zstd`, where [ ] is there for some pipelines only:
//
//   [u32 k: coordinates that are kept, where receivers cannot know]   threshold
//   values:     header of the quantizer, parameters of its blocks,
//               symbols: packed bits, or [table] [u32 bytes] and what `rans` gives
//   [positions: which are kept]                                       topk, threshold
//
// The u32 in front of `rans` symbols is there where positions follow. Values are worked on in
// chunks; `rans` joins the symbols of each chunk apart. Without coordinates to send, values are the
// header alone. What follows is shared by encoders and decoders.
#ifndef TERN_COMPRESSION_PIPELINE_H_
#define TERN_COMPRESSION_PIPELINE_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "compression/codec.h"
#include "compression/quantizer.h"
#include "compression/sparsifier.h"

namespace tern::compression {

enum class Slot { kMask, kSparsifier, kRotate, kQuantizer, kCoder, kZstd };
enum class Coder { kDefault, kRice, kBitpack, kRans };  // default: rice for positions, else bitpack

struct Pipeline {
  bool mask = false;
  std::optional<StageSpec> sparsifier;
  bool rotate = false;
  StageSpec quantizer = {.name = "none", .arguments = {}, .option = {}};
  Coder coder = Coder::kDefault;
  std::optional<StageSpec> zstd;

  // Whether the payload says which coordinates it holds.
  bool SendsPositions() const { return sparsifier.has_value() && sparsifier->name != "randk"; }
};

// INVALID_ARGUMENT: stages that do not follow one another. Their names and arguments were checked.
absl::StatusOr<Pipeline> ArrangeStages(const CodecSpec& spec);

// What of a payload's layout the values make no difference to.
class PayloadLayout {
 public:
  // Of a pipeline behind its `mask` and before its `zstd`.
  PayloadLayout(const Pipeline& pipeline, const QuantizerShape& shape);

  const QuantizerShape& shape() const { return shape_; }
  // Values that are worked on at a time.
  int64_t chunk() const { return chunk_; }
  // `rans` codes the symbols. Those of two values are packed: a bit each is all that they have.
  bool symbols_by_rans() const { return symbols_by_rans_; }
  bool has_positions() const { return has_positions_; }
  Coder coder() const { return coder_; }
  KeptRange Kept(const CodecContext& context) const;

  // Of `count` values.
  int64_t ParameterBytes(int64_t count) const;
  int64_t Symbols(int64_t count) const;
  int64_t PackedSymbolBytes(int64_t count) const;
  int64_t JoinedSymbolBytes(int64_t count) const;  // bytes that rans codes

  int64_t MaxBytes(const CodecContext& context) const;
  int64_t MinBytes(const CodecContext& context) const;

 private:
  int64_t MaxValueBytes(int64_t kept) const;
  int64_t MinValueBytes(int64_t kept) const;
  int64_t MaxPositionBytes(int64_t kept, int64_t count) const;
  int64_t MinPositionBytes(int64_t kept, int64_t count) const;

  std::optional<StageSpec> sparsifier_;
  QuantizerShape shape_;
  Coder coder_;
  int64_t chunk_;
  bool symbols_by_rans_;
  bool has_positions_;
};

// The encoder and decoder of what is between `mask` and `zstd`.
std::unique_ptr<Encoder> MakePipelineEncoder(const Pipeline& pipeline,
                                             std::unique_ptr<Sparsifier> sparsifier,
                                             std::unique_ptr<Quantizer> quantizer);
std::unique_ptr<Decoder> MakePipelineDecoder(const Pipeline& pipeline,
                                             std::unique_ptr<Dequantizer> dequantizer);

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_PIPELINE_H_
