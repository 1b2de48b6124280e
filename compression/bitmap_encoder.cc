#include <algorithm>
#include <array>
#include <cstring>

#include "compression/bitmap.h"
#include "compression/rans.h"

namespace tern::compression {

// Bits are set in a word until the next position lies behind it.
void WriteBitmap(absl::Span<const int32_t> indices, int64_t count, char* out) {
  std::fill_n(out, BitmapBytes(count), '\0');
  constexpr int64_t kWordBits = 64;
  uint64_t word = 0;
  int64_t current = 0;
  const auto store = [&] {
    const int64_t first = current * static_cast<int64_t>(sizeof(word));
    const int64_t room = std::min<int64_t>(sizeof(word), BitmapBytes(count) - first);
    std::memcpy(out + first, &word, static_cast<size_t>(room));
  };
  for (const int32_t index : indices) {
    if (index / kWordBits != current) {
      store();
      current = index / kWordBits;
      word = 0;
    }
    word |= uint64_t{1} << (index % kWordBits);
  }
  if (!indices.empty()) store();
}

int64_t WriteRansBitmap(absl::Span<const int32_t> indices, const PositionCounts& counts,
                        char* scratch, char* out) {
  WriteBitmap(indices, counts.count, scratch);
  std::array<double, 256> probabilities;
  BitmapProbabilities(counts, absl::MakeSpan(probabilities));
  return RansEncode(reinterpret_cast<const uint8_t*>(scratch), BitmapBytes(counts.count),
                    JoinedFrequencies(probabilities), out);
}

}  // namespace tern::compression
