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

inline constexpr int64_t kFrameHeaderBytes = 32;

// Bytes of a frame of `count` coordinates, at most.
inline int64_t MaxFrameBytes(const Encoder& encoder, int64_t count) {
  return kFrameHeaderBytes + encoder.MaxEncodedBytes(count);
}

struct FrameContents {
  absl::Span<const float> values;
  uint64_t model_version = 0;  // that they belong to (a model) or were trained from (an update)
  RandomKey key;
  absl::Span<char> scratch;  // as Encoder::Encode takes it
};

// Encodes and appends to `out`, which does not grow further than by MaxFrameBytes.
// INVALID_ARGUMENT as Encoder::Encode; what was appended then is of no use.
absl::Status AppendFrame(const Encoder& encoder, const FrameContents& contents, std::string& out);

// The frame alone, in memory of its own.
absl::StatusOr<std::string> EncodeFrame(const Encoder& encoder, absl::Span<const float> values,
                                        uint64_t model_version, const RandomKey& key);

struct Frame {
  uint64_t model_version = 0;
  absl::string_view payload;  // a view into the bytes that were read
};

// Reads and checks the frame and validates its payload under `decoder` and `limits`; allocates
// nothing. DATA_LOSS: truncated, trailing bytes or checksum mismatch. INVALID_ARGUMENT: magic,
// format version, or a count that is not limits.count; else as Decoder::Validate.
absl::StatusOr<Frame> ReadFrame(absl::string_view bytes, const Decoder& decoder,
                                const DecodeLimits& limits);

// A sink that copies into a dense vector. `out` must outlive it.
class DenseSink final : public UpdateSink {
 public:
  explicit DenseSink(absl::Span<float> out) : out_(out) {}
  void Add(int64_t offset, absl::Span<const float> values) override;
  // Leaves the coordinates that are not named as they are.
  void AddSparse(absl::Span<const int32_t> indices, absl::Span<const float> values) override;

 private:
  absl::Span<float> out_;
};

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_FRAME_H_
