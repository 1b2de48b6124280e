#include <gtest/gtest.h>

#include "tests/aggregation/robust/robust_tools.h"
#include "tests/testing/status_matchers.h"

namespace tern::aggregation {
namespace {

using ::tern::testing::IsOk;

constexpr uint32_t kUpdates = 15;
constexpr int64_t kCount = 5000;

// Of many codecs, some masked, and for the rules that take them of submodels.
std::vector<std::unique_ptr<TestUpdate>> MixedUpdates(bool submodels) {
  constexpr const char* kCodecs[] = {"none", "quantize(8)", "topk(0.1)|ternary|rice",
                                     "rotate|eden(2)|rans", "mask|none"};
  RandomStream random({.seed = 79});
  const SharedSet sets[] = {RandomSet(random, kCount, 50), RandomSet(random, kCount, 2000)};
  std::vector<std::unique_ptr<TestUpdate>> updates;
  for (uint32_t i = 0; i < kUpdates; ++i) {
    const uint32_t set = random.Below(3);
    const SharedSet held = submodels && set < 2 ? sets[set] : nullptr;
    const int64_t size = held == nullptr ? kCount : held->size;
    std::vector<float> values = RandomValues(random, size);
    for (float& value : values) value = random.Below(8) == 0 ? -0.0f : value + 0.25f;
    const uint32_t codec = random.Below(5);
    updates.push_back(std::make_unique<TestUpdate>(
        UpdateSpec{.values = values,
                   .id = random.Next64(),
                   .weight = 1 + random.Below(9),
                   .codec = kCodecs[codec],
                   .coordinates = held,
                   .mask = codec == 4 ? RandomSet(random, size, 100) : nullptr}));
  }
  return updates;
}

class EveryRule : public ::testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Aggregator> Make() const {
    return MakeRobustAggregator({.name = GetParam(), .attackers = 3, .clip_norm = 2.0f},
                                LimitsOf(kCount, kUpdates))
        .value();
  }
  std::vector<float> Report(Aggregator& aggregator) const {
    return (std::move(aggregator).Report({.previous = given_, .reference = given_})).value().values;
  }
  // As if it had been sent to another process.
  void SendOn(std::unique_ptr<Aggregator>& aggregator) const {
    auto other = Make();
    ASSERT_THAT(other->Deserialize(aggregator->Serialize()), IsOk());
    aggregator = std::move(other);
  }

  const std::vector<float> given_ = std::vector<float>(kCount, 0.125f);
};

// Any order, any split over aggregators, any tree of merges, with any of them serialized in
// between.
TEST_P(EveryRule, AnyOrderAndAnyMergeTree_ReportsTheSameBits) {
  auto updates = MixedUpdates(RobustRuleTakesSubmodels(GetParam()));
  auto sequential = Make();
  for (const auto& update : updates) update->AccumulateInto(*sequential);
  const std::vector<float> expected = Report(*sequential);
  RandomStream random({.seed = 80});
  for (int trial = 0; trial < 8; ++trial) {
    random.Shuffle(absl::MakeSpan(updates));
    const uint32_t parts = 1 + random.Below(6);
    std::vector<std::unique_ptr<Aggregator>> aggregators;
    for (uint32_t part = 0; part < parts; ++part) aggregators.push_back(Make());
    for (const auto& update : updates) {
      Aggregator& part = *aggregators[random.Below(parts)];
      random.Below(2) == 0 ? update->AccumulateInto(part) : update->AccumulateCopyInto(part);
    }
    while (aggregators.size() > 1) {
      random.Shuffle(absl::MakeSpan(aggregators));
      if (random.Below(2) == 0) SendOn(aggregators.back());
      aggregators.front()->Merge(std::move(*aggregators.back()));
      aggregators.pop_back();
    }
    if (trial % 2 == 0) SendOn(aggregators.front());
    ASSERT_EQ(Report(*aggregators.front()), expected) << trial;
  }
}

TEST_P(EveryRule, AfterReport_BeginsAnew) {
  const auto updates = MixedUpdates(false);
  auto aggregator = Make();
  for (const auto& update : updates) update->AccumulateInto(*aggregator);
  const std::vector<float> expected = Report(*aggregator);
  for (const auto& update : updates) update->AccumulateInto(*aggregator);
  EXPECT_EQ(Report(*aggregator), expected);
}

INSTANTIATE_TEST_SUITE_P(Rules, EveryRule, ::testing::ValuesIn(RobustRuleNames()),
                         [](const auto& param_info) { return param_info.param; });

}  // namespace
}  // namespace tern::aggregation
