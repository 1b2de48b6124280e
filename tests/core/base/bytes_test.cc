#include "core/base/bytes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/testing/status_matchers.h"

namespace tern {
namespace {

using ::tern::testing::StatusIs;

TEST(ByteWriter, Write_PutsLeastSignificantByteFirst) {
  std::string bytes;
  ByteWriter writer(&bytes);
  writer.Write(uint8_t{0x01});
  writer.Write(uint16_t{0x0302});
  writer.Write(uint32_t{0x07060504});
  writer.Write(uint64_t{0x0F0E0D0C0B0A0908});
  EXPECT_EQ(bytes, "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A\x0B\x0C\x0D\x0E\x0F");
  EXPECT_EQ(writer.size(), 15u);
}

TEST(ByteWriter, WriteFloats_AreIeeeSingles) {
  std::string bytes;
  const float values[] = {1.0f, -2.0f};
  ByteWriter(&bytes).WriteFloats(values);
  EXPECT_EQ(bytes, std::string("\x00\x00\x80\x3F\x00\x00\x00\xC0", 8));
}

TEST(ByteWriter, TakeBack_RemovesTheLastBytes) {
  std::string bytes = "before";
  ByteWriter writer(&bytes);
  std::memcpy(writer.Extend(5), "abcde", 5);
  writer.TakeBack(2);
  EXPECT_EQ(bytes, "beforeabc");
  writer.TakeBack(0);
  EXPECT_EQ(writer.size(), 9u);
}

TEST(ByteWriter, Extend_GivesRoomBehindWhatWasWritten) {
  std::string bytes = "kept";
  ByteWriter writer(&bytes);
  std::memcpy(writer.Extend(3), "abc", 3);
  writer.WriteBytes("d");
  EXPECT_EQ(bytes, "keptabcd");
}

TEST(ByteReader, ReadsBackWhatWasWritten) {
  std::string bytes;
  ByteWriter writer(&bytes);
  writer.Write(int64_t{std::numeric_limits<int64_t>::min()});
  writer.Write(0.1);
  writer.Write(-0.0f);
  writer.WriteBytes("tail");
  ByteReader reader(bytes);
  EXPECT_EQ(reader.Read<int64_t>().value(), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(reader.Read<double>().value(), 0.1);
  EXPECT_TRUE(std::signbit(reader.Read<float>().value()));
  EXPECT_EQ(reader.ReadBytes(4).value(), "tail");
  EXPECT_EQ(reader.remaining(), 0u);
}

TEST(ByteReader, Read_TooFewBytes_IsDataLossAndConsumesNothing) {
  ByteReader reader("abc");
  EXPECT_THAT(reader.Read<uint32_t>(),
              StatusIs(absl::StatusCode::kDataLoss, "expected 4 more bytes, have 3"));
  EXPECT_THAT(reader.ReadBytes(4), StatusIs(absl::StatusCode::kDataLoss, "truncated"));
  EXPECT_EQ(reader.remaining(), 3u);
  EXPECT_EQ(reader.ReadBytes(3).value(), "abc");
}

TEST(ByteReader, ReadBytes_LargestSize_IsDataLoss) {
  ByteReader reader("abc");
  EXPECT_THAT(reader.ReadBytes(std::numeric_limits<size_t>::max()),
              StatusIs(absl::StatusCode::kDataLoss, "truncated"));
}

}  // namespace
}  // namespace tern
