#include "compression/philox_words.h"

#include <array>

#include "core/base/simd_clones.h"

namespace tern::compression {
namespace {

constexpr int64_t kLanes = kPhiloxWords / 4;

// Philox4x32-10 of all counters side by side; core/base/random.cc has one at a time.
TERN_SIMD_CLONES void PhiloxLanes(uint64_t key, uint32_t c0, uint32_t c1, uint32_t first,
                                  uint32_t* words) {
  for (int64_t i = 0; i < kLanes; ++i) {
    uint32_t x0 = c0;
    uint32_t x1 = c1;
    uint32_t x2 = first + static_cast<uint32_t>(i);
    uint32_t x3 = 0;
    auto k0 = static_cast<uint32_t>(key);
    auto k1 = static_cast<uint32_t>(key >> 32);
    for (int round = 0; round < 10; ++round) {
      const uint64_t product0 = uint64_t{0xD2511F53u} * x0;
      const uint64_t product1 = uint64_t{0xCD9E8D57u} * x2;
      x0 = static_cast<uint32_t>(product1 >> 32) ^ x1 ^ k0;
      x1 = static_cast<uint32_t>(product1);
      x2 = static_cast<uint32_t>(product0 >> 32) ^ x3 ^ k1;
      x3 = static_cast<uint32_t>(product0);
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    words[4 * i] = x0;
    words[4 * i + 1] = x1;
    words[4 * i + 2] = x2;
    words[4 * i + 3] = x3;
  }
}

}  // namespace

uint64_t PhiloxKey(const RandomKey& key) {
  const std::array<uint32_t, 4> words =
      Philox(key.seed, {static_cast<uint32_t>(key.client), static_cast<uint32_t>(key.client >> 32),
                        static_cast<uint32_t>(key.round), static_cast<uint32_t>(key.purpose)});
  return words[0] | (static_cast<uint64_t>(words[1]) << 32);
}

void PhiloxWords(uint64_t key, uint32_t c0, uint32_t c1, uint32_t first, uint32_t* words) {
  PhiloxLanes(key, c0, c1, first, words);
}

}  // namespace tern::compression
