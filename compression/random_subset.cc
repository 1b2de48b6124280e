#include "compression/random_subset.h"

#include <algorithm>
#include <bit>

#include "compression/philox_words.h"
#include "core/base/check.h"

namespace tern::compression {
namespace {

class Words {
 public:
  Words(const RandomKey& key, int64_t stream)
      : key_(PhiloxKey(key)),
        stream_low_(static_cast<uint32_t>(stream)),
        stream_high_(static_cast<uint32_t>(static_cast<uint64_t>(stream) >> 32)) {}

  uint32_t Below(uint32_t bound) {
    uint64_t product = Next() * bound;
    // 2^32 mod bound is less than bound: rarely is a division needed.
    if (static_cast<uint32_t>(product) < bound) {
      const uint32_t least = (0u - bound) % bound;
      while (static_cast<uint32_t>(product) < least) product = Next() * bound;
    }
    return static_cast<uint32_t>(product >> 32);
  }

 private:
  uint64_t Next() {
    if (used_ == kPhiloxWords) {
      PhiloxWords(key_, stream_low_, stream_high_, counter_, words_);
      counter_ += kPhiloxWords / 4;
      used_ = 0;
    }
    return words_[used_++];
  }

  const uint64_t key_;
  const uint32_t stream_low_;
  const uint32_t stream_high_;
  uint32_t counter_ = 0;
  int64_t used_ = kPhiloxWords;
  uint32_t words_[kPhiloxWords];
};

}  // namespace

void DrawSubsetBitmap(const RandomKey& key, int64_t stream, int64_t count, int64_t size,
                      SubsetBitmap& bitmap) {
  TERN_CHECK(0 <= size && size <= count && count <= kMaxSubsetCount);
  const bool draws_left_out = size > count / 2;
  const auto end = static_cast<uint32_t>(count);
  const size_t words = (end + 63) / 64;
  std::fill_n(bitmap.begin(), words, 0);
  RandomKey subset_key = key;
  subset_key.purpose = RandomPurpose::kSubset;
  Words random(subset_key, stream);
  for (uint32_t j = end - static_cast<uint32_t>(draws_left_out ? count - size : size); j < end;
       ++j) {
    const uint32_t drawn = random.Below(j + 1);
    const bool again = (bitmap[drawn / 64] >> (drawn % 64) & 1) != 0;
    const uint32_t number = again ? j : drawn;
    bitmap[number / 64] |= uint64_t{1} << (number % 64);
  }
  if (!draws_left_out) return;
  for (size_t word = 0; word < words; ++word) bitmap[word] = ~bitmap[word];
  if (end % 64 != 0) bitmap[words - 1] &= (uint64_t{1} << (end % 64)) - 1;
}

void DrawSubset(const RandomKey& key, int64_t stream, int64_t count, absl::Span<int32_t> subset) {
  SubsetBitmap bitmap;
  DrawSubsetBitmap(key, stream, count, static_cast<int64_t>(subset.size()), bitmap);
  int32_t* out = subset.data();
  for (int32_t start = 0; start < count; start += 64) {
    for (uint64_t bits = bitmap[static_cast<size_t>(start / 64)]; bits != 0; bits &= bits - 1) {
      *out++ = start + std::countr_zero(bits);
    }
  }
}

}  // namespace tern::compression
