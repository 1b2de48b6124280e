#include "compression/magnitude_scan.h"

#include <bit>
#include <cstring>

#include "compression/magnitude.h"
#include "core/base/simd_clones.h"

namespace tern::compression {
namespace {

constexpr int64_t kGroup = 64;  // values whose comparisons make one word of bits

// Gathers bit 0 of each of eight bytes into one byte, the first into its lowest bit: the product
// moves bit 8 i to bit 56 + i, and no two of its terms meet.
inline uint64_t PackFlags(const uint8_t* flags) {
  uint64_t word;
  std::memcpy(&word, flags, sizeof(word));
  return word * 0x0102040810204080u >> 56;
}

// Whether a group holds any, and how many, is as good as random, so that branches on it would be
// mispredicted: four indices are written in any case, of which those that count are kept.
TERN_SIMD_CLONES int64_t FindInRun(const float* __restrict values, int32_t lowest_bits,
                                   int32_t first, int32_t* __restrict indices) {
  uint8_t flags[kScanRun];
  for (int64_t i = 0; i < kScanRun; ++i) flags[i] = MagnitudeBits(values[i]) >= lowest_bits;
  int64_t found = 0;
  for (int64_t group = 0; group < kScanRun; group += kGroup) {
    uint64_t bits = 0;
    for (int byte = 0; byte < 8; ++byte) bits |= PackFlags(flags + group + 8 * byte) << (8 * byte);
    const int64_t end = found + std::popcount(bits);
    for (int64_t at = found; at == found || at < end; at += 4) {
      for (int64_t i = at; i < at + 4; ++i) {
        indices[i] = first + static_cast<int32_t>(group) + std::countr_zero(bits);
        bits &= bits - 1;
      }
    }
    found = end;
  }
  return found;
}

}  // namespace

int64_t FindAtLeast(absl::Span<const float> values, int32_t lowest_bits, int32_t first,
                    ScanIndices& indices) {
  if (values.size() == kScanRun) {
    return FindInRun(values.data(), lowest_bits, first, indices.data());
  }
  int64_t found = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    indices[static_cast<size_t>(found)] = first + static_cast<int32_t>(i);
    found += MagnitudeBits(values[i]) >= lowest_bits ? 1 : 0;
  }
  return found;
}

}  // namespace tern::compression
