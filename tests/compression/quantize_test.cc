#include "compression/quantize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "tests/compression/codec_tools.h"
#include "tests/testing/status_matchers.h"

namespace tern::compression {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::Each;
using ::testing::ElementsAre;

constexpr absl::string_view kCodec = "quantize(8)";
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

float ScaleOfBlock(const std::string& payload, int64_t block) {
  float scale;
  std::memcpy(&scale, payload.data() + block * 260, 4);
  return scale;
}

int CodeOf(const std::string& payload, int64_t coordinate) {
  const int64_t at = coordinate / 256 * 260 + 4 + coordinate % 256;
  return static_cast<signed char>(payload[static_cast<size_t>(at)]);
}

// What quantize.h and docs/wire-format.md say, one coordinate at a time.
void ExpectIsTheDefinition(absl::Span<const float> values, const std::string& payload) {
  for (size_t start = 0; start < values.size(); start += 256) {
    const auto block = values.subspan(start, 256);
    float largest = 0.0f;
    for (const float value : block) largest = std::max(largest, std::abs(value));
    float scale = largest / 127.0f;
    if (scale * 127.0f > largest) scale = std::nextafter(scale, 0.0f);
    if (scale < std::numeric_limits<float>::min()) scale = 0.0f;
    ASSERT_EQ(ScaleOfBlock(payload, static_cast<int64_t>(start / 256)), scale);
    for (size_t i = 0; i < block.size(); ++i) {
      const float unrounded = scale == 0.0f ? 0.0f : block[i] * (127.0f / largest);
      const int code = static_cast<int>(std::nearbyint(unrounded));
      ASSERT_LE(std::abs(code), 127);
      ASSERT_EQ(CodeOf(payload, static_cast<int64_t>(start + i)), code) << start + i;
    }
  }
}

TEST(Quantize, Encode_IsTheDefinition) {
  for (const int64_t size : kSizes) {
    const std::vector<float> values = RandomUpdate(size, 20);
    const std::string payload = *Encode(kCodec, values);
    EXPECT_EQ(static_cast<int64_t>(payload.size()), size + (size + 255) / 256 * 4);
    ExpectIsTheDefinition(values, payload);
  }
}

// One magnitude of block after another over the whole range of floats.
TEST(Quantize, AnyMagnitude_IsTheDefinitionAndKeepsTheErrorBound) {
  RandomStream random({.seed = 21});
  for (int exponent = -149; exponent <= 127; ++exponent) {
    std::vector<float> values(256);
    for (float& value : values) {
      value = std::ldexp(1.9999f * (2.0f * random.NextFloat() - 1.0f), exponent);
    }
    const std::string payload = *Encode(kCodec, values);
    ExpectIsTheDefinition(values, payload);
    ASSERT_THAT(Validate(kCodec, payload, 256, std::numeric_limits<float>::max()), IsOk());
    const std::vector<float> decoded = Decode(kCodec, payload, 256);
    const double scale = ScaleOfBlock(payload, 0);
    const double bound = scale == 0.0 ? 127 * 0x1p-126 : scale / 2 * (1 + 0x1p-13);
    float largest = 0.0f;
    for (const float value : values) largest = std::max(largest, std::abs(value));
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_LE(std::abs(static_cast<double>(values[i]) - decoded[i]), bound) << exponent;
      ASSERT_LE(std::abs(decoded[i]), largest) << exponent;
    }
  }
}

TEST(Quantize, Ties_GoToTheEvenCode) {
  const std::vector<float> values = {127.0f, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 0.49f, -126.5f};
  const std::string payload = *Encode(kCodec, values);
  EXPECT_EQ(ScaleOfBlock(payload, 0), 1.0f);
  EXPECT_THAT(Decode(kCodec, payload, 9), ElementsAre(127, 0, 2, 2, 0, -2, -2, 0, -126));
}

TEST(Quantize, LargestOfABlock_NeverDecodesAboveItself) {
  RandomStream random({.seed = 22});
  for (int i = 0; i < 20000; ++i) {
    const float value = std::ldexp(1.0f + random.NextFloat(), static_cast<int>(random.Below(40)));
    const float decoded = Decode(kCodec, *Encode(kCodec, {value}), 1)[0];
    ASSERT_LE(decoded, value);
    ASSERT_GE(decoded, value * (1 - 0x1p-22f));
  }
}

TEST(Quantize, ZeroBlock_IsAllZeroBytes) {
  const std::vector<float> values = {0.0f, -0.0f, 0.0f};
  EXPECT_EQ(*Encode(kCodec, values), std::string(7, '\0'));
  EXPECT_THAT(Decode(kCodec, std::string(7, '\0'), 3), Each(0.0f));
}

TEST(Quantize, BlockTooSmallForANormalScale_IsZero) {
  const float smallest_kept = 127.0f * std::numeric_limits<float>::min();
  EXPECT_EQ(ScaleOfBlock(*Encode(kCodec, {smallest_kept}), 0), std::numeric_limits<float>::min());
  EXPECT_EQ(*Encode(kCodec, {std::nextafter(smallest_kept, 0.0f)}), std::string(5, '\0'));
  EXPECT_EQ(*Encode(kCodec, {std::numeric_limits<float>::denorm_min()}), std::string(5, '\0'));
}

TEST(Quantize, Blocks_HaveScalesOfTheirOwn) {
  std::vector<float> values(257, 1.0f);
  values[256] = 1000.0f;
  const std::string payload = *Encode(kCodec, values);
  EXPECT_NEAR(ScaleOfBlock(payload, 0), 1.0f / 127, 1e-9);
  EXPECT_NEAR(ScaleOfBlock(payload, 1), 1000.0f / 127, 1e-5);
}

std::string WithScale(std::string payload, int64_t block, float scale) {
  std::memcpy(payload.data() + block * 260, &scale, 4);
  return payload;
}

TEST(Quantize, Validate_BadScale_NamesBlockAndCoordinate) {
  const std::string payload = *Encode(kCodec, RandomUpdate(600, 23));
  const auto with = [&](int64_t block, float scale) {
    return Validate(kCodec, WithScale(payload, block, scale), 600);
  };
  for (int64_t block = 0; block < 3; ++block) {
    const std::string name =
        absl::StrCat("block ", block, " (from coordinate ", 256 * block, "): scale ");
    EXPECT_THAT(with(block, std::nanf("")), StatusIs(kInvalid, name + "is nan, expected finite"));
    EXPECT_THAT(with(block, std::numeric_limits<float>::infinity()),
                StatusIs(kInvalid, name + "is inf"));
    EXPECT_THAT(with(block, -1e-3f), StatusIs(kInvalid, name + "is -0.00100000005"));
    EXPECT_THAT(with(block, 0.25f),
                StatusIs(kInvalid, name + "0.25 reaches magnitude 31.75, expected at most 16"));
    EXPECT_THAT(with(block, 0.125f), IsOk());
  }
}

TEST(Quantize, Validate_CodeOutsideTheRange_NamesTheCoordinate) {
  const std::string payload = *Encode(kCodec, RandomUpdate(600, 24));
  for (const int64_t coordinate : {0, 255, 256, 599}) {
    std::string changed = payload;
    changed[static_cast<size_t>(coordinate / 256 * 260 + 4 + coordinate % 256)] = '\x80';
    EXPECT_THAT(Validate(kCodec, changed, 600),
                StatusIs(kInvalid, absl::StrCat("coordinate ", coordinate,
                                                ": code is -128, expected -127 to 127")));
  }
}

// The bytes of the number -128 in a scale are no code.
TEST(Quantize, Validate_Byte80InAScale_IsFine) {
  float scale;
  const unsigned char bytes[4] = {0x80, 0x80, 0x80, 0x3C};
  std::memcpy(&scale, bytes, 4);
  EXPECT_THAT(Validate(kCodec, WithScale(*Encode(kCodec, {1.0f}), 0, scale), 1), IsOk());
}

TEST(Quantize, Validate_InfiniteLimit_StillWantsFiniteValues) {
  const std::string payload =
      WithScale(*Encode(kCodec, {1.0f}), 0, std::numeric_limits<float>::max());
  EXPECT_THAT(Validate(kCodec, payload, 1, std::numeric_limits<float>::infinity()),
              StatusIs(kInvalid, "reaches magnitude inf"));
}

}  // namespace
}  // namespace tern::compression
