#include "compression/rice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "tests/compression/position_tools.h"
#include "tests/testing/status_matchers.h"

namespace tern::compression {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::Not;

constexpr auto kDataLoss = absl::StatusCode::kDataLoss;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr int64_t kMaxCount = std::numeric_limits<int32_t>::max();

std::string Write(const std::vector<int32_t>& positions, int64_t count) {
  const PositionCounts counts = CountsOf(positions, count);
  // Exactly as many bytes as may be written, so that a sanitizer sees every byte too many.
  std::vector<char> bytes(static_cast<size_t>(MaxRiceBytes(counts)));
  const int64_t size = WriteRicePositions(positions, counts, bytes.data());
  EXPECT_GE(size, MinRiceBytes(counts));
  EXPECT_LE(size, MaxRiceBytes(counts));
  return std::string(bytes.begin(), bytes.begin() + size);
}

std::string BytesOfBits(const std::string& bits) {
  std::string bytes((bits.size() + 7) / 8, '\0');
  for (size_t i = 0; i < bits.size(); ++i) {
    if (bits[i] == '1') bytes[i / 8] = static_cast<char>(bytes[i / 8] | 1 << (i % 8));
  }
  return bytes;
}

// What the header says, in characters.
std::string TheDefinition(const std::vector<int32_t>& positions, int parameter) {
  std::string bits;
  int64_t next = 0;
  for (const int32_t position : positions) {
    const int64_t gap = position - next;
    bits += std::string(static_cast<size_t>(gap >> parameter), '1') + '0';
    for (int bit = 0; bit < parameter; ++bit) bits += (gap >> bit & 1) != 0 ? '1' : '0';
    next = int64_t{position} + 1;
  }
  std::string bytes(1, static_cast<char>(parameter));
  bytes += BytesOfBits(bits);
  return bytes;
}

std::string TheShortest(const std::vector<int32_t>& positions, int64_t count) {
  if (positions.empty()) return std::string(1, '\0');
  const int middle = RiceParameter(CountsOf(positions, count));
  std::string shortest;
  size_t shortest_bits = 0;
  for (int r = std::max(middle - 2, 0); r <= std::min(middle + 2, 30); ++r) {
    size_t bits = positions.size() * static_cast<size_t>(r + 1);
    int64_t next = 0;
    for (const int32_t position : positions) {
      bits += static_cast<size_t>((position - next) >> r);
      next = int64_t{position} + 1;
    }
    if (!shortest.empty() && bits >= shortest_bits) continue;
    shortest = TheDefinition(positions, r);
    shortest_bits = bits;
  }
  return shortest;
}

TEST(Rice, ByHand) {
  // Gaps 1, 0, 4 with parameter 0: 10 0 11110.
  EXPECT_EQ(Write({1, 2, 7}, 10), std::string("\x00\x79", 2));
  // Gaps 9, 12 with parameter 3: 10 100, 10 001.
  EXPECT_EQ(Write({9, 22}, 40), "\x03\x25\x02");
  EXPECT_EQ(Write({}, 40), std::string(1, '\0'));
}

TEST(Rice, Write_IsTheDefinitionAndComesBack) {
  for (const double share : {0.0, 0.0005, 0.01, 0.1, 0.3, 0.7, 1.0}) {
    for (const int64_t count : {0, 1, 2, 9, 255, 256, 257, 1000, 20000, 200001}) {
      const std::vector<int32_t> positions = RandomPositions(count, share, 5);
      const std::string bytes = Write(positions, count);
      ASSERT_EQ(bytes, TheShortest(positions, count)) << share << " of " << count;
      const auto reader = MakeRiceReader(bytes, CountsOf(positions, count));
      ASSERT_THAT(reader->Check(), IsOk());
      ASSERT_EQ(ReadAll(*reader, count, 256, count), positions);
    }
  }
}

TEST(Rice, FarFromTheExpectedGaps_StaysWithinTheBounds) {
  for (const int64_t count : {int64_t{1000}, int64_t{1000000}, kMaxCount}) {
    for (const int32_t kept : {1, 2, 5, 300, 1000}) {
      std::vector<int32_t> first(static_cast<size_t>(kept));
      for (int32_t i = 0; i < kept; ++i) first[static_cast<size_t>(i)] = i;
      std::vector<int32_t> last = first;
      for (int32_t& position : last) position += static_cast<int32_t>(count) - kept;
      std::vector<int32_t> ends = first;
      ends.back() = static_cast<int32_t>(count - 1);
      for (const auto& positions : {first, last, ends}) {
        const std::string bytes = Write(positions, count);
        const auto reader = MakeRiceReader(bytes, CountsOf(positions, count));
        ASSERT_THAT(reader->Check(), IsOk());
        ASSERT_EQ(ReadAll(*reader, count, 64, count), positions);
      }
    }
  }
}

TEST(Rice, AnyParameter_IsRead) {
  const std::vector<int32_t> positions = RandomPositions(3000, 0.05, 6);
  for (int parameter = 0; parameter <= 30; ++parameter) {
    const std::string bytes = TheDefinition(positions, parameter);
    const auto reader = MakeRiceReader(bytes, CountsOf(positions, 3000));
    ASSERT_THAT(reader->Check(), IsOk());
    ASSERT_EQ(ReadAll(*reader, 3000, 256, 3000), positions) << parameter;
  }
}

TEST(Rice, ReadInParts_IsTheSame) {
  const int64_t count = 200000;
  for (const double share : {0.00002, 0.001, 0.02, 0.9}) {
    const std::vector<int32_t> positions = RandomPositions(count, share, 7);
    for (const int parameter : {0, 4, 11}) {
      const std::string bytes = TheDefinition(positions, parameter);
      const auto reader = MakeRiceReader(bytes, CountsOf(positions, count));
      for (const size_t room : {size_t{3}, size_t{1000}}) {
        ASSERT_EQ(ReadAll(*reader, count, room, 65536), positions);
      }
      ASSERT_EQ(ReadAll(*reader, count, 50, 999), positions);
    }
  }
}

TEST(Rice, Parameter_IsTheBestForGeometricGaps) {
  const int64_t count = kMaxCount;
  for (double share = 1.0; share > 1e-9; share *= 0.93) {
    const PositionCounts counts = {.kept = std::llround(share * static_cast<double>(count)),
                                   .count = count};
    const double kept = static_cast<double>(counts.kept) / static_cast<double>(count);
    const auto expected_bits = [&](int r) {
      return r + 1 / -std::expm1(std::log1p(-kept) * std::ldexp(1.0, r));
    };
    double best = std::numeric_limits<double>::infinity();
    for (int r = 0; r <= 30; ++r) best = std::min(best, expected_bits(r));
    EXPECT_LE(expected_bits(RiceParameter(counts)), best * 1.001) << kept;
  }
  EXPECT_EQ(RiceParameter({.kept = 0, .count = 5}), 0);
  EXPECT_EQ(RiceParameter({.kept = 5, .count = 5}), 0);
  EXPECT_EQ(RiceParameter({.kept = 1, .count = kMaxCount}), 30);
}

// At 0.1 % the best power of two is 1.0078 of the entropy.
TEST(Rice, Bytes_AreNearTheEntropy) {
  const int64_t count = 3000000;
  for (const auto& [share, most] : {std::pair(0.01, 1.004), std::pair(0.001, 1.009)}) {
    const std::vector<int32_t> positions = RandomPositions(count, share, 8);
    const double kept = static_cast<double>(positions.size()) / static_cast<double>(count);
    const auto bytes = static_cast<double>(Write(positions, count).size());
    EXPECT_LE(bytes, most * EntropyBytes(kept, count)) << share;
  }
}

TEST(Rice, Truncated_IsDataLoss) {
  for (const double share : {0.01, 0.1, 0.9}) {
    const std::vector<int32_t> positions = RandomPositions(1000, share, 9);
    const std::string bytes = Write(positions, 1000);
    for (size_t size = 0; size < bytes.size(); ++size) {
      const std::string part = bytes.substr(0, size);
      EXPECT_THAT(MakeRiceReader(part, CountsOf(positions, 1000))->Check(),
                  StatusIs(kDataLoss, "truncated"));
    }
  }
}

TEST(Rice, TrailingBytes_AreDataLoss) {
  const std::string bytes = Write({3, 5}, 10) + '\0';
  EXPECT_THAT(MakeRiceReader(bytes, {.kept = 2, .count = 10})->Check(),
              StatusIs(kDataLoss, "trailing bytes: 2"));
  EXPECT_THAT(MakeRiceReader(absl::string_view("\0\0", 2), {.kept = 0, .count = 10})->Check(),
              StatusIs(kDataLoss, "trailing bytes"));
}

TEST(Rice, WhatNoEncoderWrites_IsRefused) {
  const auto check = [](absl::string_view bytes, const PositionCounts& counts) {
    return MakeRiceReader(bytes, counts)->Check();
  };
  EXPECT_THAT(check("\x1F\xFF\xFF\xFF\xFF", {.kept = 1, .count = 10}),
              StatusIs(kInvalid, "parameter is 31"));
  EXPECT_THAT(check("\x01", {.kept = 0, .count = 10}), StatusIs(kInvalid, "parameter is 1"));
  // Gap 4 of 5 coordinates, then of 4.
  EXPECT_THAT(check(absl::string_view("\0\x0F", 2), {.kept = 1, .count = 5}), IsOk());
  EXPECT_THAT(check(absl::string_view("\0\x0F", 2), {.kept = 1, .count = 4}),
              StatusIs(kInvalid, "position 0 of 1 is not below 4"));
  EXPECT_THAT(check(absl::string_view("\0\x2F", 2), {.kept = 1, .count = 5}),
              StatusIs(kInvalid, "not 0"));
}

TEST(Rice, OnesWithoutEnd_AreRefusedAtTheLastCoordinate) {
  for (int parameter = 0; parameter <= 30; ++parameter) {
    std::string bytes(100000, '\xFF');
    bytes[0] = static_cast<char>(parameter);
    EXPECT_THAT(MakeRiceReader(bytes, {.kept = 3, .count = 1000})->Check(),
                StatusIs(kInvalid, "not below 1000"));
    EXPECT_THAT(MakeRiceReader(bytes, {.kept = 3, .count = kMaxCount})->Check(), Not(IsOk()));
  }
}

TEST(Rice, EveryFlippedBit_IsRefusedOrInRange) {
  for (const double share : {0.01, 0.2}) {
    const std::vector<int32_t> positions = RandomPositions(1500, share, 10);
    const PositionCounts counts = CountsOf(positions, 1500);
    const std::string bytes = Write(positions, 1500);
    for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      std::string flipped = bytes;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << (bit % 8));
      ASSERT_NO_FATAL_FAILURE(ExpectInRangeIfAccepted(*MakeRiceReader(flipped, counts), counts));
    }
  }
}

TEST(Rice, RandomBytes_AreRefusedOrInRange) {
  RandomStream random({.seed = 11});
  for (int i = 0; i < 20000; ++i) {
    std::string bytes(random.Below(40), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.Below(256));
    if (!bytes.empty()) bytes[0] = static_cast<char>(random.Below(33));
    const int64_t count = random.Below(2) == 0 ? 300 : 1 + random.Below(1u << 30);
    const PositionCounts counts = {.kept = std::min<int64_t>(random.Below(20), count),
                                   .count = count};
    const auto reader = MakeRiceReader(bytes, counts);
    if (count == 300) {
      ASSERT_NO_FATAL_FAILURE(ExpectInRangeIfAccepted(*reader, counts));
    } else if (reader->Check().ok()) {
      ASSERT_EQ(static_cast<int64_t>(ReadAll(*reader, count, 64, count).size()), counts.kept);
    }
  }
}

}  // namespace
}  // namespace tern::compression
