// A random subset that sender and receiver draw alike, so that it needs no bytes.
//
// Let the key be words 0 and 1, the first the low half, of
// Philox(seed, {client mod 2^32, client / 2^32, round, RandomPurpose::kSubset}), and word w be
// word w mod 4 of Philox(key, {stream mod 2^32, stream / 2^32, w / 4, 0}). Words are used one after
// another. A number below n is the upper half of n times a word, whose lower half must be at least
// 2^32 mod n; else the next word is taken (Lemire 2019). n is at most 65536.
//
// Of `count` numbers, if more than count / 2 are wanted, those left out are drawn, else those
// wanted, k of them: for j = count - k, ..., count - 1 a number t below j + 1, and j in place of t
// if t was drawn before (Floyd's algorithm; Bentley & Floyd 1987).
#ifndef TERN_COMPRESSION_RANDOM_SUBSET_H_
#define TERN_COMPRESSION_RANDOM_SUBSET_H_

#include <array>
#include <cstdint>

#include "absl/types/span.h"
#include "core/base/random.h"

namespace tern::compression {

inline constexpr int64_t kMaxSubsetCount = 65536;

// Fills `subset` with distinct numbers below `count` <= 65536, ascending, each set of that size
// equally likely. `stream` tells subsets of one key apart. Seed, round and client of the key count.
// 8 KiB of stack.
void DrawSubset(const RandomKey& key, int64_t stream, int64_t count, absl::Span<int32_t> subset);

// Number i is in the subset where bit i mod 64 of word i / 64 is set.
using SubsetBitmap = std::array<uint64_t, kMaxSubsetCount / 64>;

inline bool IsInSubset(const SubsetBitmap& bitmap, int64_t number) {
  return (bitmap[static_cast<size_t>(number / 64)] >> (number % 64) & 1) != 0;
}

// The same subset, of `size` numbers; writes the words of `count` bits, those behind it 0.
void DrawSubsetBitmap(const RandomKey& key, int64_t stream, int64_t count, int64_t size,
                      SubsetBitmap& bitmap);

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_RANDOM_SUBSET_H_
