// What must hold for any bytes at all that reach the decoders: for tests and fuzzers.
#ifndef TERN_TESTS_COMPRESSION_DECODE_PROPERTY_H_
#define TERN_TESTS_COMPRESSION_DECODE_PROPERTY_H_

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/string_view.h"
#include "core/base/check.h"
#include "tests/compression/codec_tools.h"

namespace tern::compression {

// Accepts only what a decoder promises: ascending blocks without gaps, finite values in the limits.
class LimitCheckingSink final : public UpdateSink {
 public:
  explicit LimitCheckingSink(const DecodeLimits& limits) : limits_(limits) {}

  void Add(int64_t offset, absl::Span<const float> values) override {
    TERN_CHECK(offset == next_);
    next_ += static_cast<int64_t>(values.size());
    TERN_CHECK(next_ <= limits_.count);
    for (const float value : values) TERN_CHECK(std::abs(value) <= limits_.max_abs_value);
  }

  // What is not named is 0: a sparse update covers all coordinates.
  void AddSparse(absl::Span<const int32_t> indices, absl::Span<const float> values) override {
    TERN_CHECK(indices.size() == values.size());
    for (size_t i = 0; i < indices.size(); ++i) {
      TERN_CHECK(indices[i] > last_ && indices[i] < limits_.count);
      TERN_CHECK(std::abs(values[i]) <= limits_.max_abs_value);
      last_ = indices[i];
    }
    next_ = limits_.count;
  }

  int64_t next() const { return next_; }

 private:
  const DecodeLimits limits_;
  int64_t next_ = 0;
  int64_t last_ = -1;
};

inline void DecodeUnderLimits(const Decoder& decoder, absl::string_view payload,
                              const DecodeLimits& limits) {
  LimitCheckingSink sink(limits);
  decoder.DecodeInto(payload, limits.count, sink);
  TERN_CHECK(sink.next() == limits.count);
}

// Reads `bytes` as a frame and as a payload under every codec, for the number of coordinates that
// their first two bytes say and for the number that their size suggests. Aborts when a decoder
// accepts what it must not, or decodes outside the limits; true if any accepted.
inline bool CheckDecodersOn(absl::string_view bytes) {
  uint16_t said = 0;
  std::memcpy(&said, bytes.data(), std::min(bytes.size(), sizeof(said)));
  const auto size = static_cast<int64_t>(bytes.size());
  const int64_t of_quantize = size - (size + 259) / 260 * 4;
  const int64_t of_topk = 10 * int64_t{said};
  bool accepted = false;
  for (const absl::string_view codec : kAllCodecs) {
    const std::unique_ptr<Decoder> decoder = DecoderOf(codec);
    for (const int64_t count :
         {int64_t{said}, size / 4, std::max<int64_t>(of_quantize, 0), of_topk}) {
      const DecodeLimits limits{.count = count, .max_abs_value = 16.0f};
      if (decoder->Validate(bytes, limits).ok()) {
        accepted = true;
        DecodeUnderLimits(*decoder, bytes, limits);
      }
      const absl::StatusOr<Frame> frame = ReadFrame(bytes, *decoder, limits);
      if (frame.ok()) {
        accepted = true;
        DecodeUnderLimits(*decoder, frame->payload, limits);
      }
    }
  }
  return accepted;
}

}  // namespace tern::compression

#endif  // TERN_TESTS_COMPRESSION_DECODE_PROPERTY_H_
