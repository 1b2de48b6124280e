#include "compression/bit_packing.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/base/simd_clones.h"

namespace tern::compression {
namespace {

// Eight symbols are worked on at a time, one in each byte of a 64-bit word.
constexpr int64_t kWordSymbols = 8;
// Words of a block. A constant, so that the loops over one become vector code.
constexpr int64_t kBlockWords = 32;
constexpr int64_t kBlockSymbols = kBlockWords * kWordSymbols;

// `width` ones at every multiple of `distance`.
constexpr uint64_t Fields(int width, int distance) {
  uint64_t fields = 0;
  for (int at = 0; at < 64; at += distance) fields |= (~uint64_t{0} >> (64 - width)) << at;
  return fields;
}

// Halves of `kBits` in each field of `kDistance` are moved together, and apart again.
template <int kBits, int kDistance>
inline uint64_t Join(uint64_t word) {
  constexpr uint64_t kLow = Fields(kBits, kDistance);
  return (word & kLow) | ((word >> (kDistance / 2 - kBits)) & (kLow << kBits));
}
template <int kBits, int kDistance>
inline uint64_t Part(uint64_t word) {
  constexpr uint64_t kLow = Fields(kBits, kDistance);
  return (word & kLow) | ((word & (kLow << kBits)) << (kDistance / 2 - kBits));
}

// Bytes below 2^kBits to the lowest 8 * kBits bits, and back; what is above them does not matter.
template <int kBits>
inline uint64_t PackWord(uint64_t symbols) {
  return Join<4 * kBits, 64>(Join<2 * kBits, 32>(Join<kBits, 16>(symbols)));
}
template <int kBits>
inline uint64_t UnpackWord(uint64_t packed) {
  return Part<kBits, 16>(Part<2 * kBits, 32>(Part<4 * kBits, 64>(packed)));
}

// What a packed word is read and written as. Other widths have no type of their own: they are read
// and written 8 bytes at a time, of which the highest are the next word's.
template <int kBits>
struct PackedWord {
  using Type = uint64_t;
};
template <>
struct PackedWord<1> {
  using Type = uint8_t;
};
template <>
struct PackedWord<2> {
  using Type = uint16_t;
};
template <>
struct PackedWord<4> {
  using Type = uint32_t;
};
template <int kBits>
using PackedWords = std::array<typename PackedWord<kBits>::Type, kBlockWords>;

// Packs blocks; writes up to 7 bytes behind them.
template <int kBits>
TERN_SIMD_CLONES void PackBlocks(const uint8_t* symbols, int64_t blocks, char* out) {
  for (int64_t block = 0; block < blocks; ++block) {
    std::array<uint64_t, kBlockWords> words;
    PackedWords<kBits> packed;
    std::memcpy(words.data(), symbols + block * kBlockSymbols, sizeof(words));
    for (size_t i = 0; i < kBlockWords; ++i) {
      packed[i] = static_cast<typename PackedWord<kBits>::Type>(PackWord<kBits>(words[i]));
    }
    char* to = out + block * kBlockWords * kBits;
    if constexpr (sizeof(packed) == kBlockWords * kBits) {
      std::memcpy(to, packed.data(), sizeof(packed));
    } else {
      for (size_t i = 0; i < kBlockWords; ++i) {
        std::memcpy(to + kBits * i, &packed[i], sizeof(packed[i]));
      }
    }
  }
}

// Unpacks blocks; reads up to 7 bytes behind them.
template <int kBits>
TERN_SIMD_CLONES void UnpackBlocks(const char* in, int64_t blocks, uint8_t* symbols) {
  for (int64_t block = 0; block < blocks; ++block) {
    const char* from = in + block * kBlockWords * kBits;
    PackedWords<kBits> packed;
    if constexpr (sizeof(packed) == kBlockWords * kBits) {
      std::memcpy(packed.data(), from, sizeof(packed));
    } else {
      for (size_t i = 0; i < kBlockWords; ++i) {
        std::memcpy(&packed[i], from + kBits * i, sizeof(packed[i]));
      }
    }
    std::array<uint64_t, kBlockWords> words;
    for (size_t i = 0; i < kBlockWords; ++i) words[i] = UnpackWord<kBits>(packed[i]);
    std::memcpy(symbols + block * kBlockSymbols, words.data(), sizeof(words));
  }
}

// The last block, and what is left behind it, goes by way of memory that has room behind it.
constexpr int64_t kLastSymbols = 2 * kBlockSymbols;
template <int kBits>
constexpr size_t kLastBytes = kLastSymbols / 8 * kBits + 7;

int64_t Blocks(int64_t count) { return (count + kBlockSymbols - 1) / kBlockSymbols; }

template <int kBits>
void Pack(const uint8_t* symbols, int64_t count, char* out) {
  const int64_t blocks = std::max<int64_t>(count / kBlockSymbols - 1, 0);
  PackBlocks<kBits>(symbols, blocks, out);
  const int64_t done = blocks * kBlockSymbols;
  if (done == count) return;
  std::array<uint8_t, kLastSymbols> last{};
  std::array<char, kLastBytes<kBits>> packed;
  std::memcpy(last.data(), symbols + done, static_cast<size_t>(count - done));
  PackBlocks<kBits>(last.data(), Blocks(count - done), packed.data());
  std::memcpy(out + PackedBytes(done, kBits), packed.data(),
              static_cast<size_t>(PackedBytes(count - done, kBits)));
}

template <int kBits>
void Unpack(const char* in, int64_t count, uint8_t* symbols) {
  const int64_t blocks = std::max<int64_t>(count / kBlockSymbols - 1, 0);
  UnpackBlocks<kBits>(in, blocks, symbols);
  const int64_t done = blocks * kBlockSymbols;
  if (done == count) return;
  std::array<char, kLastBytes<kBits>> packed{};
  std::array<uint8_t, kLastSymbols> last;
  std::memcpy(packed.data(), in + PackedBytes(done, kBits),
              static_cast<size_t>(PackedBytes(count - done, kBits)));
  UnpackBlocks<kBits>(packed.data(), Blocks(count - done), last.data());
  std::memcpy(symbols + done, last.data(), static_cast<size_t>(count - done));
}

}  // namespace

void PackBits(const uint8_t* symbols, int64_t count, int bits, char* out) {
  switch (bits) {
    case 1:
      return Pack<1>(symbols, count, out);
    case 2:
      return Pack<2>(symbols, count, out);
    case 3:
      return Pack<3>(symbols, count, out);
    case 4:
      return Pack<4>(symbols, count, out);
    case 5:
      return Pack<5>(symbols, count, out);
    case 6:
      return Pack<6>(symbols, count, out);
    case 7:
      return Pack<7>(symbols, count, out);
    default:
      if (count > 0) std::memcpy(out, symbols, static_cast<size_t>(count));
  }
}

void UnpackBits(const char* in, int64_t count, int bits, uint8_t* symbols) {
  switch (bits) {
    case 1:
      return Unpack<1>(in, count, symbols);
    case 2:
      return Unpack<2>(in, count, symbols);
    case 3:
      return Unpack<3>(in, count, symbols);
    case 4:
      return Unpack<4>(in, count, symbols);
    case 5:
      return Unpack<5>(in, count, symbols);
    case 6:
      return Unpack<6>(in, count, symbols);
    case 7:
      return Unpack<7>(in, count, symbols);
    default:
      if (count > 0) std::memcpy(symbols, in, static_cast<size_t>(count));
  }
}

bool PaddingIsZero(const char* in, int64_t count, int bits) {
  const int64_t used = count * bits % 8;  // of the last byte; 0: all
  return used == 0 || static_cast<uint8_t>(in[count * bits / 8]) >> used == 0;
}

}  // namespace tern::compression
