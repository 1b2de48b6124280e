#include "core/base/crc32c.h"

#include <array>
#include <cstddef>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace tern {
namespace {

constexpr uint32_t kPolynomial = 0x82F63B78u;

constexpr std::array<uint32_t, 256> MakeTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    table[byte] = crc;
  }
  return table;
}

constexpr std::array<uint32_t, 256> kTable = MakeTable();

constexpr uint32_t ExtendByTable(uint32_t crc, const unsigned char* data, size_t size) {
  for (size_t i = 0; i < size; ++i) crc = (crc >> 8) ^ kTable[(crc ^ data[i]) & 0xFF];
  return crc;
}
constexpr unsigned char kCheckInput[] = {'1', '2', '3', '4', '5', '6', '7', '8', '9'};
static_assert(~ExtendByTable(~0u, kCheckInput, sizeof(kCheckInput)) == 0xE3069283u,
              "the check value of CRC-32C, for machines that run the instruction instead");

#if defined(__x86_64__)
// The instruction takes three cycles but starts one every cycle, so three neighbouring stretches
// are summed at once.
constexpr size_t kStretch = 2048;

// What kStretch zero bytes do to a checksum, by each of its four bytes: the map is linear.
constexpr std::array<std::array<uint32_t, 256>, 4> MakeShiftTables() {
  std::array<uint32_t, 32> shifted_bit{};
  for (size_t bit = 0; bit < 32; ++bit) {
    uint32_t crc = 1u << bit;
    for (size_t i = 0; i < kStretch; ++i) crc = (crc >> 8) ^ kTable[crc & 0xFF];
    shifted_bit[bit] = crc;
  }
  std::array<std::array<uint32_t, 256>, 4> tables{};
  for (size_t byte = 0; byte < 4; ++byte) {
    for (size_t value = 0; value < 256; ++value) {
      for (size_t bit = 0; bit < 8; ++bit) {
        if ((value >> bit & 1) != 0) tables[byte][value] ^= shifted_bit[8 * byte + bit];
      }
    }
  }
  return tables;
}

constexpr std::array<std::array<uint32_t, 256>, 4> kShift = MakeShiftTables();

uint32_t ShiftByStretch(uint64_t crc) {
  return kShift[0][crc & 0xFF] ^ kShift[1][crc >> 8 & 0xFF] ^ kShift[2][crc >> 16 & 0xFF] ^
         kShift[3][crc >> 24 & 0xFF];
}

uint64_t LoadWord(const unsigned char* data) {
  uint64_t word;
  std::memcpy(&word, data, sizeof(word));
  return word;
}

__attribute__((target("sse4.2"))) uint32_t ExtendByInstruction(uint32_t crc,
                                                               const unsigned char* data,
                                                               size_t size) {
  uint64_t wide = crc;
  for (; size >= 3 * kStretch; data += 3 * kStretch, size -= 3 * kStretch) {
    uint64_t second = 0;
    uint64_t third = 0;
    for (size_t i = 0; i < kStretch; i += 8) {
      wide = _mm_crc32_u64(wide, LoadWord(data + i));
      second = _mm_crc32_u64(second, LoadWord(data + kStretch + i));
      third = _mm_crc32_u64(third, LoadWord(data + 2 * kStretch + i));
    }
    wide = ShiftByStretch(ShiftByStretch(wide) ^ second) ^ third;
  }
  for (; size >= 8; data += 8, size -= 8) wide = _mm_crc32_u64(wide, LoadWord(data));
  crc = static_cast<uint32_t>(wide);
  for (; size > 0; ++data, --size) crc = _mm_crc32_u8(crc, *data);
  return crc;
}
#endif

}  // namespace

uint32_t Crc32c(absl::string_view bytes, uint32_t crc) {
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
  if (has_instruction) return ~ExtendByInstruction(~crc, data, bytes.size());
#endif
  return ~ExtendByTable(~crc, data, bytes.size());
}

}  // namespace tern
