// What mean, norm_clip, fednova and qfedavg have in common: any order, any merge tree and any move
// to another process give the same bits, which are the formula's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "aggregation/weighted_sums.h"
#include "core/model/zoo.h"
#include "tests/aggregation/test_updates.h"
#include "tests/testing/status_matchers.h"

namespace tern::aggregation {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;

Aggregate Report(std::unique_ptr<Aggregator> aggregator) {
  return (std::move(*aggregator).Report({})).value();
}

// Updates of every width and of several codecs, for each rule.
class AnyRule : public ::testing::TestWithParam<AggregatorOptions> {
 protected:
  static constexpr int kNumUpdates = 40;

  AnyRule() {
    const ModelSpec full = ZooModel("tiny_cnn").value();
    std::vector<SharedSet> sets = {nullptr};
    for (const double width : {0.75, 0.5, 0.25}) {
      for (const uint64_t round : {1, 7}) {
        const SubmodelOptions options = {
            .rule = SubmodelRule::kFedRolex, .width = width, .round = round};
        sets.push_back(
            std::make_shared<CoordinateSet>(MakeSubmodel(full, options).value().coordinates));
      }
    }
    limits_ = {.count = sets[1]->full_size,
               .max_update_abs = 16.0f,
               .max_total_weight = kNumUpdates * 1000,
               .max_updates = kNumUpdates};
    if (!TakesSubmodels(GetParam().name)) sets.resize(1);
    RandomStream random({.seed = 65});
    for (uint64_t i = 0; i < kNumUpdates; ++i) AddUpdate(i, sets, random);
  }

  std::unique_ptr<Aggregator> Make() const { return MakeAggregator(GetParam(), limits_).value(); }

  std::unique_ptr<Aggregator> Sequential() const {
    auto aggregator = Make();
    for (const TestUpdate& update : updates_) update.AddTo(*aggregator);
    return aggregator;
  }

  // What holds all updates, spread at random, some moved to another process on their way.
  std::unique_ptr<Aggregator> Spread(RandomStream& random) {
    random.Shuffle(absl::MakeSpan(updates_));
    std::vector<std::unique_ptr<Aggregator>> aggregators;
    const uint32_t parts = 1 + random.Below(6);
    for (uint32_t part = 0; part < parts; ++part) aggregators.push_back(Make());
    for (const TestUpdate& update : updates_) {
      std::unique_ptr<Aggregator>& aggregator = aggregators[random.Below(parts)];
      if (random.Below(10) == 0) aggregator = Moved(*aggregator);
      update.AddTo(*aggregator);
    }
    while (aggregators.size() > 1) {
      random.Shuffle(absl::MakeSpan(aggregators));
      if (random.Below(2) == 0) aggregators.back() = Moved(*aggregators.back());
      aggregators.front()->Merge(std::move(*aggregators.back()));
      aggregators.pop_back();
    }
    return std::move(aggregators[0]);
  }

  std::unique_ptr<Aggregator> Moved(const Aggregator& from) const {
    auto to = Make();
    EXPECT_THAT(to->Deserialize(from.Serialize()), IsOk());
    return to;
  }

  AggregatorLimits limits_;
  std::vector<TestUpdate> updates_;

 private:
  void AddUpdate(uint64_t id, const std::vector<SharedSet>& sets, RandomStream& random) {
    const SharedSet set = sets[random.Below(static_cast<uint32_t>(sets.size()))];
    const char* const codecs[] = {"none", "quantize(8)", "topk(0.1)|ternary|rice",
                                  "rotate|eden(2)"};
    const int64_t count = set == nullptr ? limits_.count : set->size;
    const UpdateFacts facts = {.id = id,
                               .weight = 1 + random.Below(1000),
                               .steps_norm = 1.0 + 20.0 * random.NextFloat(),
                               .start_loss = 3.0 * random.NextFloat()};
    const float max_abs = std::ldexp(1.0f, -static_cast<int>(random.Below(12)));
    // Equal sets at several addresses, as after a restart of the coordinator.
    const bool copied = set != nullptr && random.Below(3) == 0;
    updates_.emplace_back(RandomValues(count, max_abs, random), facts,
                          copied ? std::make_shared<CoordinateSet>(*set) : set,
                          codecs[random.Below(4)]);
  }
};

TEST_P(AnyRule, AnyOrderAnyMergeTreeAndAnyMove_GiveTheSameBits) {
  const std::string expected_bytes = Sequential()->Serialize();
  const Aggregate expected = Report(Sequential());
  EXPECT_EQ(expected.num_updates, kNumUpdates);
  RandomStream random({.seed = 66});
  for (int trial = 0; trial < 20; ++trial) {
    std::unique_ptr<Aggregator> spread = Spread(random);
    ASSERT_EQ(spread->Serialize(), expected_bytes) << trial;
    const Aggregate aggregate = Report(std::move(spread));
    ASSERT_EQ(aggregate.values, expected.values) << trial;
    ASSERT_EQ(aggregate.num_updates, expected.num_updates);
    ASSERT_EQ(aggregate.mean_squared_norm, expected.mean_squared_norm);
  }
}

// The table of mean.h, of one update; without bounds.
WeightedSums::Term TermOf(const AggregatorOptions& options, const TestUpdate& update) {
  double norm2 = 0.0;
  for (const float value : update.Decoded()) norm2 += static_cast<double>(value) * value;
  const UpdateFacts& facts = update.facts;
  const double loss = facts.start_loss + 1e-10;
  const double q = options.fairness;
  const double fair = std::pow(loss, q);
  if (options.name == "norm_clip") {
    return {.weight = facts.weight, .factor = std::min(1.0, options.clip_norm / std::sqrt(norm2))};
  }
  if (options.name == "fednova") {
    return {
        .weight = facts.weight, .factor = 1.0 / facts.steps_norm, .statistic = facts.steps_norm};
  }
  if (options.name == "qfedavg") {
    const double of_norm = q * std::pow(loss, q - 1.0) * norm2 / options.client_learning_rate;
    return {.weight = 1, .factor = fair, .statistic = fair + of_norm};
  }
  return {.weight = facts.weight, .statistic = norm2};
}

// By doubles, over what the updates decode to.
TEST_P(AnyRule, Report_IsTheFormulaOfItsHeader) {
  const auto count = static_cast<size_t>(limits_.count);
  const SharedSet all = MakeSet({{0, limits_.count}}, limits_.count);
  std::vector<double> sums(count);
  std::vector<double> weights(count);
  double statistic = 0.0;
  double total = 0.0;
  for (const TestUpdate& update : updates_) {
    const WeightedSums::Term term = TermOf(GetParam(), update);
    const auto weight = static_cast<double>(term.weight);
    statistic += weight * term.statistic;
    total += weight;
    const std::vector<float> values = update.Decoded();
    size_t packed = 0;
    for (const CoordinateRun& run : (update.set == nullptr ? all : update.set)->runs) {
      for (int64_t i = run.begin; i < run.begin + run.size; ++i) {
        sums[static_cast<size_t>(i)] += weight * term.factor * values[packed++];
        weights[static_cast<size_t>(i)] += weight;
      }
    }
  }
  statistic /= total;
  const std::string& rule = GetParam().name;
  const double multiplier = rule == "fednova" ? statistic : rule == "qfedavg" ? 1 / statistic : 1.0;
  const Aggregate aggregate = Report(Sequential());
  for (size_t i = 0; i < count; ++i) {
    const double expected = weights[i] == 0.0 ? 0.0 : multiplier * sums[i] / weights[i];
    ASSERT_NEAR(aggregate.values[i], expected, 2e-6 * std::max(1.0, std::abs(expected))) << i;
  }
  const double norms = GetParam().measure_norms ? statistic : 0.0;
  EXPECT_NEAR(aggregate.mean_squared_norm, norms, 1e-5 * norms);
}

TEST_P(AnyRule, Report_WithoutUpdates_IsFailedPrecondition) {
  EXPECT_THAT(std::move(*Make()).Report({}),
              StatusIs(absl::StatusCode::kFailedPrecondition, GetParam().name));
}

INSTANTIATE_TEST_SUITE_P(
    Rules, AnyRule,
    ::testing::Values(AggregatorOptions{.name = "mean"},
                      AggregatorOptions{.name = "mean", .measure_norms = true},
                      AggregatorOptions{.name = "norm_clip", .clip_norm = 0.5f},
                      AggregatorOptions{.name = "fednova"},
                      AggregatorOptions{.name = "qfedavg", .fairness = 0.0f},
                      AggregatorOptions{.name = "qfedavg", .fairness = 0.5f},
                      AggregatorOptions{.name = "qfedavg", .fairness = 2.0f}),
    [](const auto& tested) { return tested.param.name + std::to_string(tested.index); });

}  // namespace
}  // namespace tern::aggregation
