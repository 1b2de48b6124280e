#include "core/wire/chunks.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/crc32c.h"
#include "core/base/status_macros.h"

namespace tern {
namespace {

// Of one field's tag: the field numbers of a chunk are below 16.
constexpr int64_t kTagBytes = 1;
constexpr int64_t kChecksumBytes = kTagBytes + 4;

int64_t VarintBytes(int64_t value) {
  int64_t bytes = 1;
  for (; value >= 128; value /= 128) ++bytes;
  return bytes;
}

// A field whose value is 0 is not sent.
int64_t NumberFieldBytes(int64_t value) { return value == 0 ? 0 : kTagBytes + VarintBytes(value); }

int64_t BytesFieldBytes(int64_t size) {
  return size == 0 ? 0 : kTagBytes + VarintBytes(size) + size;
}

}  // namespace

int64_t ChunkedBytes(int64_t total_bytes, bool with_lease_id) {
  const int64_t lease_id = with_lease_id ? BytesFieldBytes(kLeaseIdBytes) : 0;
  int64_t bytes = lease_id + NumberFieldBytes(total_bytes);
  int64_t offset = 0;
  while (offset < total_bytes) {
    const auto size = std::min(static_cast<int64_t>(kMaxChunkBytes), total_bytes - offset);
    bytes += NumberFieldBytes(offset) + BytesFieldBytes(size) + kChecksumBytes;
    offset += size;
  }
  return bytes;
}

absl::Status SendChunks(absl::string_view bytes, uint64_t offset, absl::string_view lease_id,
                        const std::function<absl::Status(Chunk&&)>& send) {
  if (offset > bytes.size()) {
    return absl::OutOfRangeError(
        absl::StrCat("offset ", offset, " is past the end of ", bytes.size(), " bytes"));
  }
  bool first = true;
  // At least one chunk, so that a receiver who has everything is told so.
  do {
    const uint64_t size = std::min<uint64_t>(kMaxChunkBytes, bytes.size() - offset);
    Chunk chunk = {.offset = offset, .data = std::string(bytes.substr(offset, size))};
    if (first) {
      chunk.lease_id = std::string(lease_id);
      chunk.total_bytes = bytes.size();
      first = false;
    }
    chunk.crc32c = Crc32c(chunk.data);
    TERN_RETURN_IF_ERROR(send(std::move(chunk)));
    offset += size;
  } while (offset < bytes.size());
  return absl::OkStatus();
}

absl::Status ChunkAssembler::Start(const Chunk& chunk) {
  if (chunk.total_bytes == 0) {
    return absl::InvalidArgumentError("first chunk: total_bytes is 0, expected the whole length");
  }
  if (chunk.total_bytes > max_bytes_) {
    return absl::InvalidArgumentError(absl::StrCat(
        "first chunk: total_bytes is ", chunk.total_bytes, ", expected at most ", max_bytes_));
  }
  total_bytes_ = chunk.total_bytes;
  return absl::OkStatus();
}

absl::Status ChunkAssembler::Add(const Chunk& chunk) {
  const bool first = total_bytes_ == 0;
  if (first) TERN_RETURN_IF_ERROR(Start(chunk));
  if (chunk.offset != out_->size() || chunk.offset > total_bytes_) {
    return absl::InvalidArgumentError(absl::StrCat("chunk at offset ", chunk.offset, " of ",
                                                   total_bytes_, ", expected offset ",
                                                   out_->size()));
  }
  const uint64_t missing = total_bytes_ - chunk.offset;
  const uint64_t longest = std::min(kMaxChunkBytes, missing);
  // An empty piece says that there is nothing more to send; any other would make a stream endless.
  const uint64_t shortest = first && missing == 0 ? 0 : 1;
  if (chunk.data.size() < shortest || chunk.data.size() > longest) {
    return absl::InvalidArgumentError(absl::StrCat("chunk at offset ", chunk.offset, " has ",
                                                   chunk.data.size(), " bytes, expected ", shortest,
                                                   " to ", longest));
  }
  if (Crc32c(chunk.data) != chunk.crc32c) {
    return absl::DataLossError(absl::StrCat("chunk at offset ", chunk.offset,
                                            " has a wrong checksum: damaged on its way"));
  }
  out_->append(chunk.data);
  return absl::OkStatus();
}

absl::Status ChunkAssembler::Finish() const {
  if (total_bytes_ == 0) return absl::DataLossError("the stream ended before its first chunk");
  if (out_->size() == total_bytes_) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("the stream ended after ", out_->size(), " of ", total_bytes_, " bytes"));
}

}  // namespace tern
