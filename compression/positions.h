// Which coordinates a sparse update holds, read from the payload or known otherwise.
#ifndef TERN_COMPRESSION_POSITIONS_H_
#define TERN_COMPRESSION_POSITIONS_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "compression/rans.h"

namespace tern::compression {

// How far positions have been read. What each member means is the reader's own; the state as it is
// made stands before the first.
struct PositionState {
  int64_t next = 0;      // the first coordinate that was not looked at
  int64_t offset = 0;    // bits or bytes that were consumed
  uint32_t pending = 0;  // positions that were decoded and not yet handed out
  RansState rans;
  int64_t handed_out = 0;  // positions
};

// One thread at a time; the payload must outlive it.
class PositionReader {
 public:
  virtual ~PositionReader() = default;
  // The bytes hold exactly `kept` positions, ascending, below `count`, and nothing else. DATA_LOSS:
  // too few bytes, or trailing ones; INVALID_ARGUMENT: too many positions, or out of range. The
  // other method is for bytes that passed.
  virtual absl::Status Check() const = 0;
  // Fills `indices` with the next positions below `end`, as far as there are any; returns how many.
  virtual int64_t Read(PositionState& state, int64_t end, absl::Span<int32_t> indices) const = 0;
};

// `kept` positions among `count` coordinates, 0 <= kept <= count <= kMaxSparseCount.
struct PositionCounts {
  int64_t kept = 0;
  int64_t count = 0;
};

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_POSITIONS_H_
