#include "aggregation/robust/kept_updates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "core/base/crc32c.h"
#include "tests/aggregation/robust/robust_tools.h"
#include "tests/testing/status_matchers.h"

namespace tern::aggregation {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;

constexpr auto kDataLoss = absl::StatusCode::kDataLoss;
constexpr int64_t kCount = 12;
constexpr int64_t kMaxUpdates = 4;

const AggregatorOptions kMedian = {.name = "median"};

std::unique_ptr<Aggregator> Make(const AggregatorOptions& options = kMedian) {
  return MakeRobustAggregator(options, LimitsOf(kCount, kMaxUpdates)).value();
}

std::vector<std::unique_ptr<TestUpdate>> SomeUpdates() {
  RandomStream random({.seed = 77});
  const SharedSet set = MakeSet({{1, 3}, {6, 5}}, kCount);
  std::vector<std::unique_ptr<TestUpdate>> updates;
  const auto add = [&](const UpdateSpec& spec) {
    updates.push_back(std::make_unique<TestUpdate>(spec));
  };
  add({.values = RandomValues(random, kCount), .id = 9, .codec = "quantize(8)"});
  add({.values = RandomValues(random, 8), .id = 3, .weight = 5, .coordinates = set});
  add({.values = RandomValues(random, 8),
       .id = uint64_t{1} << 63,
       .codec = "mask|topk(0.5)|ternary|rice",
       .coordinates = set,
       .mask = MakeSet({{0, 2}, {4, 3}}, 8)});
  return updates;
}

std::string SomeBytes() {
  const auto updates = SomeUpdates();
  auto aggregator = Make();
  for (const auto& update : updates) update->AccumulateInto(*aggregator);
  return aggregator->Serialize();
}

// With the checksum that belongs to them.
std::string Sealed(std::string bytes) {
  const uint32_t checksum = Crc32c(absl::string_view(bytes).substr(0, bytes.size() - 4));
  std::memcpy(bytes.data() + bytes.size() - 4, &checksum, sizeof(checksum));
  return bytes;
}

TEST(KeptUpdates, Deserialize_ReportsWhatTheOriginalReports) {
  const auto updates = SomeUpdates();
  auto original = Make();
  for (const auto& update : updates) update->AccumulateInto(*original);
  auto copy = Make();
  {
    // What was read is the copy's own.
    const auto bytes = std::make_unique<std::string>(original->Serialize());
    ASSERT_THAT(copy->Deserialize(*bytes), IsOk());
  }
  EXPECT_EQ(copy->Serialize(), original->Serialize());
  EXPECT_EQ((std::move(*copy).Report({})).value().values,
            (std::move(*original).Report({})).value().values);
}

TEST(KeptUpdates, Serialize_AnyOrderAndAnyAddressesOfSets_GivesTheSameBytes) {
  const std::string expected = SomeBytes();
  auto updates = SomeUpdates();
  RandomStream random({.seed = 78});
  for (int trial = 0; trial < 10; ++trial) {
    random.Shuffle(absl::MakeSpan(updates));
    auto aggregator = Make();
    for (const auto& update : updates) update->AccumulateCopyInto(*aggregator);
    EXPECT_EQ(aggregator->Serialize(), expected);
  }
}

TEST(KeptUpdates, NothingKept_SerializesToo) {
  auto aggregator = Make();
  EXPECT_THAT(aggregator->Deserialize(Make()->Serialize()), IsOk());
  EXPECT_THAT(std::move(*aggregator).Report({}),
              StatusIs(absl::StatusCode::kFailedPrecondition, "no update"));
}

TEST(KeptUpdates, EveryTruncation_IsDataLoss) {
  const std::string bytes = SomeBytes();
  for (size_t size = 0; size < bytes.size(); ++size) {
    auto aggregator = Make();
    ASSERT_THAT(aggregator->Deserialize(bytes.substr(0, size)), StatusIs(kDataLoss, "median: "));
    if (size < 5) continue;
    ASSERT_THAT(aggregator->Deserialize(Sealed(bytes.substr(0, size))), StatusIs(kDataLoss, ""));
    // It still holds nothing.
    ASSERT_THAT(aggregator->Deserialize(bytes), IsOk());
  }
  EXPECT_THAT(Make()->Deserialize(Sealed(bytes + "1234")), StatusIs(kDataLoss, "trailing bytes"));
}

TEST(KeptUpdates, EveryFlippedBit_IsDataLoss) {
  const std::string bytes = SomeBytes();
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    ASSERT_THAT(Make()->Deserialize(flipped), StatusIs(kDataLoss, "checksum is ")) << bit;
  }
}

// Whatever a sender with the right checksum says: an error, or updates that can be aggregated.
TEST(KeptUpdates, ArbitraryBytesUnderARightChecksum_NeverCrash) {
  const std::string bytes = SomeBytes();
  int accepted = 0;
  const auto try_bytes = [&](const std::string& changed) {
    auto aggregator = Make();
    const absl::Status status = aggregator->Deserialize(Sealed(changed));
    if (status.ok()) {
      ++accepted;
      EXPECT_THAT(Make()->Deserialize(aggregator->Serialize()), IsOk());
      EXPECT_THAT(std::move(*aggregator).Report({}), IsOk());
    } else {
      ASSERT_THAT(status, StatusIs(kDataLoss, ""));
    }
  };
  for (size_t i = 0; i < bytes.size() - 4; ++i) {
    for (const int value : {0, 1, 127, 128, 255, bytes[i] ^ 1, bytes[i] ^ 64}) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(value);
      try_bytes(changed);
    }
    // Lengths as large as can be said.
    for (const size_t width : {size_t{4}, size_t{8}}) {
      std::string changed = bytes;
      for (size_t j = i; j < std::min(i + width, bytes.size()); ++j) changed[j] = '\xff';
      try_bytes(changed);
    }
  }
  EXPECT_GT(accepted, 100);  // ids, weights, values
}

TEST(KeptUpdates, BytesOfOtherOptionsOrLimits_AreDataLoss) {
  const std::string bytes = SomeBytes();
  AggregatorOptions options = kMedian;
  options.attackers = 1;
  EXPECT_THAT(Make(options)->Deserialize(bytes), StatusIs(kDataLoss, "other options or limits"));
  EXPECT_THAT(Make({.name = "trimmed_mean"})->Deserialize(bytes),
              StatusIs(kDataLoss, "trimmed_mean: state of kept updates: written by another"));
  auto wider = MakeRobustAggregator(kMedian, LimitsOf(kCount, kMaxUpdates + 1)).value();
  EXPECT_THAT(wider->Deserialize(bytes), StatusIs(kDataLoss, "other options or limits"));
}

// The limits are part of what both sides must agree on, but are checked all the same.
TEST(KeptUpdates, ValuesAboveTheLimit_AreDataLoss) {
  const AggregatorLimits limits = LimitsOf(2, kMaxUpdates);
  const TestUpdate update({.values = {1.0f, 100.0f}, .id = 1});
  KeptUpdates kept(kMedian, limits, /*takes_submodels=*/true);
  kept.Add({.decoder = update.decoder(),
            .payload = update.payload(),
            .context = update.context(),
            .codec = "none"},
           {.id = 1}, nullptr);
  KeptUpdates read(kMedian, limits, true);
  EXPECT_THAT(read.Deserialize(kept.Serialize()), StatusIs(kDataLoss, "coordinate 1"));
}

TEST(KeptUpdates, SubmodelsForARuleThatTakesNone_AreDataLoss) {
  const AggregatorLimits limits = LimitsOf(kCount, kMaxUpdates);
  const TestUpdate update({.values = {1.0f}, .coordinates = MakeSet({{3, 1}}, kCount)});
  KeptUpdates kept(kMedian, limits, /*takes_submodels=*/true);
  kept.Add({.decoder = update.decoder(),
            .payload = update.payload(),
            .context = update.context(),
            .codec = "none"},
           {.id = 1}, MakeSet({{3, 1}}, kCount));
  KeptUpdates read(kMedian, limits, /*takes_submodels=*/false);
  EXPECT_THAT(read.Deserialize(kept.Serialize()), StatusIs(kDataLoss, "of a submodel"));
}

}  // namespace
}  // namespace tern::aggregation
