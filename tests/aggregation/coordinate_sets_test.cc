// The mean of updates that hold different coordinates.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "aggregation/aggregator.h"
#include "aggregation/weighted_sums.h"
#include "compression/dense_sinks.h"
#include "core/base/random.h"
#include "core/model/zoo.h"
#include "tests/aggregation/test_updates.h"

namespace tern::aggregation {
namespace {

using compression::CodecContext;
using ::testing::ElementsAre;

struct Update {
  std::vector<float> values;
  int64_t weight = 1;
  SharedSet set;
  bool sparse = false;
};

// Decodes what codec `none` encoded, into blocks of a given length or as pairs of index and value.
class BlockDecoder final : public compression::Decoder {
 public:
  BlockDecoder(size_t block, bool sparse) : block_(block), sparse_(sparse) {}

  int64_t ScratchBytes(const CodecContext&) const override { return 0; }
  absl::Status Validate(absl::string_view, const CodecContext&, float) const override {
    return absl::OkStatus();
  }
  compression::SeekIndex MakeSeekIndex(absl::string_view, const CodecContext&) const override {
    return {};
  }
  void DecodeBlock(absl::string_view, const CodecContext&, const compression::SeekIndex&, int64_t,
                   compression::UpdateSink&) const override {}
  void DecodeInto(absl::string_view payload, const CodecContext& context,
                  compression::UpdateSink& sink) const override {
    std::vector<float> values(static_cast<size_t>(context.count));
    compression::DenseSink dense(absl::MakeSpan(values));
    none_->DecodeInto(payload, context, dense);
    for (size_t i = 0; i < values.size(); i += block_) {
      const absl::Span<const float> block = absl::MakeSpan(values).subspan(i, block_);
      if (sparse_) {
        std::vector<int32_t> indices(block.size());
        for (size_t j = 0; j < block.size(); ++j) indices[j] = static_cast<int32_t>(i + j);
        sink.AddSparse(indices, block);
      } else {
        sink.Add(static_cast<int64_t>(i), block);
      }
    }
  }

 private:
  const size_t block_;
  const bool sparse_;
  const std::unique_ptr<compression::Decoder> none_ =
      compression::MakeDecoder(compression::ParseCodec("none").value());
};

void Accumulate(Aggregator& aggregator, const Update& update) {
  std::string payload;
  ByteWriter writer(&payload);
  writer.WriteFloats(update.values);
  const CodecContext context{.count = static_cast<int64_t>(update.values.size())};
  aggregator.Accumulate(
      {.decoder = BlockDecoder(7, update.sparse), .payload = payload, .context = context},
      {.weight = update.weight}, update.set);
}

std::vector<float> Report(Aggregator& aggregator) {
  return (std::move(aggregator).Report({})).value().values;
}

std::unique_ptr<Aggregator> Make(int64_t count, int64_t max_total_weight) {
  return MakeAggregator({}, {.count = count, .max_total_weight = max_total_weight}).value();
}

TEST(CoordinateSets, EachCoordinate_IsTheMeanOfThoseThatHoldIt) {
  const SharedSet low = MakeSet({{0, 2}, {4, 1}}, 6);
  const SharedSet high = MakeSet({{1, 2}}, 6);
  auto aggregator = Make(6, 100);
  Accumulate(*aggregator, {.values = {1.0f, 2.0f, 3.0f}, .weight = 1, .set = low});
  Accumulate(*aggregator, {.values = {5.0f, 6.0f, 7.0f}, .weight = 3, .set = low});
  Accumulate(*aggregator, {.values = {8.0f, 9.0f}, .weight = 4, .set = high});
  // Coordinates 3 and 5 are held by none.
  EXPECT_THAT(Report(*aggregator), ElementsAre(4.0f, 6.5f, 9.0f, 0.0f, 6.0f, 0.0f));
}

TEST(CoordinateSets, FullUpdates_CountForEveryCoordinate) {
  auto aggregator = Make(4, 100);
  Accumulate(*aggregator, {.values = {1.0f, 1.0f, 1.0f, 1.0f}, .weight = 1});
  Accumulate(*aggregator, {.values = {5.0f}, .weight = 3, .set = MakeSet({{2, 1}}, 4)});
  EXPECT_THAT(Report(*aggregator), ElementsAre(1.0f, 1.0f, 4.0f, 1.0f));
}

TEST(CoordinateSets, SetOfAllCoordinates_IsAsNone) {
  const std::vector<float> values = {0.1f, -0.2f, 0.3f};
  auto none = Make(3, 7);
  Accumulate(*none, {.values = values, .weight = 7});
  auto all = Make(3, 7);
  Accumulate(*all, {.values = values, .weight = 7, .set = MakeSet({{0, 3}}, 3)});
  EXPECT_EQ(Report(*all), Report(*none));
}

TEST(CoordinateSetsDeathTest, TotalWeightOfAllSets_IsBounded) {
  auto aggregator = Make(2, 4);
  const SharedSet first = MakeSet({{0, 1}}, 2);
  const SharedSet second = MakeSet({{1, 1}}, 2);
  Accumulate(*aggregator, {.values = {1.0f}, .weight = 3, .set = first});
  Accumulate(*aggregator, {.values = {1.0f}, .weight = 1, .set = second});
  EXPECT_DEATH(Accumulate(*aggregator, {.values = {1.0f}, .weight = 1, .set = second}),
               "check failed");
}

TEST(CoordinateSetsDeathTest, SetOfAnotherModel_IsABugOfTheCaller) {
  auto aggregator = Make(2, 4);
  EXPECT_DEATH(Accumulate(*aggregator, {.values = {1.0f}, .set = MakeSet({{0, 1}}, 3)}),
               "check failed");
}

TEST(CoordinateSets, Report_ForgetsTheSets) {
  auto aggregator = Make(2, 4);
  Accumulate(*aggregator, {.values = {1.0f}, .weight = 4, .set = MakeSet({{0, 1}}, 2)});
  EXPECT_THAT(Report(*aggregator), ElementsAre(1.0f, 0.0f));
  Accumulate(*aggregator, {.values = {3.0f}, .weight = 4, .set = MakeSet({{1, 1}}, 2)});
  EXPECT_THAT(Report(*aggregator), ElementsAre(0.0f, 3.0f));
}

// The aggregator shares what it needs to know of a set: nobody else has to keep it.
TEST(CoordinateSets, SetReleasedByTheCaller_StaysKnown) {
  auto aggregator = Make(64, 1000);
  for (int64_t i = 0; i < 32; ++i) {
    Accumulate(*aggregator, {.values = {1.0f}, .weight = 1, .set = MakeSet({{2 * i, 1}}, 64)});
  }
  const std::vector<float> mean = Report(*aggregator);
  for (size_t i = 0; i < mean.size(); ++i) EXPECT_EQ(mean[i], i % 2 == 0 ? 1.0f : 0.0f);
}

class MixedUpdates : public ::testing::Test {
 protected:
  static constexpr int kNumUpdates = 60;

  // Of every width and both rules, with weights to 1000; as a sparse update now and then.
  MixedUpdates() {
    const ModelSpec full = ZooModel("tiny_cnn").value();
    std::vector<SharedSet> sets = {nullptr};
    for (const double width : {0.75, 0.5, 0.25, 0.125}) {
      for (const uint64_t round : {1, 7, 16}) {
        const SubmodelOptions options = {
            .rule = SubmodelRule::kFedRolex, .width = width, .round = round};
        sets.push_back(
            std::make_shared<CoordinateSet>(MakeSubmodel(full, options).value().coordinates));
      }
    }
    count_ = sets[1]->full_size;
    RandomStream random({.seed = 63});
    for (int i = 0; i < kNumUpdates; ++i) {
      Update update = {.weight = 1 + random.Below(1000),
                       .set = sets[random.Below(static_cast<uint32_t>(sets.size()))],
                       .sparse = random.Below(4) == 0};
      update.values.resize(static_cast<size_t>(update.set == nullptr ? count_ : update.set->size));
      for (float& value : update.values) value = random.NextFloat() - 0.5f;
      updates_.push_back(std::move(update));
    }
  }

  std::unique_ptr<Aggregator> Make() const {
    return aggregation::MakeAggregator({}, limits()).value();
  }
  AggregatorLimits limits() const {
    return {.count = count_, .max_total_weight = kNumUpdates * 1000};
  }
  std::vector<float> Sequential() const {
    auto aggregator = Make();
    for (const Update& update : updates_) Accumulate(*aggregator, update);
    return Report(*aggregator);
  }

  int64_t count_ = 0;
  std::vector<Update> updates_;
};

TEST_F(MixedUpdates, Report_EqualsThePreciseMeanOverTheHolders) {
  std::vector<long double> sums(static_cast<size_t>(count_), 0.0L);
  std::vector<long double> weights(static_cast<size_t>(count_), 0.0L);
  const SharedSet all = MakeSet({{0, count_}}, count_);
  for (const Update& update : updates_) {
    size_t packed = 0;
    for (const CoordinateRun& run : (update.set == nullptr ? all : update.set)->runs) {
      for (int64_t i = run.begin; i < run.begin + run.size; ++i) {
        const auto weight = static_cast<long double>(update.weight);
        sums[static_cast<size_t>(i)] += weight * update.values[packed++];
        weights[static_cast<size_t>(i)] += weight;
      }
    }
  }
  const std::vector<float> mean = Sequential();
  const double fraction = std::ldexp(
      1.0,
      -FractionBits(
           {.count = count_, .max_update_abs = 16.0, .max_total_weight = limits().max_total_weight})
              .value() -
          1);
  for (size_t i = 0; i < mean.size(); ++i) {
    const auto precise = static_cast<double>(sums[i] / weights[i]);
    ASSERT_NEAR(mean[i], precise, fraction + std::abs(precise) * 0x1p-23) << i;
  }
}

// Any order, any split over aggregators, any tree of merges: the same bits. So do sets that are
// equal but stand at several addresses, as after a restart of the coordinator.
TEST_F(MixedUpdates, AnyOrderAndAnyMergeTree_ReportsTheSameBits) {
  const std::vector<float> expected = Sequential();
  RandomStream random({.seed = 64});
  for (int trial = 0; trial < 20; ++trial) {
    random.Shuffle(absl::MakeSpan(updates_));
    std::vector<std::unique_ptr<Aggregator>> aggregators;
    const uint32_t parts = 1 + random.Below(6);
    for (uint32_t part = 0; part < parts; ++part) aggregators.push_back(Make());
    for (Update update : updates_) {
      if (update.set != nullptr && random.Below(3) == 0) {
        update.set = std::make_shared<CoordinateSet>(*update.set);
      }
      Accumulate(*aggregators[random.Below(parts)], update);
    }
    while (aggregators.size() > 1) {
      random.Shuffle(absl::MakeSpan(aggregators));
      aggregators.front()->Merge(std::move(*aggregators.back()));
      aggregators.pop_back();
    }
    const Aggregate aggregate = (std::move(*aggregators[0]).Report({})).value();
    EXPECT_EQ(aggregate.num_updates, kNumUpdates);
    ASSERT_EQ(aggregate.values, expected) << trial;
  }
}

}  // namespace
}  // namespace tern::aggregation
