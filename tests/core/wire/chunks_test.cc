#include "core/wire/chunks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/base/crc32c.h"
#include "core/wire/serialize.h"

namespace tern {
namespace {

using ::testing::HasSubstr;

constexpr absl::string_view kLeaseId = "0123456789abcdef";

std::string Bytes(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 + i / 251);
  return bytes;
}

std::vector<Chunk> Split(absl::string_view bytes, uint64_t offset = 0) {
  std::vector<Chunk> chunks;
  const absl::Status sent = SendChunks(bytes, offset, kLeaseId, [&](const Chunk& chunk) {
    chunks.push_back(chunk);
    return absl::OkStatus();
  });
  EXPECT_TRUE(sent.ok()) << sent;
  return chunks;
}

Chunk Piece(uint64_t total_bytes, uint64_t offset, const std::string& data) {
  return {.total_bytes = total_bytes, .offset = offset, .data = data, .crc32c = Crc32c(data)};
}

void ExpectRefused(const absl::Status& status, absl::StatusCode code, const char* message) {
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_THAT(status.message(), HasSubstr(message));
}

TEST(Chunks, Send_AnySize_IsPutTogetherAgain) {
  for (const uint64_t size : {uint64_t{1}, kMaxChunkBytes - 1, kMaxChunkBytes, kMaxChunkBytes + 1,
                              3 * kMaxChunkBytes, 3 * kMaxChunkBytes + 17}) {
    const std::string bytes = Bytes(size);
    const std::vector<Chunk> chunks = Split(bytes);
    EXPECT_EQ(chunks.size(), (size + kMaxChunkBytes - 1) / kMaxChunkBytes);
    std::string received;
    ChunkAssembler assembler(size, &received);
    for (const Chunk& chunk : chunks) ASSERT_TRUE(assembler.Add(chunk).ok());
    EXPECT_TRUE(assembler.Finish().ok());
    EXPECT_EQ(received, bytes);
  }
}

TEST(Chunks, Send_OnlyTheFirstChunk_NamesLeaseAndTotal) {
  const std::vector<Chunk> chunks = Split(Bytes(2 * kMaxChunkBytes + 1));
  ASSERT_EQ(chunks.size(), 3u);
  EXPECT_EQ(chunks[0].lease_id, kLeaseId);
  EXPECT_EQ(chunks[0].total_bytes, 2 * kMaxChunkBytes + 1);
  for (size_t i = 1; i < chunks.size(); ++i) {
    EXPECT_EQ(chunks[i].lease_id, "");
    EXPECT_EQ(chunks[i].total_bytes, 0u);
    EXPECT_EQ(chunks[i].offset, i * kMaxChunkBytes);
  }
}

TEST(Chunks, Send_FromAnOffset_CompletesWhatWasReceived) {
  const std::string bytes = Bytes(2 * kMaxChunkBytes);
  for (const uint64_t offset : {uint64_t{5}, kMaxChunkBytes, uint64_t{bytes.size()}}) {
    std::string received = bytes.substr(0, offset);
    ChunkAssembler assembler(bytes.size(), &received);
    for (const Chunk& chunk : Split(bytes, offset)) ASSERT_TRUE(assembler.Add(chunk).ok());
    EXPECT_TRUE(assembler.Finish().ok()) << assembler.Finish();
    EXPECT_EQ(received, bytes);
  }
}

TEST(Chunks, Send_OffsetPastTheEnd_IsOutOfRange) {
  const absl::Status sent =
      SendChunks("abc", 4, kLeaseId, [](const Chunk&) { return absl::OkStatus(); });
  ExpectRefused(sent, absl::StatusCode::kOutOfRange, "offset 4 is past the end of 3 bytes");
}

TEST(Chunks, Send_WhenSendingFails_StopsAtOnce) {
  int calls = 0;
  const absl::Status sent =
      SendChunks(Bytes(3 * kMaxChunkBytes), 0, kLeaseId, [&](const Chunk&) -> absl::Status {
        if (++calls == 2) return absl::CancelledError("gone");
        return absl::OkStatus();
      });
  ExpectRefused(sent, absl::StatusCode::kCancelled, "gone");
  EXPECT_EQ(calls, 2);
}

TEST(ChunkedBytes, IsTheLengthOfTheSerializedChunks_AtEveryEdge) {
  // Where a varint grows, and where a piece is added.
  const int64_t piece = kMaxChunkBytes;
  for (const int64_t edge :
       {int64_t{0}, int64_t{128}, int64_t{16384}, piece, 2 * piece, 8 * piece, 9 * piece}) {
    for (int64_t size = std::max(edge - 3, int64_t{0}); size <= edge + 3; ++size) {
      const std::string bytes = Bytes(static_cast<size_t>(size));
      for (const bool with_lease_id : {false, true}) {
        int64_t sent_bytes = 0;
        const absl::Status sent =
            SendChunks(bytes, 0, with_lease_id ? kLeaseId : "", [&](Chunk&& chunk) {
              sent_bytes += static_cast<int64_t>(Serialize(std::move(chunk)).size());
              return absl::OkStatus();
            });
        ASSERT_TRUE(sent.ok()) << sent;
        EXPECT_EQ(ChunkedBytes(size, with_lease_id), sent_bytes) << size << " bytes";
      }
    }
  }
}

TEST(ChunkAssembler, Add_FirstChunkWithoutTotal_IsInvalidArgument) {
  std::string received;
  ChunkAssembler assembler(100, &received);
  ExpectRefused(assembler.Add(Piece(0, 0, "abc")), absl::StatusCode::kInvalidArgument,
                "total_bytes is 0");
}

TEST(ChunkAssembler, Add_TotalAboveTheLimit_IsInvalidArgument) {
  std::string received;
  ChunkAssembler assembler(100, &received);
  ExpectRefused(assembler.Add(Piece(101, 0, "abc")), absl::StatusCode::kInvalidArgument,
                "total_bytes is 101, expected at most 100");
  EXPECT_EQ(received, "");
}

TEST(ChunkAssembler, Add_HugeTotal_AllocatesOnlyWhatArrives) {
  std::string received;
  ChunkAssembler assembler(uint64_t{1} << 62, &received);
  ASSERT_TRUE(assembler.Add(Piece(uint64_t{1} << 62, 0, "abc")).ok());
  EXPECT_LT(received.capacity(), 1024u);
}

TEST(ChunkAssembler, Add_GapOverlapOrRepetition_IsInvalidArgument) {
  for (const uint64_t offset : {2u, 4u, 0u}) {
    std::string received;
    ChunkAssembler assembler(10, &received);
    ASSERT_TRUE(assembler.Add(Piece(10, 0, "abc")).ok());
    ExpectRefused(assembler.Add(Piece(0, offset, "def")), absl::StatusCode::kInvalidArgument,
                  "expected offset 3");
    EXPECT_EQ(received, "abc");
  }
}

TEST(ChunkAssembler, Add_MoreThanTheTotal_IsInvalidArgument) {
  std::string received;
  ChunkAssembler assembler(10, &received);
  ASSERT_TRUE(assembler.Add(Piece(4, 0, "abc")).ok());
  ExpectRefused(assembler.Add(Piece(0, 3, "de")), absl::StatusCode::kInvalidArgument,
                "has 2 bytes, expected 1 to 1");
  EXPECT_EQ(received, "abc");
}

TEST(ChunkAssembler, Add_PieceLongerThanAChunk_IsInvalidArgument) {
  std::string received;
  ChunkAssembler assembler(10 * kMaxChunkBytes, &received);
  ExpectRefused(assembler.Add(Piece(10 * kMaxChunkBytes, 0, Bytes(kMaxChunkBytes + 1))),
                absl::StatusCode::kInvalidArgument, "has 262145 bytes");
}

TEST(ChunkAssembler, Add_EmptyPieces_AreInvalidArgument) {
  std::string received;
  ChunkAssembler assembler(10, &received);
  ExpectRefused(assembler.Add(Piece(10, 0, "")), absl::StatusCode::kInvalidArgument, "has 0 bytes");
}

TEST(ChunkAssembler, Add_ReceivedPartLongerThanTheTotal_IsInvalidArgument) {
  std::string received = "abcdef";
  ChunkAssembler assembler(10, &received);
  ExpectRefused(assembler.Add(Piece(5, 6, "")), absl::StatusCode::kInvalidArgument,
                "chunk at offset 6 of 5");
}

TEST(ChunkAssembler, Add_FlippedBit_IsDataLoss) {
  std::string received;
  ChunkAssembler assembler(10, &received);
  Chunk chunk = Piece(3, 0, "abc");
  chunk.data[1] ^= 0x10;
  ExpectRefused(assembler.Add(chunk), absl::StatusCode::kDataLoss, "wrong checksum");
  EXPECT_EQ(received, "");
}

TEST(ChunkAssembler, Finish_StreamThatEndsEarly_IsDataLossWithBothCounts) {
  std::string received;
  ChunkAssembler assembler(10, &received);
  ExpectRefused(assembler.Finish(), absl::StatusCode::kDataLoss, "before its first chunk");
  ASSERT_TRUE(assembler.Add(Piece(10, 0, "abc")).ok());
  ExpectRefused(assembler.Finish(), absl::StatusCode::kDataLoss, "after 3 of 10 bytes");
}

}  // namespace
}  // namespace tern
