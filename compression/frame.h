// The frame around every encoded vector, on the wire and on disk: says what it is before it is
// believed. The bytes are described in docs/wire-format.md.
#ifndef TERN_COMPRESSION_FRAME_H_
#define TERN_COMPRESSION_FRAME_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "compression/codec.h"

namespace tern::compression {

inline constexpr int64_t kFrameHeaderBytes = 16;

// Bytes of a frame, at most.
inline int64_t MaxFrameBytes(const Encoder& encoder, const CodecContext& context) {
  return kFrameHeaderBytes + encoder.MaxEncodedBytes(context);
}

struct FrameContents {
  absl::Span<const float> values;
  // That they belong to (a model) or were trained from (an update); below 2^32.
  uint64_t model_version = 0;
  CodecContext context;      // count: that of the values, whatever it says
  absl::Span<char> scratch;  // as Encoder::Encode takes it
};

// Encodes and appends to `out`, which does not grow further than by MaxFrameBytes.
// INVALID_ARGUMENT as Encoder::Encode; what was appended then is of no use.
absl::Status AppendFrame(const Encoder& encoder, const FrameContents& contents, std::string& out);

// The frame alone, in memory of its own.
absl::StatusOr<std::string> EncodeFrame(const Encoder& encoder, absl::Span<const float> values,
                                        uint64_t model_version, const CodecContext& context);

struct Frame {
  uint64_t model_version = 0;
  absl::string_view payload;  // a view into the bytes that were read
};

// Reads and checks the frame and validates its payload under `decoder` and `context`.
// DATA_LOSS: truncated, or checksum mismatch. INVALID_ARGUMENT: magic, format version, or a count
// that is not the context's; else as Decoder::Validate.
absl::StatusOr<Frame> ReadFrame(absl::string_view bytes, const Decoder& decoder,
                                const CodecContext& context, float max_abs_value);

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_FRAME_H_
