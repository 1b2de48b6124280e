#include "server/tensorboard.h"

#include <cstring>
#include <filesystem>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "core/base/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace tern::server {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::FieldsAre;

// CRC-32C bit by bit, masked: an oracle that shares nothing with the writer.
uint32_t SlowMaskedCrc(absl::string_view bytes) {
  uint32_t crc = 0xffffffff;
  for (const char byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc % 2 == 1 ? 0x82f63b78 : 0);
  }
  crc = ~crc;
  return (crc >> 15 | crc << 17) + 0xa282ead8;
}

template <typename T>
T Take(absl::string_view& bytes) {
  T value{};
  EXPECT_GE(bytes.size(), sizeof(T));
  std::memcpy(&value, bytes.data(), std::min(sizeof(T), bytes.size()));
  bytes.remove_prefix(std::min(sizeof(T), bytes.size()));
  return value;
}

uint64_t TakeVarint(absl::string_view& bytes) {
  uint64_t value = 0;
  for (int shift = 0; !bytes.empty(); shift += 7) {
    const auto byte = Take<uint8_t>(bytes);
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) break;
  }
  return value;
}

absl::string_view TakeBytes(absl::string_view& bytes) {
  const uint64_t size = TakeVarint(bytes);
  EXPECT_GE(bytes.size(), size);
  const absl::string_view taken = bytes.substr(0, size);
  bytes.remove_prefix(taken.size());
  return taken;
}

struct ReadScalar {
  std::string tag;
  float value = 0;
};

struct ReadEvent {
  double wall_time = 0;
  uint64_t step = 0;
  std::string version;
  std::vector<ReadScalar> scalars;
};

ReadScalar ParseValue(absl::string_view bytes) {
  ReadScalar scalar;
  EXPECT_EQ(Take<uint8_t>(bytes), 0x0a);
  scalar.tag = std::string(TakeBytes(bytes));
  EXPECT_EQ(Take<uint8_t>(bytes), 0x15);
  scalar.value = Take<float>(bytes);
  EXPECT_TRUE(bytes.empty());
  return scalar;
}

ReadEvent ParseEvent(absl::string_view bytes) {
  ReadEvent event;
  while (!bytes.empty()) {
    switch (const auto key = Take<uint8_t>(bytes)) {
      case 0x09:
        event.wall_time = Take<double>(bytes);
        break;
      case 0x10:
        event.step = TakeVarint(bytes);
        break;
      case 0x1a:
        event.version = std::string(TakeBytes(bytes));
        break;
      case 0x2a: {
        absl::string_view summary = TakeBytes(bytes);
        while (!summary.empty()) {
          EXPECT_EQ(Take<uint8_t>(summary), 0x0a);
          event.scalars.push_back(ParseValue(TakeBytes(summary)));
        }
        break;
      }
      default:
        ADD_FAILURE() << "key " << int{key};
        return event;
    }
  }
  return event;
}

std::vector<ReadEvent> ParseRecords(absl::string_view bytes) {
  std::vector<ReadEvent> events;
  while (!bytes.empty()) {
    const absl::string_view size_bytes = bytes.substr(0, 8);
    const auto size = Take<uint64_t>(bytes);
    EXPECT_EQ(Take<uint32_t>(bytes), SlowMaskedCrc(size_bytes));
    const absl::string_view event = bytes.substr(0, size);
    bytes.remove_prefix(event.size());
    EXPECT_EQ(Take<uint32_t>(bytes), SlowMaskedCrc(event));
    events.push_back(ParseEvent(event));
  }
  return events;
}

const absl::Time kNow = absl::FromUnixMillis(1500);

class TensorBoardTest : public ::testing::Test {
 protected:
  std::string Path() {
    const std::filesystem::directory_iterator files(directory_.path());
    return files->path().string();
  }
  std::string Contents() { return ReadTextFile(Path(), 1 << 20).value_or("unreadable"); }

  const testing::TemporaryDirectory directory_;
};

TEST_F(TensorBoardTest, Create_NamesTheFileByTimeAndHost) {
  ASSERT_THAT(TensorBoardWriter::Create(directory_.path(), kNow), IsOk());
  EXPECT_THAT(std::filesystem::path(Path()).filename().string(),
              ::testing::StartsWith("events.out.tfevents.1."));
}

// The first twelve bytes and "brain.Event:2" are those of any file that TensorFlow writes.
TEST_F(TensorBoardTest, Create_WritesTheGoldenVersionRecord) {
  ASSERT_THAT(TensorBoardWriter::Create(directory_.path(), kNow), IsOk());
  const absl::string_view golden(
      "\x18\0\0\0\0\0\0\0\xa3\x7f\x4b\x22"
      "\x09\0\0\0\0\0\0\xf8\x3f\x1a\x0d"
      "brain.Event:2"
      "\x2a\x28\x64\x6c",
      40);
  EXPECT_EQ(Contents(), golden);
}

TEST_F(TensorBoardTest, Add_WritesScalarsThatAnotherReaderFindsAgain) {
  auto writer = TensorBoardWriter::Create(directory_.path(), kNow);
  ASSERT_THAT(writer, IsOk());
  ASSERT_THAT(writer->Add(1, kNow + absl::Seconds(1), {{"accuracy", 0.25}, {"bytes/up", 3e9}}),
              IsOk());
  // Flushed: a run that is watched, or killed, shows all rounds that it had.
  EXPECT_EQ(ParseRecords(Contents()).size(), 2u);
  ASSERT_THAT(writer->Add(300, kNow + absl::Seconds(2), {{std::string(200, 't'), -1.5}}), IsOk());
  const std::vector<ReadEvent> events = ParseRecords(Contents());
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].version, "brain.Event:2");
  EXPECT_EQ(events[1].wall_time, 2.5);
  EXPECT_EQ(events[1].step, 1u);
  EXPECT_THAT(events[1].scalars,
              ElementsAre(FieldsAre("accuracy", 0.25f), FieldsAre("bytes/up", 3e9f)));
  EXPECT_EQ(events[2].step, 300u);
  EXPECT_THAT(events[2].scalars, ElementsAre(FieldsAre(std::string(200, 't'), -1.5f)));
}

TEST_F(TensorBoardTest, Create_WhereNoDirectoryIs_NamesThePath) {
  EXPECT_THAT(TensorBoardWriter::Create(directory_.path() + "/none", kNow),
              StatusIs(absl::StatusCode::kUnavailable,
                       absl::StrCat(directory_.path(), "/none/events.out.tfevents.1.")));
}

}  // namespace
}  // namespace tern::server
