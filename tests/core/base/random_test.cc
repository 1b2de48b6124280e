#include "core/base/random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <vector>

namespace tern {
namespace {

using ::testing::ElementsAre;

// The known answers that the authors of Philox publish with it (Random123, kat_vectors).
TEST(Philox, PublishedVectors) {
  EXPECT_THAT(Philox(0, {0, 0, 0, 0}), ElementsAre(0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8));
  EXPECT_THAT(Philox(~uint64_t{0}, {~0u, ~0u, ~0u, ~0u}),
              ElementsAre(0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD));
  EXPECT_THAT(Philox(0x299F31D0A4093822, {0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344}),
              ElementsAre(0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1));
}

std::vector<uint32_t> Draw(const RandomKey& key, int count) {
  RandomStream random(key);
  std::vector<uint32_t> numbers;
  for (int i = 0; i < count; ++i) numbers.push_back(random.Next32());
  return numbers;
}

// Every result of the project hangs on these numbers. Computed by an independent program.
TEST(RandomStream, Golden_NumbersOfAKeyNeverChange) {
  EXPECT_THAT(Draw({.seed = 1, .round = 2, .client = 3, .purpose = RandomPurpose::kBatchOrder}, 6),
              ElementsAre(0x6F281451, 0x8DF1D725, 0x11FB2667, 0x896B7BE5, 0x7EF5EEFD, 0xA787DCD7));
  EXPECT_THAT(Draw({.seed = 0x0123456789ABCDEF,
                    .round = 7,
                    .client = 0xFEDCBA9876543210,
                    .purpose = RandomPurpose::kEncode},
                   6),
              ElementsAre(0x49E968D4, 0x55E15D37, 0x440F5844, 0xFC591074, 0x52E05E0B, 0x0E32D907));
}

TEST(RandomStream, EveryPartOfTheKey_ChangesTheNumbers) {
  const RandomKey base{.seed = 1, .round = 1, .client = 1, .purpose = RandomPurpose::kCohort};
  std::vector<RandomKey> keys(9, base);
  keys[1].seed = 2;
  keys[2].seed |= uint64_t{1} << 63;
  keys[3].round = 2;
  keys[4].client = 2;
  keys[5].client |= uint64_t{1} << 63;
  keys[6].purpose = RandomPurpose::kPace;
  keys[7] = {.seed = 0, .round = 1, .client = 0, .purpose = RandomPurpose::kCohort};
  keys[8] = {.seed = 0, .round = 0, .client = 1, .purpose = RandomPurpose::kCohort};
  std::set<std::vector<uint32_t>> streams;
  for (const RandomKey& key : keys) streams.insert(Draw(key, 4));
  EXPECT_EQ(streams.size(), keys.size());
}

TEST(RandomStream, Next64_IsTwoNumbersLowHalfFirst) {
  const std::vector<uint32_t> numbers = Draw({.seed = 9}, 2);
  EXPECT_EQ(RandomStream({.seed = 9}).Next64(), numbers[0] | uint64_t{numbers[1]} << 32);
}

TEST(RandomStream, NextFloat_IsAMultipleOf2ToMinus24Below1) {
  RandomStream random({.seed = 4});
  for (int i = 0; i < 10000; ++i) {
    const float value = random.NextFloat();
    ASSERT_GE(value, 0.0f);
    ASSERT_LT(value, 1.0f);
    ASSERT_EQ(std::fmod(value, 0x1p-24f), 0.0f);
  }
}

// Mean and variance of n uniform numbers, within 6 standard deviations of their estimators. The
// probability that a uniform source fails is below 1e-8.
TEST(RandomStream, NextFloat_HasMeanAndVarianceOfTheUniformDistribution) {
  constexpr int kCount = 200000;
  RandomStream random({.seed = 11});
  double sum = 0.0;
  double sum_of_squares = 0.0;
  for (int i = 0; i < kCount; ++i) {
    const double centred = random.NextFloat() - 0.5;
    sum += centred;
    sum_of_squares += centred * centred;
  }
  EXPECT_NEAR(sum / kCount, 0.0, 6 * std::sqrt(1.0 / 12 / kCount));
  // The variance of a squared centred uniform number is 1/80 - 1/144 = 1/180.
  EXPECT_NEAR(sum_of_squares / kCount, 1.0 / 12, 6 * std::sqrt(1.0 / 180 / kCount));
}

// Chi-square with 6 degrees of freedom: above 49.9 with probability 5e-9.
TEST(RandomStream, Below_IsUniform) {
  constexpr uint32_t kBound = 7;
  constexpr int kCount = 70000;
  RandomStream random({.seed = 12});
  std::vector<int> counts(kBound, 0);
  for (int i = 0; i < kCount; ++i) {
    const uint32_t value = random.Below(kBound);
    ASSERT_LT(value, kBound);
    ++counts[value];
  }
  double chi_square = 0.0;
  for (const int count : counts) chi_square += std::pow(count - 10000.0, 2) / 10000.0;
  EXPECT_LT(chi_square, 49.9);
}

// Multiplying alone, without the rejection, maps four numbers onto three here: every multiple of 3
// would be drawn twice as often as the others.
TEST(RandomStream, Below_LargeBound_IsNotBiased) {
  constexpr uint32_t kBound = 3u << 30;
  constexpr int kCount = 90000;
  RandomStream random({.seed = 13});
  std::vector<int> counts(3, 0);
  for (int i = 0; i < kCount; ++i) ++counts[random.Below(kBound) % 3];
  double chi_square = 0.0;
  for (const int count : counts) chi_square += std::pow(count - 30000.0, 2) / 30000.0;
  // 2 degrees of freedom: above 37 with probability 1e-8. Without rejection it is near 11000.
  EXPECT_LT(chi_square, 37.0);
}

TEST(RandomStream, Below_One_IsZero) {
  RandomStream random({.seed = 1});
  EXPECT_EQ(random.Below(1), 0u);
}

TEST(RandomStream, Shuffle_IsAPermutationOfItsKey) {
  std::vector<int> values(1000);
  std::iota(values.begin(), values.end(), 0);
  std::vector<int> shuffled = values;
  RandomStream({.seed = 3}).Shuffle(absl::MakeSpan(shuffled));
  EXPECT_NE(shuffled, values);
  std::vector<int> again = values;
  RandomStream({.seed = 3}).Shuffle(absl::MakeSpan(again));
  EXPECT_EQ(again, shuffled);
  std::sort(shuffled.begin(), shuffled.end());
  EXPECT_EQ(shuffled, values);
}

// All 24 orders of 4 elements equally often. Chi-square with 23 degrees of freedom: above 90 with
// probability 1e-9.
TEST(RandomStream, Shuffle_DrawsEveryOrderEquallyOften) {
  RandomStream random({.seed = 8});
  std::map<std::vector<int>, int> counts;
  for (int i = 0; i < 24000; ++i) {
    std::vector<int> values = {0, 1, 2, 3};
    random.Shuffle(absl::MakeSpan(values));
    ++counts[values];
  }
  ASSERT_EQ(counts.size(), 24u);
  double chi_square = 0.0;
  for (const auto& [order, count] : counts) chi_square += std::pow(count - 1000.0, 2) / 1000.0;
  EXPECT_LT(chi_square, 90.0);
}

TEST(RandomStream, Shuffle_NothingOrOne_DrawsNothing) {
  RandomStream random({.seed = 8});
  std::vector<int> one = {5};
  random.Shuffle(absl::Span<int>());
  random.Shuffle(absl::MakeSpan(one));
  EXPECT_EQ(random.Next32(), RandomStream({.seed = 8}).Next32());
}

// Computed by an independent program; ids are hashed again after every restart and upgrade.
TEST(HashClientId, Golden) {
  EXPECT_EQ(HashClientId(""), 0xECBA3DF2C3383C52u);
  EXPECT_EQ(HashClientId("client-1"), 0x3138D6E40B4AC7DFu);
  EXPECT_EQ(HashClientId("\xFF"), 0xAF9BAF0B40B2142Du);
}

TEST(HashClientId, ManyIds_AllDiffer) {
  std::set<uint64_t> hashes;
  for (int i = 0; i < 100000; ++i) hashes.insert(HashClientId("client-" + std::to_string(i)));
  EXPECT_EQ(hashes.size(), 100000u);
}

}  // namespace
}  // namespace tern
