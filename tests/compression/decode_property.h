// What must hold for any bytes at all that reach the decoders: for tests and fuzzers.
#ifndef TERN_TESTS_COMPRESSION_DECODE_PROPERTY_H_
#define TERN_TESTS_COMPRESSION_DECODE_PROPERTY_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "compression/frame.h"
#include "compression/seek.h"
#include "core/base/check.h"
#include "tests/compression/codec_tools.h"

namespace tern::compression {

// Bytes to be decoded, and as what. An input of a fuzzer is
//
//   u8   bits 0 to 6: which of kAllCodecs; bit 7: three times as many coordinates
//   u16  the number of coordinates, little-endian
//        the payload or, again, the frame
struct DecoderInput {
  size_t codec = 0;
  int64_t count = 0;
  absl::string_view bytes;

  static constexpr size_t kHeaderBytes = 3;

  // Missing bytes of the header are 0.
  static DecoderInput Parse(absl::string_view input) {
    std::array<uint8_t, kHeaderBytes> header{};
    const size_t size = std::min(input.size(), header.size());
    std::copy_n(input.begin(), size, header.begin());
    return {.codec = (header[0] & 0x7Fu) % std::size(kAllCodecs),
            .count = (header[1] + 256 * header[2]) * (header[0] > 0x7F ? 3 : 1),
            .bytes = input.substr(size)};
  }
  // `count` is below 65536, or three times such a number.
  std::string ToString() const {
    const bool three_times = count >= 65536;
    const int64_t said = three_times ? count / 3 : count;
    std::string input = {static_cast<char>(codec + (three_times ? 0x80 : 0)),
                         static_cast<char>(said % 256), static_cast<char>(said / 256)};
    return input.append(bytes.data(), bytes.size());
  }
};

// What the two sides know in the tests: two tensors; the mask has two runs, not at the ends.
class DecoderContext {
 public:
  explicit DecoderContext(int64_t count)
      : tensor_sizes_{count / 3, count - count / 3},
        mask_{.runs = {{count / 8, count / 4}, {count / 2, count / 3}},
              .size = count / 4 + count / 3,
              .full_size = count},
        context_(ContextOf(count)) {
    context_.tensor_sizes = tensor_sizes_;
    if (count >= 8) context_.mask = &mask_;
  }
  DecoderContext(const DecoderContext&) = delete;
  DecoderContext& operator=(const DecoderContext&) = delete;

  const CodecContext& operator*() const { return context_; }

 private:
  const std::array<int64_t, 2> tensor_sizes_;
  const CoordinateSet mask_;
  CodecContext context_;
};

// Accepts only what a decoder promises: ascending blocks, finite values in the limits.
class LimitCheckingSink final : public UpdateSink {
 public:
  enum Gaps { kNoGaps, kGaps };
  LimitCheckingSink(int64_t count, Gaps gaps, float max_abs_value, bool takes_rotated)
      : count_(count), gaps_(gaps), max_abs_value_(max_abs_value), takes_rotated_(takes_rotated) {}

  void Add(int64_t offset, absl::Span<const float> values) override {
    CheckBlock(offset, values, max_abs_value_);
  }

  // What is not named is 0: a sparse update covers all coordinates.
  void AddSparse(absl::Span<const int32_t> indices, absl::Span<const float> values) override {
    TERN_CHECK(gaps_ == kGaps && indices.size() == values.size());
    for (size_t i = 0; i < indices.size(); ++i) {
      TERN_CHECK(indices[i] >= next_ && indices[i] < count_);
      next_ = indices[i] + int64_t{1};
      Take(indices[i], values[i], max_abs_value_);
    }
  }

  bool TakesRotated() const override { return takes_rotated_; }
  void AddRotated(const Rotation& /*rotation*/, int64_t offset,
                  absl::Span<const float> values) override {
    TERN_CHECK(takes_rotated_);
    CheckBlock(offset, values, kLargestFinite);
  }

  // Behind the last coordinate.
  int64_t next() const { return next_; }
  // Of all coordinates that came, and of their values.
  uint64_t hash() const { return hash_; }

 private:
  void CheckBlock(int64_t offset, absl::Span<const float> values, float max_abs_value) {
    TERN_CHECK(gaps_ == kGaps ? offset >= next_ : offset == next_);
    next_ = offset + static_cast<int64_t>(values.size());
    TERN_CHECK(next_ <= count_);
    for (size_t i = 0; i < values.size(); ++i) {
      Take(offset + static_cast<int64_t>(i), values[i], max_abs_value);
    }
  }

  void Take(int64_t coordinate, float value, float max_abs_value) {
    TERN_CHECK(std::abs(value) <= max_abs_value);
    hash_ = (hash_ ^ static_cast<uint64_t>(coordinate)) * 0x100000001B3u;
    hash_ = (hash_ ^ std::bit_cast<uint32_t>(value)) * 0x100000001B3u;
  }

  const int64_t count_;
  const Gaps gaps_;
  const float max_abs_value_;
  const bool takes_rotated_;
  int64_t next_ = 0;
  uint64_t hash_ = 0;
};

// Decodes whole, once more without rotating back, and block by block.
inline void DecodeUnderLimits(const Decoder& decoder, absl::string_view payload,
                              LimitCheckingSink::Gaps gaps, const CodecContext& context,
                              float max_abs_value) {
  LimitCheckingSink whole(context.count, gaps, max_abs_value, /*takes_rotated=*/false);
  decoder.DecodeInto(payload, context, whole);
  TERN_CHECK(gaps == LimitCheckingSink::kGaps || whole.next() == context.count);
  LimitCheckingSink blocks = LimitCheckingSink(context.count, gaps, max_abs_value, false);
  const SeekIndex index = decoder.MakeSeekIndex(payload, context);
  for (size_t block = 0; block < index.size(); ++block) {
    decoder.DecodeBlock(payload, context, index, static_cast<int64_t>(block), blocks);
  }
  TERN_CHECK(blocks.next() == whole.next() && blocks.hash() == whole.hash());
  LimitCheckingSink rotated(context.count, gaps, max_abs_value, /*takes_rotated=*/true);
  decoder.DecodeInto(payload, context, rotated);
  TERN_CHECK(rotated.next() == whole.next());
}

// Reads the input's bytes as a payload and as a frame. Aborts when a decoder accepts what it must
// not, or decodes outside the limits; true if it accepted.
inline bool CheckDecoderOn(const DecoderInput& input) {
  // Far above what values of magnitude up to 16 decode to, rotated or scaled up.
  constexpr float kLimit = 1024.0f;
  static const auto& decoders = *[] {
    auto* made = new std::vector<std::unique_ptr<Decoder>>();
    for (const absl::string_view codec : kAllCodecs) made->push_back(DecoderOf(codec));
    return made;
  }();
  const Decoder& decoder = *decoders[input.codec];
  const DecoderContext context(input.count);
  const absl::string_view codec = kAllCodecs[input.codec];
  const bool gaps = IsSparse(codec) || absl::StartsWith(codec, "mask");
  const absl::StatusOr<Frame> frame = ReadFrame(input.bytes, decoder, *context, kLimit);
  const absl::string_view payload = frame.ok() ? frame->payload : input.bytes;
  if (!frame.ok() && !decoder.Validate(payload, *context, kLimit).ok()) return false;
  DecodeUnderLimits(decoder, payload, gaps ? LimitCheckingSink::kGaps : LimitCheckingSink::kNoGaps,
                    *context, kLimit);
  return true;
}

// The same under every codec; true if any accepted.
inline bool CheckDecodersOn(int64_t count, absl::string_view bytes) {
  bool accepted = false;
  for (size_t codec = 0; codec < std::size(kAllCodecs); ++codec) {
    accepted |= CheckDecoderOn({.codec = codec, .count = count, .bytes = bytes});
  }
  return accepted;
}

}  // namespace tern::compression

#endif  // TERN_TESTS_COMPRESSION_DECODE_PROPERTY_H_
