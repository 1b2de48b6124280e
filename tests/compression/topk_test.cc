#include "compression/topk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "tests/compression/codec_tools.h"
#include "tests/core/engine/allocation_counter.h"
#include "tests/testing/status_matchers.h"

namespace tern::compression {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Eq;

constexpr auto kDataLoss = absl::StatusCode::kDataLoss;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

std::string U32(uint32_t number) {
  return std::string(reinterpret_cast<const char*>(&number), sizeof(number));
}

std::string Floats(const std::vector<float>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

std::string Varint(uint32_t number) {
  std::string bytes;
  for (; number >= 0x80; number >>= 7) bytes += static_cast<char>(number | 0x80);
  return bytes + static_cast<char>(number);
}

// What topk.h and docs/wire-format.md say, by sorting.
std::string TheDefinition(double fraction, const std::vector<float>& values) {
  const auto kept = static_cast<size_t>(std::max(
      std::ceil(fraction * static_cast<double>(values.size())), values.empty() ? 0.0 : 1.0));
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return std::abs(values[a]) > std::abs(values[b]); });
  order.resize(kept);
  std::sort(order.begin(), order.end());
  std::string gaps;
  std::vector<float> sent;
  size_t next = 0;
  for (const size_t index : order) {
    gaps += Varint(static_cast<uint32_t>(index - next));
    sent.push_back(values[index]);
    next = index + 1;
  }
  return U32(static_cast<uint32_t>(kept)) + gaps + Floats(sent);
}

TEST(TopK, Encode_IsTheDefinition) {
  for (const double fraction : {1e-6, 0.001, 0.01, 0.07, 0.1, 0.5, 1.0}) {
    const std::string codec = absl::StrCat("topk(", fraction, ")");
    for (const int64_t size : kSizes) {
      const std::vector<float> values = RandomUpdate(size, 60);
      EXPECT_EQ(*Encode(codec, values), TheDefinition(fraction, values)) << codec << " " << size;
    }
  }
}

// The threshold may lie in any digit of the magnitude's bits.
TEST(TopK, AnyMagnitudes_AreTheDefinition) {
  RandomStream random({.seed = 61});
  for (int i = 0; i < 2000; ++i) {
    const uint32_t mask = ~uint32_t{0} << random.Below(32);
    std::vector<float> values(1 + random.Below(300));
    for (float& value : values) {
      // Bits of finite floats, few different ones or many.
      const uint32_t bits = 0x3F812345u ^ (random.Next32() & ~mask);
      value = std::bit_cast<float>(bits & 0xFF7FFFFF);
    }
    ASSERT_EQ(*Encode("topk(0.1)", values), TheDefinition(0.1, values));
  }
}

TEST(TopK, EqualMagnitudes_TheLowerIndexIsKept) {
  EXPECT_THAT(Decode("topk(0.5)", *Encode("topk(0.5)", {2, -3, 3, -3, 3, 2}), 6),
              ElementsAre(0, -3, 3, -3, 0, 0));
  EXPECT_THAT(Decode("topk(0.5)", *Encode("topk(0.5)", std::vector<float>(4, 0.0f)), 4), Each(0));
}

TEST(TopK, Payload_IsCountGapsAndValues) {
  std::vector<float> values(301, 0.25f);
  values[0] = -1.5f;
  values[1] = 2.0f;
  values[300] = 1e-30f;
  values[200] = -0.5f;
  EXPECT_EQ(*Encode("topk(0.005)", values),
            U32(2) + std::string("\0\0", 2) + Floats({-1.5f, 2.0f}));
  EXPECT_EQ(*Encode("topk(0.0099)", values),
            U32(3) + std::string("\0\0\xC6\x01", 4) + Floats({-1.5f, 2.0f, -0.5f}));
}

TEST(TopK, FractionOne_KeepsEveryBit) {
  std::vector<float> values = RandomUpdate(1000, 62);
  values[5] = -0.0f;
  values[6] = std::numeric_limits<float>::denorm_min();
  const std::vector<float> decoded = Decode("topk(1)", *Encode("topk(1)", values), 1000);
  EXPECT_EQ(std::memcmp(decoded.data(), values.data(), values.size() * sizeof(float)), 0);
}

TEST(TopK, Kept_IsAtLeastOneAndRoundedUp) {
  EXPECT_EQ(TopKKept(0.01, 0), 0);
  EXPECT_EQ(TopKKept(0.01, 1), 1);
  EXPECT_EQ(TopKKept(0.01, 100), 1);
  EXPECT_EQ(TopKKept(0.01, 101), 2);
  EXPECT_EQ(TopKKept(1.0, 12345), 12345);
  EXPECT_EQ(TopKKept(std::nextafter(1.0, 0.0), 3), 3);
}

// Over all ways to divide the left-out coordinates among the gaps.
TEST(TopK, Bounds_AreReached) {
  EXPECT_EQ(EncoderOf("topk(0.1)")->MaxEncodedBytes(0), 4);
  EXPECT_EQ(EncoderOf("topk(0.1)")->MinEncodedBytes(0), 4);
  for (const int64_t count : {2, 127, 128, 129, 130, 255, 256, 257, 258, 259, 300, 400}) {
    const auto encoder = EncoderOf(absl::StrCat("topk(", 1.9 / static_cast<double>(count), ")"));
    int64_t longest = 0;
    int64_t shortest = 1000;
    for (int64_t first = 0; first <= count - 2; ++first) {
      for (int64_t second = 0; second <= count - 2 - first; ++second) {
        const auto bytes = static_cast<int64_t>(Varint(static_cast<uint32_t>(first)).size() +
                                                Varint(static_cast<uint32_t>(second)).size()) +
                           4 + 8;
        longest = std::max(longest, bytes);
        shortest = std::min(shortest, bytes);
      }
    }
    EXPECT_EQ(encoder->MaxEncodedBytes(count), longest) << count;
    EXPECT_EQ(encoder->MinEncodedBytes(count), shortest) << count;
  }
}

TEST(TopK, MaxEncodedBytes_LongGaps) {
  const auto one_of = [](int64_t count) {
    return EncoderOf("topk(1e-12)")->MaxEncodedBytes(count);
  };
  EXPECT_EQ(one_of(128), 9);
  EXPECT_EQ(one_of(129), 10);
  EXPECT_EQ(one_of(16384), 10);
  EXPECT_EQ(one_of(16385), 11);
  EXPECT_EQ(one_of((1 << 21) + 1), 12);
  EXPECT_EQ(one_of((1 << 28) + 1), 13);
  EXPECT_EQ(one_of(kTopKMaxCount), 13);
}

TEST(TopK, ScratchOfAMicrocontroller_IsEnoughForAnySize) {
  EXPECT_EQ(EncoderOf("topk(0.1)")->ScratchBytes(1), 8192);
  EXPECT_EQ(EncoderOf("topk(0.1)")->ScratchBytes(int64_t{1} << 30), 8192);
}

TEST(TopK, EncodeAndValidate_AllocateNothing) {
  if (!testing::CanCountAllocations()) GTEST_SKIP() << "a sanitizer has its own malloc";
  const std::vector<float> values = RandomUpdate(5000, 63);
  const auto encoder = EncoderOf("topk(0.1)");
  const auto decoder = DecoderOf("topk(0.1)");
  std::string payload;
  payload.reserve(static_cast<size_t>(encoder->MaxEncodedBytes(5000)));
  std::vector<char> scratch(8192);
  ByteWriter writer(&payload);
  const int64_t before = testing::NumAllocations();
  const absl::Status encoded = encoder->Encode(values, {}, absl::MakeSpan(scratch), writer);
  const absl::Status validated =
      decoder->Validate(payload, {.count = 5000, .max_abs_value = 16.0f});
  EXPECT_EQ(testing::NumAllocations(), before);
  EXPECT_THAT(encoded, IsOk());
  EXPECT_THAT(validated, IsOk());
}

// 21 coordinates under topk(0.1): 3 are kept.
absl::Status ValidateThree(const std::string& gaps, const std::vector<float>& values = {1, 2, 3},
                           uint32_t kept = 3) {
  return Validate("topk(0.1)", U32(kept) + gaps + Floats(values), 21);
}

TEST(TopK, Validate_AnotherNumberThanTheFractions_IsRefused) {
  EXPECT_THAT(ValidateThree(std::string(3, '\0')), IsOk());
  EXPECT_THAT(ValidateThree(std::string(2, '\0'), {1, 2, 3}, 2),
              StatusIs(kDataLoss, "truncated: payload of 18 bytes, expected 19"));
  EXPECT_THAT(ValidateThree(std::string(4, '\0'), {1, 2, 3, 4}, 4),
              StatusIs(kInvalid, "keeps 4 coordinates, expected 3 of 21"));
  EXPECT_THAT(ValidateThree(std::string(3, '\0'), {1, 2, 3}, 0xFFFFFFFF),
              StatusIs(kInvalid, "keeps 4294967295 coordinates, expected 3 of 21"));
}

TEST(TopK, Validate_AGapOutOfTheVector_IsNamed) {
  EXPECT_THAT(ValidateThree(std::string("\x12\x02\0", 3)),
              StatusIs(kInvalid, "gap 1 of 3 leads to coordinate 21, expected below 21"));
  EXPECT_THAT(ValidateThree(std::string("\x12\0\0", 3)), IsOk());
  EXPECT_THAT(ValidateThree(std::string("\x13\0\0", 3)),
              StatusIs(kInvalid, "gap 2 of 3 leads to coordinate 21, expected below 21"));
  EXPECT_THAT(ValidateThree(std::string("\xFF\xFF\xFF\xFF\x0F\0\0", 7)),
              StatusIs(kInvalid, "gap 0 of 3 leads to coordinate 4294967295"));
}

TEST(TopK, Validate_AnotherFormOfAVarint_IsRefused) {
  EXPECT_THAT(ValidateThree(std::string("\0\x81\0\0", 4)),
              StatusIs(kInvalid, "gap 1 of 3 is not in its shortest form"));
  EXPECT_THAT(ValidateThree(std::string("\x80\x80\x80\x80\0\0\0", 7)),
              StatusIs(kInvalid, "gap 0 of 3 is not in its shortest form"));
  EXPECT_THAT(ValidateThree(std::string("\xFF\xFF\xFF\xFF\x10\0\0", 7)),
              StatusIs(kInvalid, "gap 0 of 3 has more than 32 bits"));
  EXPECT_THAT(ValidateThree(std::string("\x80\x80\x80\x80\x80\0\0", 7)),
              StatusIs(kInvalid, "gap 0 of 3 has more than 32 bits"));
}

TEST(TopK, Validate_APayloadThatEndsInItsGaps_IsTruncated) {
  EXPECT_THAT(ValidateThree(std::string(12, '\x81'), {0}), StatusIs(kInvalid, "gap 0"));
  EXPECT_THAT(Validate("topk(1)", U32(2) + std::string("\0\0", 2) + Floats({1}), 2),
              StatusIs(kDataLoss, "truncated: payload of 10 bytes, expected 14"));
  EXPECT_THAT(Validate("topk(0.001)", U32(1) + "\x80\x80\x80\x80", 300), StatusIs(kDataLoss, ""));
  EXPECT_THAT(Validate("topk(0.001)", U32(1) + "\x80\x01" + "abc", 300),
              StatusIs(kDataLoss, "truncated: payload of 9 bytes, expected 10"));
}

TEST(TopK, Validate_ABadValue_NamesItsCoordinate) {
  const std::string gaps("\x02\0\x03", 3);
  EXPECT_THAT(ValidateThree(gaps, {1, std::nanf(""), 3}),
              StatusIs(kInvalid, "coordinate 3 is nan, expected a magnitude of at most 16"));
  EXPECT_THAT(ValidateThree(gaps, {1, 2, -17}), StatusIs(kInvalid, "coordinate 7 is -17"));
  EXPECT_THAT(ValidateThree(gaps, {std::numeric_limits<float>::infinity(), 2, 3}),
              StatusIs(kInvalid, "coordinate 2 is inf"));
}

TEST(TopK, Validate_ABadValueInALaterBlock_NamesItsCoordinate) {
  std::vector<float> values = RandomUpdate(1000, 64);
  std::string payload = *Encode("topk(1)", values);
  const float bad = 100.0f;
  std::memcpy(payload.data() + 4 + 1000 + 4 * 777, &bad, sizeof(bad));
  EXPECT_THAT(Validate("topk(1)", payload, 1000), StatusIs(kInvalid, "coordinate 777 is 100"));
}

TEST(TopK, MoreCoordinatesThanIndices_AreRefused) {
  EXPECT_THAT(Validate("topk(0.1)", "", kTopKMaxCount + 1), StatusIs(kInvalid, "2147483647"));
}

TEST(TopK, DecodeInto_GivesBlocksOfAtMost256) {
  class BlockSink final : public UpdateSink {
   public:
    void Add(int64_t, absl::Span<const float>) override { ADD_FAILURE(); }
    void AddSparse(absl::Span<const int32_t> indices, absl::Span<const float> values) override {
      EXPECT_EQ(indices.size(), values.size());
      sizes.push_back(indices.size());
    }
    std::vector<size_t> sizes;
  };
  BlockSink sink;
  DecoderOf("topk(0.1)")->DecodeInto(*Encode("topk(0.1)", RandomUpdate(6000, 65)), 6000, sink);
  EXPECT_THAT(sink.sizes, ElementsAre(256, 256, Eq(600 - 512)));
}

}  // namespace
}  // namespace tern::compression
