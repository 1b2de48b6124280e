// Numbers of any width in a row of bytes, which are filled from their lowest bit. For the coders.
#ifndef TERN_COMPRESSION_BIT_STREAM_H_
#define TERN_COMPRESSION_BIT_STREAM_H_

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "absl/strings/string_view.h"

namespace tern::compression {

class BitWriter {
 public:
  // Writes to `out`: no more bytes than the bits take.
  explicit BitWriter(char* out) : out_(out) {}

  // The `length` lowest of `bits`, the others of which are 0. 0 <= `length` <= 63.
  void Write(uint64_t bits, int length) {
    word_ |= bits << used_;
    used_ += length;
    if (used_ < 64) return;
    std::memcpy(out_, &word_, sizeof(word_));
    out_ += sizeof(word_);
    used_ -= 64;
    word_ = bits >> (length - used_);
  }

  void WriteOnes(int64_t count) {
    for (; count >= 63; count -= 63) Write(~uint64_t{0} >> 1, 63);
    Write((uint64_t{1} << count) - 1, static_cast<int>(count));
  }

  // Fills the last byte with zeros; returns where the bytes end. To be called once, at the end.
  char* Finish() {
    const auto bytes = static_cast<size_t>((used_ + 7) / 8);
    std::memcpy(out_, &word_, bytes);
    return out_ + bytes;
  }

 private:
  char* out_;
  uint64_t word_ = 0;  // bits that were not written yet
  int used_ = 0;       // of them, below 64
};

// At least the next 57 bits from bit `position` >= 0 on, the first in the lowest; those behind the
// end of `bytes` are 0.
inline constexpr int kBitWindow = 57;
inline uint64_t BitsAt(absl::string_view bytes, int64_t position) {
  const auto byte = static_cast<uint64_t>(position) / 8;
  uint64_t word = 0;
  if (byte + sizeof(word) <= bytes.size()) {
    std::memcpy(&word, bytes.data() + byte, sizeof(word));
  } else if (byte < bytes.size()) {
    std::memcpy(&word, bytes.data() + byte, bytes.size() - byte);
  }
  return word >> (static_cast<uint64_t>(position) % 8);
}

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_BIT_STREAM_H_
