#include "compression/bit_packing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/base/random.h"

namespace tern::compression {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

const std::vector<int64_t> kCounts = {0,   1,   2,   3,   7,   8,   9,   63,   64,   65,  100,
                                      255, 256, 257, 511, 512, 513, 768, 1023, 1025, 4099};

std::vector<uint8_t> RandomSymbols(int64_t count, int bits, uint64_t seed) {
  RandomStream random({.seed = seed});
  std::vector<uint8_t> symbols(static_cast<size_t>(count));
  for (uint8_t& symbol : symbols) symbol = static_cast<uint8_t>(random.Below(1u << bits));
  return symbols;
}

// Of the size that is read and written, so that a sanitizer sees every byte too many.
std::vector<char> Packed(const std::vector<uint8_t>& symbols, int bits) {
  const auto count = static_cast<int64_t>(symbols.size());
  std::vector<char> packed(static_cast<size_t>(PackedBytes(count, bits)));
  PackBits(symbols.data(), count, bits, packed.data());
  return packed;
}

std::vector<uint8_t> Unpacked(const std::vector<char>& packed, int64_t count, int bits) {
  std::vector<uint8_t> symbols(static_cast<size_t>(count));
  UnpackBits(packed.data(), count, bits, symbols.data());
  return symbols;
}

// What the header says, bit by bit.
std::vector<char> TheDefinition(const std::vector<uint8_t>& symbols, int bits) {
  const auto count = static_cast<int64_t>(symbols.size());
  std::vector<char> packed(static_cast<size_t>(PackedBytes(count, bits)));
  for (int64_t i = 0; i < count * bits; ++i) {
    const int bit = symbols[static_cast<size_t>(i / bits)] >> (i % bits) & 1;
    char& byte = packed[static_cast<size_t>(i / 8)];
    byte = static_cast<char>(byte | bit << (i % 8));
  }
  return packed;
}

TEST(BitPacking, ByHand_SymbolsFillBytesFromTheLowestBit) {
  EXPECT_THAT(Packed({1, 2, 3, 4, 5}, 3), ElementsAre('\xD1', '\x58'));
  EXPECT_THAT(Packed({1, 0, 1, 1}, 1), ElementsAre('\x0D'));
  EXPECT_THAT(Packed({3, 0, 1, 2, 1}, 2), ElementsAre('\x93', '\x01'));
  EXPECT_THAT(Packed({0x1, 0xF, 0x7}, 4), ElementsAre('\xF1', '\x07'));
  EXPECT_THAT(Packed({0x12, 0xFF}, 8), ElementsAre('\x12', '\xFF'));
}

TEST(BitPacking, EveryWidthAndCount_IsTheDefinitionAndComesBack) {
  for (int bits = 1; bits <= 8; ++bits) {
    for (const int64_t count : kCounts) {
      const std::vector<uint8_t> symbols = RandomSymbols(count, bits, 1);
      const std::vector<char> packed = Packed(symbols, bits);
      ASSERT_EQ(packed, TheDefinition(symbols, bits)) << bits << " bits, " << count;
      ASSERT_EQ(Unpacked(packed, count, bits), symbols) << bits << " bits, " << count;
      ASSERT_TRUE(PaddingIsZero(packed.data(), count, bits));
    }
  }
}

TEST(BitPacking, WhatLiesBehind_IsLeftAlone) {
  for (int bits = 1; bits <= 8; ++bits) {
    for (const int64_t count : kCounts) {
      const std::vector<uint8_t> symbols = RandomSymbols(count, bits, 2);
      const int64_t bytes = PackedBytes(count, bits);
      std::vector<char> packed(static_cast<size_t>(bytes) + 16, 'x');
      PackBits(symbols.data(), count, bits, packed.data());
      ASSERT_THAT(std::vector<char>(packed.begin() + bytes, packed.end()), Each('x'));
      std::vector<uint8_t> unpacked(static_cast<size_t>(count) + 16, 'y');
      UnpackBits(packed.data(), count, bits, unpacked.data());
      ASSERT_THAT(std::vector<uint8_t>(unpacked.begin() + count, unpacked.end()), Each('y'));
    }
  }
}

TEST(BitPacking, AnyBytes_AreSymbolsBelowTheWidth) {
  for (int bits = 1; bits <= 7; ++bits) {
    for (const int64_t count : kCounts) {
      std::vector<char> packed(static_cast<size_t>(PackedBytes(count, bits)), '\xFF');
      EXPECT_THAT(Unpacked(packed, count, bits), Each((1 << bits) - 1));
      RandomStream random({.seed = 3});
      for (char& byte : packed) byte = static_cast<char>(random.Below(256));
      const std::vector<char> again = Packed(Unpacked(packed, count, bits), bits);
      ASSERT_EQ(again == packed, PaddingIsZero(packed.data(), count, bits));
    }
  }
}

TEST(BitPacking, EveryBitOfThePadding_IsSeen) {
  for (int bits = 1; bits <= 8; ++bits) {
    for (int64_t count = 1; count <= 8; ++count) {
      std::vector<char> packed = Packed(RandomSymbols(count, bits, 4), bits);
      for (int64_t bit = 0; bit < 8 * static_cast<int64_t>(packed.size()); ++bit) {
        char& byte = packed[static_cast<size_t>(bit / 8)];
        const char before = byte;
        byte = static_cast<char>(byte ^ 1 << (bit % 8));
        ASSERT_EQ(PaddingIsZero(packed.data(), count, bits), bit < count * bits);
        byte = before;
      }
    }
  }
}

}  // namespace
}  // namespace tern::compression
