#include "compression/frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "core/base/crc32c.h"
#include "tests/compression/codec_tools.h"
#include "tests/testing/status_matchers.h"

namespace tern::compression {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;

constexpr auto kDataLoss = absl::StatusCode::kDataLoss;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

class FrameTest : public ::testing::TestWithParam<absl::string_view> {
 protected:
  std::string Make(absl::Span<const float> values, uint64_t model_version = 9) const {
    return EncodeFrame(*encoder_, values, model_version, {}).value();
  }
  absl::StatusOr<Frame> Read(absl::string_view bytes, int64_t count) const {
    return ReadFrame(bytes, *decoder_, {.count = count, .max_abs_value = 16.0f});
  }

  std::unique_ptr<Encoder> encoder_ = EncoderOf(GetParam());
  std::unique_ptr<Decoder> decoder_ = DecoderOf(GetParam());
};

// Puts `value` at `offset` and makes the checksum fit again.
template <typename T>
std::string Patched(std::string bytes, size_t offset, T value) {
  std::memcpy(bytes.data() + offset, &value, sizeof(T));
  const absl::string_view view = bytes;
  const uint32_t checksum = Crc32c(view.substr(32), Crc32c(view.substr(0, 28)));
  std::memcpy(bytes.data() + 28, &checksum, 4);
  return bytes;
}

TEST_P(FrameTest, RoundTrip_AnySize) {
  for (const int64_t size : kSizes) {
    const std::vector<float> values = RandomUpdate(size, 30);
    const std::string bytes = Make(values, ~uint64_t{0} - 1);
    const std::string payload = *Encode(GetParam(), values);
    EXPECT_EQ(static_cast<int64_t>(bytes.size()),
              kFrameHeaderBytes + static_cast<int64_t>(payload.size()));
    const auto frame = Read(bytes, size);
    ASSERT_THAT(frame, IsOk());
    EXPECT_EQ(frame->model_version, ~uint64_t{0} - 1);
    EXPECT_EQ(frame->payload, payload);
    EXPECT_EQ(frame->payload.data(), bytes.data() + kFrameHeaderBytes) << "a view, not a copy";
  }
}

TEST_P(FrameTest, EncodeFrame_ValueThatIsNotFinite_IsTheEncodersError) {
  const std::vector<float> values = {1.0f, std::nanf("")};
  EXPECT_THAT(EncodeFrame(*encoder_, values, 1, {}), StatusIs(kInvalid, "coordinate 1 is nan"));
}

TEST_P(FrameTest, EveryShorterFrame_IsTruncated) {
  const std::string bytes = Make(RandomUpdate(300, 31));
  for (size_t size = 0; size < bytes.size(); ++size) {
    ASSERT_THAT(Read(absl::string_view(bytes).substr(0, size), 300),
                StatusIs(kDataLoss, "frame: truncated: "));
  }
  EXPECT_THAT(Read(absl::string_view(bytes).substr(0, 31), 300),
              StatusIs(kDataLoss, "frame: truncated: 31 bytes, expected a header of 32"));
}

TEST_P(FrameTest, TrailingBytes_AreDataLoss) {
  EXPECT_THAT(Read(Make(RandomUpdate(300, 31)) + "x", 300),
              StatusIs(kDataLoss, "frame: trailing bytes: payload is "));
}

TEST_P(FrameTest, EveryFieldOfTheHeader_IsChecked) {
  const std::string bytes = Make(RandomUpdate(300, 32));
  EXPECT_THAT(Read(Patched(bytes, 0, 'X'), 300),
              StatusIs(kInvalid, "frame: magic is 0x4e524558, expected 0x4e524554 (\"TERN\")"));
  EXPECT_THAT(Read(Patched(bytes, 4, uint16_t{2}), 300),
              StatusIs(kInvalid, "frame: format version is 2, expected 1"));
  EXPECT_THAT(Read(Patched(bytes, 6, uint16_t{1}), 300),
              StatusIs(kInvalid, "frame: reserved field is 1, expected 0"));
  EXPECT_THAT(Read(Patched(bytes, 16, ~uint64_t{0}), 300),
              StatusIs(kDataLoss, "bytes, expected 18446744073709551615"));
  EXPECT_THAT(Read(Patched(bytes, 24, uint32_t{299}), 300),
              StatusIs(kInvalid, "frame: count is 299 coordinates, expected the model's 300"));
  EXPECT_THAT(Read(bytes, 299), StatusIs(kInvalid, "count is 300 coordinates"));
  EXPECT_EQ(Read(Patched(bytes, 8, uint64_t{77}), 300)->model_version, 77u);
}

// What a frame says it is comes before what its bytes are: from the first field that is wrong on,
// all are.
TEST_P(FrameTest, FirstWrongField_IsTheOneReported) {
  std::string bytes = Make(RandomUpdate(300, 33));
  bytes[40] ^= 1;
  EXPECT_THAT(Read(bytes, 300), StatusIs(kDataLoss, "checksum"));
  bytes[16] ^= 1;
  EXPECT_THAT(Read(bytes, 300), StatusIs(kDataLoss, "payload is"));
  bytes[24] ^= 1;
  EXPECT_THAT(Read(bytes, 300), StatusIs(kInvalid, "count"));
  bytes[6] ^= 1;
  EXPECT_THAT(Read(bytes, 300), StatusIs(kInvalid, "reserved"));
  bytes[4] ^= 2;
  EXPECT_THAT(Read(bytes, 300), StatusIs(kInvalid, "format version"));
  bytes[0] ^= 1;
  EXPECT_THAT(Read(bytes, 300), StatusIs(kInvalid, "magic"));
}

TEST_P(FrameTest, PayloadThatTheDecoderRefuses_IsTheDecodersError) {
  const std::string bytes = Make({1.0f, 2.0f});
  // Of a float: the first of the payload, or behind everything else.
  const size_t offset = IsSparse(GetParam()) ? bytes.size() - 4 : 32;
  EXPECT_THAT(Read(Patched(bytes, offset, std::nanf("")), 2), StatusIs(kInvalid, "is nan"));
  EXPECT_THAT(Read(Patched(bytes, offset, 1e6f), 2), StatusIs(kInvalid, "at most 16"));
}

TEST_P(FrameTest, EveryFlippedBit_IsDetected) {
  std::string bytes = Make(RandomUpdate(40, 34));
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    ASSERT_FALSE(Read(bytes, 40).ok()) << bit;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
  }
  EXPECT_THAT(Read(bytes, 40), IsOk());
}

INSTANTIATE_TEST_SUITE_P(Codecs, FrameTest, ::testing::ValuesIn(kAllCodecs),
                         [](const auto& param_info) {
                           return std::string(
                               param_info.param.substr(0, param_info.param.find('(')));
                         });

TEST(Frame, OfAnotherCodec_IsRefused) {
  const std::string bytes = EncodeFrame(*EncoderOf("none"), RandomUpdate(300, 35), 1, {}).value();
  EXPECT_THAT(ReadFrame(bytes, *DecoderOf("quantize(8)"), {.count = 300, .max_abs_value = 16.0f}),
              StatusIs(kDataLoss, "trailing bytes: payload of 1200 bytes, expected 308"));
}

TEST(DenseSinkDeathTest, BlockOutsideTheVector_IsABug) {
  std::vector<float> out(4);
  DenseSink sink(absl::MakeSpan(out));
  EXPECT_DEATH(sink.Add(3, {1.0f, 2.0f}), "check failed");
  EXPECT_DEATH(sink.Add(-1, {1.0f}), "check failed");
}

}  // namespace
}  // namespace tern::compression
