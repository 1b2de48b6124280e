#include "core/base/random.h"

namespace tern {

std::array<uint32_t, 4> Philox(uint64_t key, const std::array<uint32_t, 4>& counter) {
  constexpr uint64_t kMultiplier0 = 0xD2511F53u;
  constexpr uint64_t kMultiplier1 = 0xCD9E8D57u;
  constexpr uint32_t kWeyl0 = 0x9E3779B9u;
  constexpr uint32_t kWeyl1 = 0xBB67AE85u;
  auto [c0, c1, c2, c3] = counter;
  auto k0 = static_cast<uint32_t>(key);
  auto k1 = static_cast<uint32_t>(key >> 32);
  for (int i = 0; i < 10; ++i) {
    const uint64_t product0 = kMultiplier0 * c0;
    const uint64_t product1 = kMultiplier1 * c2;
    c0 = static_cast<uint32_t>(product1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(product1);
    c2 = static_cast<uint32_t>(product0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(product0);
    k0 += kWeyl0;
    k1 += kWeyl1;
  }
  return {c0, c1, c2, c3};
}

uint64_t HashClientId(absl::string_view client_id) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (const char c : client_id) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  hash ^= hash >> 33;
  hash *= 0xFF51AFD7ED558CCDu;
  hash ^= hash >> 33;
  return hash;
}

// A key is wider than Philox's key and counter together, so one block under the seed derives the
// stream's own key and the upper half of its counter; the lower half counts blocks.
RandomStream::RandomStream(const RandomKey& key) {
  const std::array<uint32_t, 4> derived =
      Philox(key.seed, {static_cast<uint32_t>(key.client), static_cast<uint32_t>(key.client >> 32),
                        static_cast<uint32_t>(key.round), static_cast<uint32_t>(key.purpose)});
  key_ = derived[0] | (static_cast<uint64_t>(derived[1]) << 32);
  counter_ = {0, 0, derived[2], derived[3]};
}

uint32_t RandomStream::Next32() {
  if (used_ == 4) {
    block_ = Philox(key_, counter_);
    if (++counter_[0] == 0) ++counter_[1];
    used_ = 0;
  }
  return block_[static_cast<size_t>(used_++)];
}

uint64_t RandomStream::Next64() {
  const uint64_t low = Next32();
  return low | (static_cast<uint64_t>(Next32()) << 32);
}

float RandomStream::NextFloat() { return static_cast<float>(Next32() >> 8) * 0x1p-24f; }

uint32_t RandomStream::Below(uint32_t bound) {
  const uint32_t threshold = (0u - bound) % bound;
  while (true) {
    const uint64_t product = static_cast<uint64_t>(Next32()) * bound;
    if (static_cast<uint32_t>(product) >= threshold) return static_cast<uint32_t>(product >> 32);
  }
}

}  // namespace tern
