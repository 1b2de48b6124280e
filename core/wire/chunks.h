// Long byte strings in pieces: how models and updates travel, so that no message is large and a
// broken transfer can go on where it stopped.
#ifndef TERN_CORE_WIRE_CHUNKS_H_
#define TERN_CORE_WIRE_CHUNKS_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "core/wire/messages.h"

namespace tern {

inline constexpr uint64_t kMaxChunkBytes = 256 * 1024;

// Calls `send` with the pieces of `bytes` from `offset` on, in order; the first names the total and
// `lease_id`. From the end on there is one piece, an empty one. Stops when `send` fails and returns
// its status. OUT_OF_RANGE: `offset` past the end.
absl::Status SendChunks(absl::string_view bytes, uint64_t offset, absl::string_view lease_id,
                        const std::function<absl::Status(Chunk&&)>& send);

// The length of all messages that SendChunks makes of `total_bytes` bytes from offset 0,
// serialized: what a transfer counts. A piece whose checksum happens to be 0, one in 2^32, is 5
// bytes shorter. `total_bytes` >= 0.
int64_t ChunkedBytes(int64_t total_bytes, bool with_lease_id);

// Puts the pieces together again. Memory grows with what arrives, never with what a chunk claims,
// and never past `max_bytes`.
class ChunkAssembler {
 public:
  // Appends to `out`, which must outlive the assembler; what `out` already holds is the part
  // received before.
  ChunkAssembler(uint64_t max_bytes, std::string* out) : max_bytes_(max_bytes), out_(out) {}

  // INVALID_ARGUMENT: no total in the first chunk, or one larger than max_bytes; a piece that is
  // empty, too long or not the next one. DATA_LOSS: checksum mismatch. Nothing is appended then.
  absl::Status Add(const Chunk& chunk);

  // OK if all bytes are there, DATA_LOSS with both counts if the stream ended early.
  absl::Status Finish() const;

 private:
  absl::Status Start(const Chunk& chunk);

  uint64_t max_bytes_;
  uint64_t total_bytes_ = 0;  // 0 until the first chunk
  std::string* out_;
};

}  // namespace tern

#endif  // TERN_CORE_WIRE_CHUNKS_H_
