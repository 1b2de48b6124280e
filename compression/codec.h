// A codec turns the coordinates of an update into bytes and back. It is a pipeline of stages
// described by a short string, `stage|stage|...`, each `name` or `name(argument, ...)`:
// "quantize(8)", "topk(0.01)|ternary|rice", "rotate|eden(2)|rans". The string is parsed once,
// carried in the plan and printed in reports. Encoders and decoders are separate, so that a device
// links one direction only.
#ifndef TERN_COMPRESSION_CODEC_H_
#define TERN_COMPRESSION_CODEC_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "compression/seek.h"
#include "core/base/bytes.h"
#include "core/base/random.h"
#include "core/model/submodel.h"

namespace tern::compression {

class Rotation;

struct StageSpec {
  std::string name;
  std::vector<double> arguments;
  std::string option;  // a word behind the numbers, "stochastic"; empty: none

  bool operator==(const StageSpec&) const = default;
};

struct CodecSpec {
  std::vector<StageSpec> stages;

  // The canonical string: what ParseCodec accepts and gives back.
  std::string ToString() const;
  // Whether a stage is biased: drops coordinates, or rounds other than at random to fewer than 5
  // bits, or by `ecsq`. For a spec that ParseCodec returned.
  bool NeedsErrorFeedback() const;
  bool operator==(const CodecSpec&) const = default;
};

// INVALID_ARGUMENT: malformed, an unknown stage (lists those that exist), arguments out of range,
// or stages that do not follow one another; the message quotes the string.
absl::StatusOr<CodecSpec> ParseCodec(absl::string_view text);

// One line of the table of stages, for help and error messages.
struct StageInfo {
  std::string usage;        // "quantize(bits)"
  std::string description;  // one line
};
std::vector<StageInfo> ListStages();
// The names of the stages that there are, for a build that lacks some; empty: it has all.
std::vector<std::string> StagesToDeclare();

// What sender and receiver both know of an update, whatever its bytes say. Views: what they show
// must outlive the call.
struct CodecContext {
  int64_t count = 0;                       // coordinates
  absl::Span<const int64_t> tensor_sizes;  // of the parameters, in order; empty: one of `count`
  const CoordinateSet* mask = nullptr;     // what stage `mask` sends; null: all
  RandomKey key;  // seed and round of the task, whose update it is; stages choose the purpose
};

class Encoder {
 public:
  virtual ~Encoder() = default;
  // Bytes of scratch that Encode needs.
  virtual int64_t ScratchBytes(const CodecContext& context) const = 0;
  // Bounds on what Encode appends; equal where the values make no difference.
  virtual int64_t MaxEncodedBytes(const CodecContext& context) const = 0;
  virtual int64_t MinEncodedBytes(const CodecContext& context) const = 0;
  // Appends the encoded `values`, context.count of them, to `out`. `scratch`: ScratchBytes, aligned
  // as by operator new. INVALID_ARGUMENT: a value that is not finite or too large for a stage, by
  // index, or too many; what was appended then is of no use.
  virtual absl::Status Encode(absl::Span<const float> values, const CodecContext& context,
                              absl::Span<char> scratch, ByteWriter& out) const = 0;
};

// What an update is decoded into, block by block, in ascending order.
class UpdateSink {
 public:
  virtual ~UpdateSink() = default;
  // Coordinates [offset, offset + values.size()) of the update. `values` is valid during the call
  // only.
  virtual void Add(int64_t offset, absl::Span<const float> values) = 0;
  // Coordinates `indices`, ascending, of an update that holds no others; all that are never named
  // are 0. Both spans are equally long, and valid during the call only.
  virtual void AddSparse(absl::Span<const int32_t> indices, absl::Span<const float> values) = 0;
  // A sink that adds up many updates may take those of stage `rotate` as they are before the
  // inverse rotation, which is linear, and rotate the sum back once (rotation.h). AddRotated then
  // takes the place of Add.
  virtual bool TakesRotated() const { return false; }
  virtual void AddRotated(const Rotation& /*rotation*/, int64_t /*offset*/,
                          absl::Span<const float> /*values*/) {}
};

class Decoder {
 public:
  virtual ~Decoder() = default;
  // The most bytes that a call of the others allocates, and frees again; a SeekIndex apart.
  virtual int64_t ScratchBytes(const CodecContext& context) const = 0;
  // Checks all of `payload`. DATA_LOSS: too short or trailing bytes. INVALID_ARGUMENT: positions
  // out of range or order, symbols and scales that no encoder gives, a coordinate that is not
  // finite or of a magnitude above `max_abs_value`, by index.
  virtual absl::Status Validate(absl::string_view payload, const CodecContext& context,
                                float max_abs_value) const = 0;
  // What follows takes a payload that Validate accepted for the same context.
  virtual void DecodeInto(absl::string_view payload, const CodecContext& context,
                          UpdateSink& sink) const = 0;
  virtual SeekIndex MakeSeekIndex(absl::string_view payload, const CodecContext& context) const = 0;
  // Decodes coordinates [block * kSeekBlock, (block + 1) * kSeekBlock), as far as there are any.
  virtual void DecodeBlock(absl::string_view payload, const CodecContext& context,
                           const SeekIndex& index, int64_t block, UpdateSink& sink) const = 0;
};

// For a spec that ParseCodec returned.
std::unique_ptr<Encoder> MakeEncoder(const CodecSpec& spec);
std::unique_ptr<Decoder> MakeDecoder(const CodecSpec& spec);

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_CODEC_H_
