// Shorthands for tests of codecs.
#ifndef TERN_TESTS_COMPRESSION_CODEC_TOOLS_H_
#define TERN_TESTS_COMPRESSION_CODEC_TOOLS_H_

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "compression/codec.h"
#include "compression/frame.h"
#include "core/base/random.h"

namespace tern::compression {

inline constexpr absl::string_view kAllCodecs[] = {"none", "quantize(8)", "topk(0.1)"};

// Around the block of 256 coordinates, and larger.
inline constexpr int64_t kSizes[] = {0, 1, 2, 255, 256, 257, 511, 512, 513, 1000, 100000};

inline std::unique_ptr<Encoder> EncoderOf(absl::string_view codec) {
  return MakeEncoder(ParseCodec(codec).value());
}

inline std::unique_ptr<Decoder> DecoderOf(absl::string_view codec) {
  return MakeDecoder(ParseCodec(codec).value());
}

// Magnitudes from 2^-20 to 16, both signs, some zeros.
inline std::vector<float> RandomUpdate(int64_t count, uint64_t seed) {
  RandomStream random({.seed = seed});
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) {
    const int exponent = static_cast<int>(random.Below(25)) - 20;
    value = std::ldexp(2.0f * random.NextFloat() - 1.0f, exponent);
    if (random.Below(50) == 0) value = 0.0f;
  }
  return values;
}

// The payload of `values`, or the encoder's error.
inline absl::StatusOr<std::string> Encode(absl::string_view codec, absl::Span<const float> values) {
  std::string payload;
  ByteWriter writer(&payload);
  const auto encoder = EncoderOf(codec);
  std::vector<char> scratch(
      static_cast<size_t>(encoder->ScratchBytes(static_cast<int64_t>(values.size()))));
  const absl::Status status = encoder->Encode(values, {}, absl::MakeSpan(scratch), writer);
  if (!status.ok()) return status;
  return payload;
}

// Whether an update's coordinates that are not named are 0.
inline bool IsSparse(absl::string_view codec) {
  return ParseCodec(codec).value().LeavesOutCoordinates();
}

// Coordinates that a dense codec does not give are NaN.
inline std::vector<float> Decode(absl::string_view codec, absl::string_view payload,
                                 int64_t count) {
  std::vector<float> values(static_cast<size_t>(count), IsSparse(codec) ? 0.0f : std::nanf(""));
  DenseSink sink(absl::MakeSpan(values));
  DecoderOf(codec)->DecodeInto(payload, count, sink);
  return values;
}

inline absl::Status Validate(absl::string_view codec, absl::string_view payload, int64_t count,
                             float max_abs_value = 16.0f) {
  return DecoderOf(codec)->Validate(payload, {.count = count, .max_abs_value = max_abs_value});
}

}  // namespace tern::compression

#endif  // TERN_TESTS_COMPRESSION_CODEC_TOOLS_H_
