#include "compression/frame.h"
#include "compression/dense_sinks.h"

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
    return EncodeFrame(*encoder_, values, model_version, ContextOf(0)).value();
  }
  absl::StatusOr<Frame> Read(absl::string_view bytes, int64_t count) const {
    return ReadFrame(bytes, *decoder_, ContextOf(count), kLargestFinite);
  }

  std::unique_ptr<Encoder> encoder_ = EncoderOf(GetParam());
  std::unique_ptr<Decoder> decoder_ = DecoderOf(GetParam());
};

// Puts `value` at `offset` and makes the checksum fit again.
template <typename T>
std::string Patched(std::string bytes, size_t offset, T value) {
  std::memcpy(bytes.data() + offset, &value, sizeof(T));
  const absl::string_view view = bytes;
  const uint32_t checksum = Crc32c(view.substr(16), Crc32c(view.substr(0, 12)));
  std::memcpy(bytes.data() + 12, &checksum, 4);
  return bytes;
}

TEST_P(FrameTest, RoundTrip_AnySize) {
  for (const int64_t size : kSizes) {
    const std::vector<float> values = RandomUpdate(size, 30);
    const std::string bytes = Make(values, uint64_t{0xFFFFFFFE});
    const std::string payload = *Encode(GetParam(), values);
    EXPECT_EQ(static_cast<int64_t>(bytes.size()),
              kFrameHeaderBytes + static_cast<int64_t>(payload.size()));
    const auto frame = Read(bytes, size);
    ASSERT_THAT(frame, IsOk());
    EXPECT_EQ(frame->model_version, uint64_t{0xFFFFFFFE});
    EXPECT_EQ(frame->payload, payload);
    EXPECT_EQ(frame->payload.data(), bytes.data() + kFrameHeaderBytes) << "a view, not a copy";
  }
}

TEST_P(FrameTest, EncodeFrame_ValueThatIsNotFinite_IsTheEncodersError) {
  const std::vector<float> values = {1.0f, std::nanf("")};
  EXPECT_THAT(EncodeFrame(*encoder_, values, 1, {}), StatusIs(kInvalid, "coordinate 1 is nan"));
}

TEST_P(FrameTest, EveryShorterFrameAndTrailingBytes_AreDataLoss) {
  const std::string bytes = Make(RandomUpdate(300, 31));
  for (size_t size = 0; size < bytes.size(); ++size) {
    ASSERT_THAT(Read(absl::string_view(bytes).substr(0, size), 300),
                StatusIs(kDataLoss, "frame: "));
  }
  EXPECT_THAT(Read(absl::string_view(bytes).substr(0, 15), 300),
              StatusIs(kDataLoss, "frame: truncated: 15 bytes, expected a header of 16"));
  EXPECT_THAT(Read(bytes + "x", 300),
              StatusIs(kDataLoss, "damaged, truncated or with bytes behind"));
}

TEST_P(FrameTest, EveryFieldOfTheHeader_IsChecked) {
  const std::string bytes = Make(RandomUpdate(300, 32));
  EXPECT_THAT(Read(Patched(bytes, 0, 'X'), 300),
              StatusIs(kInvalid, "frame: begins with 0x024e5258, expected \"TRN\" and a version"));
  EXPECT_THAT(Read(Patched(bytes, 3, uint8_t{3}), 300),
              StatusIs(kInvalid, "frame: format version is 3, expected 2"));
  EXPECT_THAT(Read(std::string("TERN\1\0\0\0", 8) + bytes.substr(8), 300),
              StatusIs(kInvalid, "frame: format version is 1, expected 2; update the older"));
  EXPECT_THAT(Read(Patched(bytes, 8, uint32_t{299}), 300),
              StatusIs(kInvalid, "frame: count is 299 coordinates, expected the model's 300"));
  EXPECT_THAT(Read(bytes, 299), StatusIs(kInvalid, "count is 300 coordinates"));
  EXPECT_EQ(Read(Patched(bytes, 4, uint32_t{77}), 300)->model_version, 77u);
}

TEST_P(FrameTest, PayloadThatTheDecoderRefuses_IsTheDecodersError) {
  const std::string bytes = Make(RandomUpdate(300, 33)).substr(0, kFrameHeaderBytes);
  EXPECT_FALSE(Read(Patched(bytes, 4, uint32_t{1}), 300).ok());
}

TEST(Frame, ModelVersionOf32Bits_IsRefused) {
  EXPECT_THAT(EncodeFrame(*EncoderOf("none"), {}, uint64_t{1} << 32, {}),
              StatusIs(kInvalid, "expected both below 2^32"));
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
                         [](const auto& param_info) { return TestName(param_info.param); });

TEST(Frame, OfAnotherCodec_IsRefused) {
  const std::string bytes = EncodeFrame(*EncoderOf("none"), RandomUpdate(300, 35), 1, {}).value();
  EXPECT_THAT(ReadFrame(bytes, *DecoderOf("quantize(8)"), {.count = 300}, 16.0f),
              StatusIs(kDataLoss, "trailing bytes: "));
}

TEST(DenseSinkDeathTest, BlockOutsideTheVector_IsABug) {
  std::vector<float> out(4);
  DenseSink sink(absl::MakeSpan(out));
  EXPECT_DEATH(sink.Add(3, {1.0f, 2.0f}), "check failed");
  EXPECT_DEATH(sink.Add(-1, {1.0f}), "check failed");
}

}  // namespace
}  // namespace tern::compression
