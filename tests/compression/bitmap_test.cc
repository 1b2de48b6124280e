#include "compression/bitmap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "compression/rans.h"
#include "core/base/random.h"
#include "tests/compression/position_tools.h"
#include "tests/testing/status_matchers.h"

namespace tern::compression {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;

constexpr auto kDataLoss = absl::StatusCode::kDataLoss;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

// Vectors of the sizes that may be written, so that a sanitizer sees every byte too many.
std::string Write(bool rans, const std::vector<int32_t>& positions, int64_t count) {
  std::vector<char> bitmap(static_cast<size_t>(BitmapBytes(count)), 'x');
  if (!rans) {
    WriteBitmap(positions, count, bitmap.data());
    return std::string(bitmap.begin(), bitmap.end());
  }
  std::vector<char> out(static_cast<size_t>(MaxRansBytes(BitmapBytes(count))));
  const int64_t size =
      WriteRansBitmap(positions, CountsOf(positions, count), bitmap.data(), out.data());
  return std::string(out.begin(), out.begin() + size);
}

std::unique_ptr<PositionReader> Reader(bool rans, absl::string_view bytes,
                                       const PositionCounts& counts) {
  return rans ? MakeRansBitmapReader(bytes, counts) : MakeBitmapReader(bytes, counts);
}

TEST(Bitmap, ByHand_TheFirstCoordinateIsTheLowestBit) {
  EXPECT_EQ(Write(false, {0, 3, 8, 9}, 10), "\x09\x03");
  EXPECT_EQ(Write(false, {}, 9), std::string(2, '\0'));
  EXPECT_EQ(Write(false, {}, 0), "");
}

class AnyBitmap : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(, AnyBitmap, ::testing::Bool(), [](const auto& suite) {
  return std::string(suite.param ? "Rans" : "Plain");
});

TEST_P(AnyBitmap, AnyPositions_ComeBack) {
  for (const double share : {0.0, 0.001, 0.05, 0.5, 0.95, 1.0}) {
    for (const int64_t count : {0, 1, 7, 8, 9, 63, 64, 65, 511, 513, 1000, 32767, 32768, 70001}) {
      const std::vector<int32_t> positions = RandomPositions(count, share, 20);
      const std::string bytes = Write(GetParam(), positions, count);
      const auto reader = Reader(GetParam(), bytes, CountsOf(positions, count));
      ASSERT_THAT(reader->Check(), IsOk()) << share << " of " << count;
      ASSERT_EQ(ReadAll(*reader, count, 256, count), positions) << share << " of " << count;
    }
  }
}

TEST_P(AnyBitmap, ReadInParts_IsTheSame) {
  const int64_t count = 200003;
  for (const double share : {0.0001, 0.05, 0.6, 1.0}) {
    const std::vector<int32_t> positions = RandomPositions(count, share, 21);
    const std::string bytes = Write(GetParam(), positions, count);
    const auto reader = Reader(GetParam(), bytes, CountsOf(positions, count));
    for (const size_t room : {size_t{1}, size_t{5}, size_t{300}, size_t{4096}}) {
      if (room == 1 && share > 0.5) continue;  // seconds
      ASSERT_EQ(ReadAll(*reader, count, room, 65536), positions);
    }
    ASSERT_EQ(ReadAll(*reader, count, 50, 999), positions);
  }
}

// Where a block ends, everything before was handed out and nothing behind was looked at.
TEST_P(AnyBitmap, EndOfABlock_IsACleanStateToGoOnFrom) {
  const int64_t count = 65536 * 3 + 5;
  const std::vector<int32_t> positions = RandomPositions(count, 0.1, 22);
  const std::string bytes = Write(GetParam(), positions, count);
  const auto reader = Reader(GetParam(), bytes, CountsOf(positions, count));
  std::vector<int32_t> room(65536);
  PositionState state;
  for (int64_t end = 65536; end < count; end += 65536) {
    const int64_t read = reader->Read(state, end, absl::MakeSpan(room));
    ASSERT_GT(read, 0);
    ASSERT_EQ(state.next, end);
    ASSERT_EQ(state.pending, 0u);
  }
  PositionState copy = state;
  const int64_t rest = reader->Read(copy, count, absl::MakeSpan(room));
  EXPECT_EQ(state.handed_out + rest, static_cast<int64_t>(positions.size()));
  EXPECT_EQ(copy.handed_out, static_cast<int64_t>(positions.size()));
}

TEST_P(AnyBitmap, Truncated_IsDataLoss) {
  for (const int64_t count : {100, 40000}) {
    const std::vector<int32_t> positions = RandomPositions(count, 0.2, 23);
    const std::string bytes = Write(GetParam(), positions, count);
    for (size_t size = 0; size < bytes.size(); size += count == 100 ? 1 : 101) {
      const std::string part = bytes.substr(0, size);
      EXPECT_THAT(Reader(GetParam(), part, CountsOf(positions, count))->Check(),
                  StatusIs(kDataLoss, "truncated"));
    }
  }
}

TEST_P(AnyBitmap, TrailingBytes_AreDataLoss) {
  const std::vector<int32_t> positions = RandomPositions(100, 0.2, 24);
  const std::string bytes = Write(GetParam(), positions, 100) + '\0';
  EXPECT_THAT(Reader(GetParam(), bytes, CountsOf(positions, 100))->Check(),
              StatusIs(kDataLoss, "trailing bytes"));
  EXPECT_THAT(Reader(GetParam(), "x", {.kept = 0, .count = 0})->Check(),
              StatusIs(kDataLoss, "trailing bytes"));
}

TEST_P(AnyBitmap, EveryFlippedBit_IsRefusedOrInRange) {
  for (const int64_t count : {203, 500}) {
    const std::vector<int32_t> positions = RandomPositions(count, 0.2, 25);
    const PositionCounts counts = CountsOf(positions, count);
    const std::string bytes = Write(GetParam(), positions, count);
    for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      std::string flipped = bytes;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << (bit % 8));
      const auto reader = Reader(GetParam(), flipped, counts);
      ASSERT_NO_FATAL_FAILURE(ExpectInRangeIfAccepted(*reader, counts));
    }
  }
}

TEST_P(AnyBitmap, RandomBytes_AreRefusedOrInRange) {
  RandomStream random({.seed = 26});
  for (int i = 0; i < 2000; ++i) {
    const int64_t count = random.Below(100);
    std::string bytes(GetParam() ? random.Below(20) : static_cast<uint32_t>(BitmapBytes(count)),
                      '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.Below(256));
    const int64_t kept = random.Below(static_cast<uint32_t>(count) + 1);
    const PositionCounts counts = {.kept = kept, .count = count};
    const auto reader = Reader(GetParam(), bytes, counts);
    ASSERT_NO_FATAL_FAILURE(ExpectInRangeIfAccepted(*reader, counts));
  }
}

TEST(Bitmap, AnotherNumberOfPositions_IsRefused) {
  const std::string bytes = Write(false, {0, 3, 8, 9}, 10);
  for (int64_t kept = 0; kept <= 10; ++kept) {
    const absl::Status status = MakeBitmapReader(bytes, {.kept = kept, .count = 10})->Check();
    if (kept == 4) {
      EXPECT_THAT(status, IsOk());
    } else {
      EXPECT_THAT(status, StatusIs(kInvalid, "bitmap of 4 positions"));
    }
  }
}

TEST(Bitmap, BitsBehindTheLastCoordinate_AreRefused) {
  for (int bit = 2; bit < 8; ++bit) {
    std::string bytes = Write(false, {0, 3, 8}, 10);
    bytes[1] = static_cast<char>(bytes[1] | 1 << bit);
    EXPECT_THAT(MakeBitmapReader(bytes, {.kept = 4, .count = 10})->Check(),
                StatusIs(kInvalid, "behind its 10 coordinates"));
  }
}

// Coded as an encoder would, but what it says is no bitmap of the counts.
TEST(RansBitmap, AnotherBitmap_IsRefused) {
  const PositionCounts counts = {.kept = 4, .count = 20};
  std::vector<double> probabilities(256);
  BitmapProbabilities(counts, absl::MakeSpan(probabilities));
  const auto check = [&](const std::vector<uint8_t>& bitmap) {
    std::vector<char> out(static_cast<size_t>(MaxRansBytes(3)));
    const int64_t size = RansEncode(bitmap.data(), 3, JoinedFrequencies(probabilities), out.data());
    return MakeRansBitmapReader(absl::string_view(out.data(), static_cast<size_t>(size)), counts)
        ->Check();
  };
  EXPECT_THAT(check({0x81, 0x10, 0x08}), IsOk());
  EXPECT_THAT(check({0x81, 0x10, 0x0C}), StatusIs(kInvalid, "bitmap of 5 positions"));
  EXPECT_THAT(check({0x81, 0x10, 0x00}), StatusIs(kInvalid, "bitmap of 3 positions"));
  EXPECT_THAT(check({0x81, 0x10, 0x18}), StatusIs(kInvalid, "behind its 20 coordinates"));
}

TEST(RansBitmap, Probabilities_AreThoseOfIndependentBits) {
  std::vector<double> probabilities(256);
  for (const int64_t kept : {0, 1, 40, 100}) {
    BitmapProbabilities({.kept = kept, .count = 100}, absl::MakeSpan(probabilities));
    EXPECT_NEAR(std::accumulate(probabilities.begin(), probabilities.end(), 0.0), 1.0, 1e-12);
    const double share = static_cast<double>(kept) / 100;
    EXPECT_DOUBLE_EQ(probabilities[0], std::pow(1 - share, 8));
    EXPECT_NEAR(probabilities[0x13], std::pow(1 - share, 5) * std::pow(share, 3), 1e-15);
    EXPECT_DOUBLE_EQ(probabilities[0xFF], std::pow(share, 8));
  }
  BitmapProbabilities({.kept = 0, .count = 0}, absl::MakeSpan(probabilities));
  EXPECT_EQ(probabilities[0], 1.0);
}

// Bytes of many ones are so rare that the one slot which each of them gets costs something.
TEST(RansBitmap, Bytes_AreNearTheEntropy) {
  const int64_t count = 2000000;
  for (const auto& [share, most] :
       {std::pair(0.05, 1.007), std::pair(0.1, 1.002), std::pair(0.25, 1.0005)}) {
    const std::vector<int32_t> positions = RandomPositions(count, share, 27);
    const double kept = static_cast<double>(positions.size()) / static_cast<double>(count);
    const auto bytes = static_cast<double>(Write(true, positions, count).size());
    EXPECT_LE(bytes, most * EntropyBytes(kept, count)) << share;
  }
}

}  // namespace
}  // namespace tern::compression
