// A codec turns the coordinates of an update into bytes and back. It is a pipeline of stages
// described by a short string, `stage|stage|...`, each `name` or `name(argument, ...)`: "none",
// "quantize(8)". The string is parsed once, carried in the plan and printed in reports. Encoders
// and decoders are separate, so that a device links one direction only.
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
#include "core/base/bytes.h"
#include "core/base/random.h"

namespace tern::compression {

struct StageSpec {
  std::string name;
  std::vector<double> arguments;

  bool operator==(const StageSpec&) const = default;
};

struct CodecSpec {
  std::vector<StageSpec> stages;

  // The canonical string: what ParseCodec accepts and gives back.
  std::string ToString() const;
  // Whether it leaves out so much of an update that error feedback is needed (`topk`). For a spec
  // that ParseCodec returned.
  bool LeavesOutCoordinates() const;
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

class Encoder {
 public:
  virtual ~Encoder() = default;
  // Bytes of scratch that Encode needs for `count` coordinates.
  virtual int64_t ScratchBytes(int64_t count) const = 0;
  // Bounds on what Encode appends for `count` coordinates; equal where the values make no
  // difference.
  virtual int64_t MaxEncodedBytes(int64_t count) const = 0;
  virtual int64_t MinEncodedBytes(int64_t count) const = 0;
  // Appends the encoded `values` to `out`. `scratch`: ScratchBytes, aligned as by operator new.
  // INVALID_ARGUMENT: a value that is not finite, by index, or too many; what was appended then is
  // of no use.
  virtual absl::Status Encode(absl::Span<const float> values, const RandomKey& key,
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
};

// What the receiver knows and accepts, whatever the bytes say.
struct DecodeLimits {
  int64_t count = 0;           // coordinates of the layout
  float max_abs_value = 0.0f;  // largest magnitude of a decoded coordinate
};

class Decoder {
 public:
  virtual ~Decoder() = default;
  // Checks all of `payload` without changing anything or allocating. DATA_LOSS: too short or
  // trailing bytes. INVALID_ARGUMENT: a coordinate that is not finite or larger than the limit, by
  // index.
  virtual absl::Status Validate(absl::string_view payload, const DecodeLimits& limits) const = 0;
  // Decodes a payload that Validate accepted for the same count.
  virtual void DecodeInto(absl::string_view payload, int64_t count, UpdateSink& sink) const = 0;
};

// For a spec that ParseCodec returned.
std::unique_ptr<Encoder> MakeEncoder(const CodecSpec& spec);
std::unique_ptr<Decoder> MakeDecoder(const CodecSpec& spec);

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_CODEC_H_
