// Where decoding can begin again in the middle of a payload.
#ifndef TERN_COMPRESSION_SEEK_H_
#define TERN_COMPRESSION_SEEK_H_

#include <cstdint>
#include <vector>

#include "compression/positions.h"
#include "compression/rans.h"

namespace tern::compression {

// Made by Decoder::MakeSeekIndex; a copy of what the decoder knew when it came there.
struct SeekPoint {
  PositionState positions;  // of a sparse update
  int64_t value = 0;        // which of the values that are sent is the first
  RansState symbols;        // at the beginning of the chunk that holds it
};

// One point for each kSeekBlock coordinates; with stage `mask`, of those that are sent. A receiver
// makes it of a payload that it keeps; it is never sent.
inline constexpr int64_t kSeekBlock = 4096;
using SeekIndex = std::vector<SeekPoint>;

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_SEEK_H_
