// Shorthands for tests of codecs.
#ifndef TERN_TESTS_COMPRESSION_CODEC_TOOLS_H_
#define TERN_TESTS_COMPRESSION_CODEC_TOOLS_H_

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "compression/codec.h"
#include "compression/dense_sinks.h"
#include "compression/magnitude.h"
#include "compression/pipeline.h"
#include "core/base/random.h"

namespace tern::compression {

// Every stage, and every way in which stages meet.
inline constexpr absl::string_view kAllCodecs[] = {
    "none",
    "float16",
    "bfloat16",
    "quantize(8)",
    "quantize(4)",
    "quantize(3, stochastic)",
    "quantize(1)",
    "quantize(8)|rans",
    "quantize(2)|rans",
    "qsgd(4, 128)",
    "qsgd(7, 512)|rans",
    "sign",
    "topk(0.1)",
    "topk(0.1, 8)|float16",
    "topk(0.01)|ternary|rice",
    "topk(0.1)|ternary|rans",
    "topk(0.3)|ternary|bitpack",
    "topk(0.05)|quantize(4)|rans",
    "topk(0.05)|qsgd(3, 64)|rice",
    "threshold(0.01)|ternary|rice",
    "threshold(0.1)|quantize(8)|rans",
    "threshold(0.5)|bitpack",
    "randk(0.1)",
    "randk(0.25, unbiased)|quantize(5)|rans",
    "rotate|eden(1)",
    "rotate|eden(2)|rans",
    "rotate|eden(3, mse)",
    "rotate|eden(4)|rans",
    "rotate|eden(0.3)",
    "rotate|ecsq(2)|rans",
    "rotate|ecsq(0.7, unbiased)|rans",
    "rotate|quantize(4)|rans",
    "mask|quantize(8)",
    "mask|topk(0.1)|ternary|rice",
    "mask|rotate|eden(2)",
    "quantize(8)|zstd",
    "topk(0.1)|ternary|zstd(1)",
};

// Around the block of 256 coordinates, and larger.
inline constexpr int64_t kSizes[] = {0, 1, 2, 255, 256, 257, 511, 512, 513, 1000, 100000};

// The string with what is no letter or digit left out.
inline std::string TestName(absl::string_view codec) {
  std::string name;
  for (const char c : codec) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c))) name += c;
    if (c == '|' || c == '.' || c == ',') name += '_';
  }
  return name;
}

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

// What sender and receiver know in the tests.
inline CodecContext ContextOf(int64_t count) {
  return {.count = count,
          .tensor_sizes = {},
          .mask = nullptr,
          .key = {.seed = 11, .round = 7, .client = 5}};
}

// The payload of `values`, or the encoder's error.
inline absl::StatusOr<std::string> Encode(absl::string_view codec, absl::Span<const float> values) {
  std::string payload;
  ByteWriter writer(&payload);
  const auto encoder = EncoderOf(codec);
  const CodecContext context = ContextOf(static_cast<int64_t>(values.size()));
  std::vector<char> scratch(static_cast<size_t>(encoder->ScratchBytes(context)));
  const absl::Status status = encoder->Encode(values, context, absl::MakeSpan(scratch), writer);
  if (!status.ok()) return status;
  return payload;
}

// Whether an update's coordinates that are not named are 0.
inline bool IsSparse(absl::string_view codec) {
  return ArrangeStages(ParseCodec(codec).value()).value().sparsifier.has_value();
}

// Coordinates that a dense codec does not give are NaN.
inline std::vector<float> Decode(absl::string_view codec, absl::string_view payload,
                                 int64_t count) {
  std::vector<float> values(static_cast<size_t>(count), IsSparse(codec) ? 0.0f : std::nanf(""));
  DenseSink sink(absl::MakeSpan(values));
  DecoderOf(codec)->DecodeInto(payload, ContextOf(count), sink);
  return values;
}

inline absl::Status Validate(absl::string_view codec, absl::string_view payload, int64_t count,
                             float max_abs_value = kLargestFinite) {
  return DecoderOf(codec)->Validate(payload, ContextOf(count), max_abs_value);
}

}  // namespace tern::compression

#endif  // TERN_TESTS_COMPRESSION_CODEC_TOOLS_H_
