#include "compression/random_subset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

namespace tern::compression {
namespace {

constexpr RandomKey kKey = {.seed = 7, .round = 3, .client = 0x1234567890ABCDEF};

std::vector<int32_t> Draw(const RandomKey& key, int64_t stream, int64_t count, int64_t size) {
  std::vector<int32_t> subset(static_cast<size_t>(size));
  DrawSubset(key, stream, count, absl::MakeSpan(subset));
  return subset;
}

// random_subset.h, one word at a time.
class Words {
 public:
  Words(const RandomKey& key, int64_t stream) : stream_(static_cast<uint64_t>(stream)) {
    const auto derived =
        Philox(key.seed,
               {static_cast<uint32_t>(key.client), static_cast<uint32_t>(key.client >> 32),
                static_cast<uint32_t>(key.round), static_cast<uint32_t>(RandomPurpose::kSubset)});
    key_ = derived[0] | static_cast<uint64_t>(derived[1]) << 32;
  }

  uint64_t Below(uint64_t bound) {
    while (true) {
      const uint64_t product = Next() * bound;
      if (product % (uint64_t{1} << 32) >= (uint64_t{1} << 32) % bound) return product >> 32;
    }
  }

 private:
  uint64_t Next() {
    const uint32_t word = next_++;
    return Philox(key_, {static_cast<uint32_t>(stream_), static_cast<uint32_t>(stream_ >> 32),
                         word / 4, 0})[word % 4];
  }

  uint64_t key_;
  uint64_t stream_;
  uint32_t next_ = 0;
};

std::vector<int32_t> DrawByDefinition(const RandomKey& key, int64_t stream, int64_t count,
                                      int64_t size) {
  const bool left_out = size > count / 2;
  Words words(key, stream);
  std::set<int32_t> drawn;
  for (int64_t j = count - (left_out ? count - size : size); j < count; ++j) {
    const auto number = static_cast<int32_t>(words.Below(static_cast<uint64_t>(j) + 1));
    drawn.insert(drawn.contains(number) ? static_cast<int32_t>(j) : number);
  }
  std::vector<int32_t> subset;
  for (int32_t i = 0; i < count; ++i) {
    if (drawn.contains(i) != left_out) subset.push_back(i);
  }
  return subset;
}

TEST(RandomSubset, Draw_IsTheDefinition) {
  for (int64_t count = 0; count <= 70; ++count) {
    for (int64_t size = 0; size <= count; ++size) {
      ASSERT_EQ(Draw(kKey, count, count, size), DrawByDefinition(kKey, count, count, size))
          << size << " of " << count;
    }
  }
  for (const int64_t count : {4095, 4096, 65535, 65536}) {
    for (const int64_t size : {int64_t{1}, count / 100, count / 2, count - 3, count}) {
      const int64_t stream = (int64_t{1} << 32) + count;
      ASSERT_EQ(Draw(kKey, stream, count, size), DrawByDefinition(kKey, stream, count, size))
          << size << " of " << count;
    }
  }
}

TEST(RandomSubset, Draw_IsAscendingAndInRange) {
  for (const int64_t size : {0, 1, 63, 64, 65, 500, 999, 1000}) {
    const std::vector<int32_t> subset = Draw(kKey, 0, 1000, size);
    EXPECT_EQ(std::adjacent_find(subset.begin(), subset.end(), std::greater_equal<int32_t>()),
              subset.end());
    if (size == 0) continue;
    EXPECT_GE(subset.front(), 0);
    EXPECT_LT(subset.back(), 1000);
  }
}

// 20 frequencies and 190 of pairs, each of two sizes, within 5.5 standard deviations of a binomial
// distribution: a false alarm in 60000 seeds.
TEST(RandomSubset, NumbersAndPairs_AreEquallyLikely) {
  constexpr int kCount = 20;
  constexpr int kDraws = 20000;
  for (const int size : {6, 14}) {
    std::vector<int> drawn(kCount * kCount);
    for (int draw = 0; draw < kDraws; ++draw) {
      const std::vector<int32_t> subset = Draw({.seed = 11}, draw, kCount, size);
      for (const int32_t i : subset) {
        for (const int32_t j : subset) ++drawn[static_cast<size_t>(i * kCount + j)];
      }
    }
    for (int i = 0; i < kCount; ++i) {
      for (int j = 0; j <= i; ++j) {
        const double single = static_cast<double>(size) / kCount;
        const double p = i == j ? single : single * (size - 1) / (kCount - 1);
        EXPECT_NEAR(drawn[static_cast<size_t>(i * kCount + j)], kDraws * p,
                    5.5 * std::sqrt(kDraws * p * (1.0 - p)));
      }
    }
  }
}

TEST(RandomSubset, SeedRoundClientAndStream_CountAndThePurposeDoesNot) {
  const RandomKey key = {.seed = 1, .round = 2, .client = 3};
  const std::vector<int32_t> subset = Draw(key, 4, 4096, 100);
  EXPECT_NE(Draw({.seed = 9, .round = 2, .client = 3}, 4, 4096, 100), subset);
  EXPECT_NE(Draw({.seed = 1, .round = 9, .client = 3}, 4, 4096, 100), subset);
  EXPECT_NE(Draw({.seed = 1, .round = 2, .client = 9}, 4, 4096, 100), subset);
  EXPECT_NE(Draw(key, 9, 4096, 100), subset);
  RandomKey other_purpose = key;
  other_purpose.purpose = RandomPurpose::kEncode;
  EXPECT_EQ(Draw(other_purpose, 4, 4096, 100), subset);
}

TEST(RandomSubset, Bitmap_IsTheSameSubset) {
  for (const int64_t count : {1, 64, 100, 65536}) {
    for (const int64_t size : {int64_t{0}, count / 3, count}) {
      SubsetBitmap bitmap;
      bitmap.fill(~uint64_t{0});
      DrawSubsetBitmap(kKey, 5, count, size, bitmap);
      std::vector<int32_t> subset;
      for (int64_t i = 0; i < (count + 63) / 64 * 64; ++i) {
        if ((bitmap[static_cast<size_t>(i / 64)] >> (i % 64) & 1) != 0) {
          subset.push_back(static_cast<int32_t>(i));
        }
      }
      EXPECT_EQ(subset, Draw(kKey, 5, count, size));
    }
  }
}

}  // namespace
}  // namespace tern::compression
