// Many random words of one key at once.
#ifndef TERN_COMPRESSION_PHILOX_WORDS_H_
#define TERN_COMPRESSION_PHILOX_WORDS_H_

#include <cstdint>

#include "core/base/random.h"

namespace tern::compression {

// Words that PhiloxWords writes: those of 32 counters.
inline constexpr int64_t kPhiloxWords = 128;

// A key for Philox, from all that `key` says: words 0 and 1, the first the low half, of
// Philox(seed, {client's low half, its high half, round, purpose}).
uint64_t PhiloxKey(const RandomKey& key);

// Writes kPhiloxWords words: word j is word j mod 4 of Philox(key, {c0, c1, first + j / 4, 0}).
void PhiloxWords(uint64_t key, uint32_t c0, uint32_t c1, uint32_t first, uint32_t* words);

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_PHILOX_WORDS_H_
