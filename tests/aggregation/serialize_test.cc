// Aggregators as bytes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "aggregation/sealed_bytes.h"
#include "tests/aggregation/test_updates.h"
#include "tests/testing/status_matchers.h"

namespace tern::aggregation {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;

constexpr auto kDataLoss = absl::StatusCode::kDataLoss;
constexpr int64_t kCount = 20;

std::unique_ptr<Aggregator> Make(const AggregatorOptions& options = {}) {
  return MakeAggregator(options, {.count = kCount, .max_total_weight = 1000}).value();
}

// With sums of all kinds: of all coordinates, of two sets, and before the inverse rotation.
std::unique_ptr<Aggregator> Filled(const AggregatorOptions& options = {}) {
  RandomStream random({.seed = 68});
  auto aggregator = Make(options);
  TestUpdate(RandomValues(kCount, 1.0f, random), {.id = 1, .weight = 3}).AddTo(*aggregator);
  TestUpdate(RandomValues(kCount, 1.0f, random), {.id = 2, .weight = 5}, nullptr, "rotate|eden(2)")
      .AddTo(*aggregator);
  TestUpdate(RandomValues(5, 1.0f, random), {.id = 3, .weight = 7},
             MakeSet({{2, 3}, {10, 2}}, kCount))
      .AddTo(*aggregator);
  TestUpdate(RandomValues(4, 1.0f, random), {.id = 4, .weight = 1}, MakeSet({{0, 4}}, kCount))
      .AddTo(*aggregator);
  return aggregator;
}

std::vector<float> Report(std::unique_ptr<Aggregator> aggregator) {
  return (std::move(*aggregator).Report({})).value().values;
}

// Says no with DATA_LOSS, holds nothing, and works afterwards.
void ExpectRefused(const std::string& bytes, absl::string_view part = "") {
  auto aggregator = Make();
  ASSERT_THAT(aggregator->Deserialize(bytes), StatusIs(kDataLoss, part));
  ASSERT_EQ(aggregator->Serialize(), Make()->Serialize());
  ASSERT_THAT(aggregator->Deserialize(Filled()->Serialize()), IsOk());
  ASSERT_EQ(Report(std::move(aggregator)), Report(Filled()));
}

TEST(Serialize, WhatWasAccumulated_GoesOnInAnotherAggregator) {
  const std::string bytes = Filled()->Serialize();
  auto other = Make();
  ASSERT_THAT(other->Deserialize(bytes), IsOk());
  EXPECT_EQ(other->Serialize(), bytes);
  const TestUpdate update({1.0f, 2.0f}, {.weight = 11}, MakeSet({{5, 2}}, kCount));
  auto expected = Filled();
  update.AddTo(*expected);
  update.AddTo(*other);
  EXPECT_EQ(Report(std::move(other)), Report(std::move(expected)));
}

TEST(Serialize, NothingAccumulated_IsTheSameAfterAReport) {
  auto used = Filled();
  ASSERT_THAT(std::move(*used).Report({}), IsOk());
  EXPECT_EQ(used->Serialize(), Make()->Serialize());
  auto other = Make();
  EXPECT_THAT(other->Deserialize(used->Serialize()), IsOk());
  EXPECT_THAT(std::move(*other).Report({}),
              StatusIs(absl::StatusCode::kFailedPrecondition, "no update was accumulated"));
}

TEST(Deserialize, EveryTruncation_IsDataLoss) {
  const std::string bytes = Filled()->Serialize();
  for (size_t size = 0; size < bytes.size(); ++size) {
    auto aggregator = Make();
    ASSERT_THAT(aggregator->Deserialize(bytes.substr(0, size)), StatusIs(kDataLoss, "aggregator"));
  }
  ExpectRefused(bytes.substr(0, bytes.size() / 2));
  ExpectRefused(bytes + '\0');
}

TEST(Deserialize, EveryFlippedByte_IsDataLoss) {
  const std::string bytes = Filled()->Serialize();
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x10);
    auto aggregator = Make();
    ASSERT_THAT(aggregator->Deserialize(flipped), StatusIs(kDataLoss, "checksum")) << i;
    ASSERT_EQ(aggregator->Serialize(), Make()->Serialize());
  }
}

// Whoever changes the bytes may know how to seal them.
class Forged : public ::testing::Test {
 protected:
  // The bytes with a fresh checksum.
  static std::string Sealed(std::string bytes) {
    bytes.resize(bytes.size() - sizeof(uint32_t));
    EndSeal(bytes);
    return bytes;
  }
  template <typename T>
  static std::string With(size_t offset, T value) {
    std::string bytes = Filled()->Serialize();
    std::memcpy(bytes.data() + offset, &value, sizeof(value));
    return Sealed(bytes);
  }

  // Of a body that begins behind the seal's header, in the order of WeightedSums::AppendTo. The
  // sets: all coordinates, {0, 4}, {2, 3} and {10, 2}.
  static constexpr size_t kUpdates = kSealHeaderBytes;
  static constexpr size_t kStatistic = kUpdates + 8;
  static constexpr size_t kSets = kStatistic + 16;
  static constexpr size_t kFirstWeight = kSets + 4;
  static constexpr size_t kSecondRuns = kFirstWeight + 12 + 8;
  static constexpr size_t kSecondBegin = kSecondRuns + 4;
  static constexpr size_t kThirdBegin = kSecondBegin + 16 + 12;
  static constexpr size_t kPlain = kThirdBegin + 32;
  static constexpr size_t kSums = kPlain + 1;
  static constexpr size_t kRotated = kSums + 8 * kCount;
};

TEST_F(Forged, SumsAndCountsOutOfRange_AreDataLoss) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  for (const int64_t bad : {int64_t{-1}, int64_t{0}, int64_t{2}, int64_t{17}, kMost}) {
    ExpectRefused(With<int64_t>(kUpdates, bad), "the number of updates is out of range");
  }
  ExpectRefused(With<uint64_t>(kStatistic, 1), "the sum of statistics is out of range");
  ExpectRefused(With<int64_t>(kStatistic + 8, -1), "the sum of statistics is out of range");
  for (const int64_t bad : {int64_t{-5}, int64_t{0}, int64_t{993}, kMost}) {
    ExpectRefused(With<int64_t>(kFirstWeight, bad), "a weight is out of range");
  }
  for (const int64_t bad : {kMost, -kMost - 1, (int64_t{16} << 40) * 16 + 1}) {
    ExpectRefused(With<int64_t>(kSums, bad), "a sum is out of range");
    ExpectRefused(With<int64_t>(kRotated + 9, bad), "a sum is out of range");
  }
}

TEST_F(Forged, SetsThatAreNone_AreDataLoss) {
  ExpectRefused(With<uint32_t>(kSets, 0xFFFFFFFFu), "state of sums");
  ExpectRefused(With<uint32_t>(kSecondRuns, 0xFFFFFFFFu), "truncated within a set");
  ExpectRefused(With<int64_t>(kSecondBegin, -1), "do not ascend within the coordinates");
  ExpectRefused(With<int64_t>(kSecondBegin, std::numeric_limits<int64_t>::max()), "do not ascend");
  ExpectRefused(With<int64_t>(kSecondBegin + 8, 0), "do not ascend within the coordinates");
  ExpectRefused(With<int64_t>(kSecondBegin + 8, kCount), "a set lists all coordinates");
  ExpectRefused(With<int64_t>(kSecondBegin + 8, kCount + 1), "do not ascend");
  ExpectRefused(With<int64_t>(kSecondBegin, 3), "coordinate sets do not ascend");
  ExpectRefused(With<int64_t>(kThirdBegin + 16, 5), "do not ascend within the coordinates");
}

TEST_F(Forged, EveryByteChangedAndSealedAgain_IsRefusedOrWorks) {
  const std::string bytes = Filled()->Serialize();
  for (size_t i = kSealHeaderBytes; i < bytes.size() - 4; ++i) {
    for (const int change : {0x01, 0x80, 0xFF}) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ change);
      auto aggregator = Make();
      if (aggregator->Deserialize(Sealed(changed)).ok()) {
        aggregator->Merge(std::move(*Make()));
        ASSERT_EQ(Report(std::move(aggregator)).size(), static_cast<size_t>(kCount));
      } else {
        ASSERT_EQ(aggregator->Serialize(), Make()->Serialize());
      }
    }
  }
}

TEST_F(Forged, FlagsAndWhatIsBehindTheEnd_AreDataLoss) {
  ExpectRefused(With<uint8_t>(kPlain, 2), "a flag is neither 0 nor 1");
  ExpectRefused(With<uint8_t>(kRotated, 3), "a flag is neither 0 nor 1");
  ExpectRefused(With<uint8_t>(kRotated, 0), "bytes behind the end");
  ExpectRefused(Sealed(Filled()->Serialize() + "more"), "4 bytes behind the end");
}

TEST(Deserialize, StateOfAnotherRuleOptionOrLimit_IsDataLoss) {
  const auto refused = [](const Aggregator& from, Aggregator& to) {
    EXPECT_THAT(to.Deserialize(from.Serialize()),
                StatusIs(kDataLoss, "written by another, or under other options or limits"));
  };
  refused(*Filled(), *Make({.name = "fednova"}));
  refused(*Filled(), *Make({.name = "mean", .measure_norms = true}));
  refused(*Filled({.name = "norm_clip", .clip_norm = 1.0f}),
          *Make({.name = "norm_clip", .clip_norm = 2.0f}));
  refused(*Filled(), *MakeAggregator({}, {.count = kCount, .max_total_weight = 1001}).value());
  refused(*Filled(), *MakeAggregator({}, {.count = kCount + 1, .max_total_weight = 1000}).value());
  refused(*Filled(),
          *MakeAggregator({}, {.count = kCount, .max_update_abs = 8.0f, .max_total_weight = 1000})
               .value());
}

TEST(Deserialize, BytesOfSomethingElse_AreDataLoss) {
  std::string bytes = BeginSeal({.magic = "TERNELSE", .writer = "something"});
  EndSeal(bytes);
  ExpectRefused(bytes, "does not begin with TERNSUMS");
  bytes = BeginSeal({.magic = "TERNSUMS", .version = 2, .writer = "something"});
  EndSeal(bytes);
  ExpectRefused(bytes, "format version is 2, expected 1");
}

TEST(DeserializeDeathTest, IntoWhatHoldsUpdates_IsABugOfTheCaller) {
  auto aggregator = Filled();
  const std::string bytes = aggregator->Serialize();
  EXPECT_DEATH((void)aggregator->Deserialize(bytes), "check failed");
}

// Rotated updates of another round: the sums cannot be rotated back together.
TEST(DeserializeDeathTest, MergeOfAnotherRotation_IsABugOfTheCaller) {
  auto aggregator = Make();
  TestUpdate update(std::vector<float>(kCount, 1.0f), {}, nullptr, "rotate|eden(2)");
  update.context.key.round = 5;
  update.AddTo(*aggregator);
  auto other = Make();
  ASSERT_THAT(other->Deserialize(aggregator->Serialize()), IsOk());
  auto filled = Filled();
  EXPECT_DEATH(filled->Merge(std::move(*other)), "check failed");
}

}  // namespace
}  // namespace tern::aggregation
