#include "aggregation/mean.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "aggregation/weighted_sums.h"
#include "compression/dense_sinks.h"
#include "core/base/random.h"
#include "tests/testing/status_matchers.h"

namespace tern::aggregation {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::ElementsAre;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

int MeanFractionBits(float max_update_abs, int64_t max_total_weight) {
  return FractionBits(
             {.count = 1, .max_update_abs = max_update_abs, .max_total_weight = max_total_weight})
      .value();
}

struct Update {
  std::string payload;
  int64_t weight;
};

class MeanTest : public ::testing::Test {
 protected:
  std::unique_ptr<Aggregator> Make(const AggregatorLimits& limits) const {
    return MakeAggregator({.name = "mean"}, limits).value();
  }

  // Codec `none`, so that the values are what the aggregator gets.
  Update MakeUpdate(absl::Span<const float> values, int64_t weight) const {
    Update update{.weight = weight};
    ByteWriter writer(&update.payload);
    writer.WriteFloats(values);
    return update;
  }

  void Accumulate(Aggregator& aggregator, const Update& update) const {
    const compression::CodecContext context{
        .count = static_cast<int64_t>(update.payload.size() / sizeof(float))};
    aggregator.Accumulate({.decoder = *decoder_, .payload = update.payload, .context = context},
                          {.weight = update.weight}, nullptr);
  }

  // Updates of `count` coordinates up to `max_abs`, with weights from 1 to `max_weight`.
  std::vector<Update> RandomUpdates(int num_updates, int64_t count, float max_abs,
                                    uint32_t max_weight) const {
    RandomStream random({.seed = 60});
    std::vector<Update> updates;
    for (int i = 0; i < num_updates; ++i) {
      std::vector<float> values(static_cast<size_t>(count));
      for (float& value : values) {
        value = std::ldexp(max_abs * (2.0f * random.NextFloat() - 1.0f),
                           -static_cast<int>(random.Below(30)));
      }
      updates.push_back(MakeUpdate(values, 1 + random.Below(max_weight)));
    }
    return updates;
  }

  std::vector<float> Report(std::unique_ptr<Aggregator> aggregator) const {
    return (std::move(*aggregator).Report({})).value().values;
  }

  std::unique_ptr<compression::Decoder> decoder_ =
      compression::MakeDecoder(compression::ParseCodec("none").value());
};

TEST_F(MeanTest, Report_IsTheWeightedMean) {
  auto aggregator = Make({.count = 3, .max_total_weight = 4});
  Accumulate(*aggregator, MakeUpdate({1.0f, -2.0f, 0.0f}, 1));
  Accumulate(*aggregator, MakeUpdate({2.0f, 2.0f, 0.5f}, 3));
  const Aggregate aggregate = (std::move(*aggregator).Report({})).value();
  EXPECT_EQ(aggregate.num_updates, 2);
  EXPECT_THAT(aggregate.values, ElementsAre(1.75f, 1.0f, 0.375f));
  EXPECT_EQ(aggregate.mean_squared_norm, 0.0);
}

TEST_F(MeanTest, OneUpdate_ComesBackAsItIs) {
  const std::vector<float> values = {0.1f, -15.7f, 3e-5f, 16.0f, -16.0f};
  auto aggregator = Make({.count = 5, .max_total_weight = 1000});
  Accumulate(*aggregator, MakeUpdate(values, 600));
  const std::vector<float> mean = Report(std::move(aggregator));
  for (size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(mean[i], values[i], 0x1p-41);
}

TEST_F(MeanTest, Report_WithoutUpdates_IsFailedPrecondition) {
  auto aggregator = Make({.count = 3, .max_total_weight = 4});
  EXPECT_THAT(std::move(*aggregator).Report({}),
              StatusIs(absl::StatusCode::kFailedPrecondition, "no update was accumulated"));
}

TEST_F(MeanTest, Report_ClearsTheAggregator) {
  auto aggregator = Make({.count = 1, .max_total_weight = 4});
  for (const float value : {1.0f, 3.0f}) {
    Accumulate(*aggregator, MakeUpdate({value}, 4));
    const Aggregate aggregate = std::move(*aggregator).Report({}).value();
    EXPECT_THAT(aggregate.values, ElementsAre(value));
    EXPECT_EQ(aggregate.num_updates, 1);
  }
}

TEST_F(MeanTest, Merge_TakesOverAndEmptiesTheOther) {
  const AggregatorLimits limits = {.count = 1, .max_total_weight = 4};
  auto first = Make(limits);
  auto second = Make(limits);
  Accumulate(*second, MakeUpdate({2.0f}, 2));
  first->Merge(std::move(*second));
  first->Merge(std::move(*Make(limits)));
  EXPECT_THAT(Report(std::move(first)), ElementsAre(2.0f));
  EXPECT_THAT(std::move(*second).Report({}),
              StatusIs(absl::StatusCode::kFailedPrecondition, "mean: no update"));
}

// Against a mean in 64-bit significands: each value is off by 2^-(S+1) at most, and so is their
// mean, before it is rounded to a float.
TEST_F(MeanTest, Report_EqualsThePreciseMeanToTheFraction) {
  constexpr int64_t kCount = 500;
  for (const uint32_t max_weight : {1u, 1000u, 1u << 30}) {
    const AggregatorLimits limits = {.count = kCount,
                                     .max_total_weight = int64_t{100} * max_weight};
    const int fraction_bits = MeanFractionBits(16.0f, limits.max_total_weight);
    const std::vector<Update> updates = RandomUpdates(100, kCount, 16.0f, max_weight);
    auto aggregator = Make(limits);
    std::vector<long double> sums(kCount, 0.0L);
    long double total_weight = 0.0L;
    for (const Update& update : updates) {
      Accumulate(*aggregator, update);
      std::vector<float> values(kCount);
      compression::DenseSink sink(absl::MakeSpan(values));
      decoder_->DecodeInto(update.payload, {.count = kCount}, sink);
      for (size_t i = 0; i < values.size(); ++i) {
        sums[i] += static_cast<long double>(update.weight) * values[i];
      }
      total_weight += static_cast<long double>(update.weight);
    }
    const std::vector<float> mean = Report(std::move(aggregator));
    for (size_t i = 0; i < mean.size(); ++i) {
      const auto precise = static_cast<double>(sums[i] / total_weight);
      const double to_float = std::abs(precise) * 0x1p-23;
      ASSERT_NEAR(mean[i], precise, std::ldexp(1.0, -fraction_bits - 1) + to_float);
    }
  }
}

// Rounding to the fraction is to the nearest, ties to even: S is 20 under these limits.
TEST_F(MeanTest, EachValue_IsRoundedOnceToTheNearestMultiple) {
  const AggregatorLimits limits = {.count = 6, .max_total_weight = (int64_t{1} << 38) - 1};
  ASSERT_EQ(MeanFractionBits(16.0f, limits.max_total_weight), 20);
  const float unit = 0x1p-20f;
  auto aggregator = Make(limits);
  Accumulate(*aggregator, MakeUpdate({0.5f * unit, 1.5f * unit, 2.5f * unit, -0.5f * unit,
                                      -1.5f * unit, 0.51f * unit},
                                     1));
  EXPECT_THAT(Report(std::move(aggregator)),
              ElementsAre(0.0f, 2 * unit, 2 * unit, 0.0f, -2 * unit, unit));
}

// The largest magnitude at the largest total weight, with limits that use every bit.
TEST_F(MeanTest, ExtremesAtTheLimits_DoNotOverflow) {
  for (const float max_abs : {1.0f, 15.0f, 15.5f, 16.0f, 31.0f, 1e-3f, 1000.0f, 0x1.fffffep30f}) {
    const auto value_bits =
        static_cast<int>(std::bit_width(static_cast<uint64_t>(std::ceil(max_abs))));
    for (const int64_t max_total_weight :
         {int64_t{1}, int64_t{3}, (int64_t{1} << (43 - value_bits)) - 1}) {
      if (max_total_weight < 1) continue;
      auto aggregator =
          Make({.count = 2, .max_update_abs = max_abs, .max_total_weight = max_total_weight});
      const int64_t half = max_total_weight / 2;
      if (half > 0) Accumulate(*aggregator, MakeUpdate({max_abs, -max_abs}, half));
      Accumulate(*aggregator, MakeUpdate({max_abs, -max_abs}, max_total_weight - half));
      const std::vector<float> mean = Report(std::move(aggregator));
      const float tolerance = std::max(0x1p-20f, max_abs * 0x1p-22f);
      EXPECT_NEAR(mean[0], max_abs, tolerance) << max_total_weight;
      EXPECT_EQ(mean[1], -mean[0]);
    }
  }
}

std::vector<float> SmallUpdate(int64_t count, uint64_t seed) {
  RandomStream random({.seed = seed});
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = random.NextFloat() - 0.5f;
  return values;
}

// One update under a codec: how an aggregator takes it, and what it decodes to.
struct Encoded {
  Encoded(absl::string_view text, absl::Span<const float> values, uint64_t client)
      : decoder(compression::MakeDecoder(compression::ParseCodec(text).value())),
        context{.count = static_cast<int64_t>(values.size()),
                .tensor_sizes = {},
                .mask = nullptr,
                .key = {.seed = 3, .round = 4, .client = client}},
        decoded(values.size()) {
    const auto encoder = compression::MakeEncoder(compression::ParseCodec(text).value());
    std::string scratch(static_cast<size_t>(encoder->ScratchBytes(context)), '\0');
    ByteWriter writer(&payload);
    EXPECT_THAT(encoder->Encode(values, context, absl::MakeSpan(scratch), writer), IsOk());
    compression::DenseSink sink(absl::MakeSpan(decoded));
    decoder->DecodeInto(payload, context, sink);
  }
  EncodedUpdate View() const {
    return {.decoder = *decoder, .payload = payload, .context = context};
  }
  std::string payload;
  std::unique_ptr<compression::Decoder> decoder;
  compression::CodecContext context;
  std::vector<float> decoded;
};

TEST_F(MeanTest, QuantizedUpdates_AreAggregatedAsTheyDecode) {
  const Encoded update("quantize(8)", SmallUpdate(1000, 62), 1);
  auto aggregator = Make({.count = 1000, .max_total_weight = 100});
  aggregator->Accumulate(update.View(), {.weight = 100}, nullptr);
  const std::vector<float> mean = Report(std::move(aggregator));
  for (size_t i = 0; i < mean.size(); ++i) ASSERT_NEAR(mean[i], update.decoded[i], 0x1p-41);
}

TEST_F(MeanTest, RotatedUpdates_AreSummedBeforeTheInverseWithTheSameMean) {
  for (const int64_t count : {1, 100, 4096, 10000}) {
    const AggregatorLimits limits{.count = count, .max_total_weight = 1000};
    auto aggregator = Make(limits);
    std::vector<double> sum(static_cast<size_t>(count));
    for (uint64_t client = 0; client < 5; ++client) {
      // One of them does not rotate.
      const Encoded update(client == 3 ? "quantize(8)" : "rotate|eden(2)",
                           SmallUpdate(count, client), client);
      aggregator->Accumulate(update.View(), {.weight = 10}, nullptr);
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += 0.2 * update.decoded[i];
    }
    const std::vector<float> mean = Report(std::move(aggregator));
    for (size_t i = 0; i < mean.size(); ++i) ASSERT_NEAR(mean[i], sum[i], 1e-5);
  }
}

TEST_F(MeanTest, RotatedUpdatesInAnyOrderAndAnySplit_GiveTheSameBits) {
  constexpr int64_t kCount = 5000;
  const AggregatorLimits limits{.count = kCount, .max_total_weight = 1000};
  std::vector<Encoded> updates;
  for (uint64_t client = 0; client < 6; ++client) {
    updates.emplace_back(client % 3 == 2 ? "none" : "rotate|eden(1)", SmallUpdate(kCount, client),
                         client);
  }
  auto forward = Make(limits);
  for (const Encoded& update : updates) forward->Accumulate(update.View(), {.weight = 7}, nullptr);
  auto first = Make(limits);
  auto second = Make(limits);
  for (size_t i = updates.size(); i > 0; --i) {
    (i % 2 == 0 ? first : second)->Accumulate(updates[i - 1].View(), {.weight = 7}, nullptr);
  }
  first->Merge(std::move(*second));
  EXPECT_EQ(Report(std::move(first)), Report(std::move(forward)));
}

TEST(FractionBits, UseWhatTheLimitsLeave) {
  const auto bits = MeanFractionBits;
  EXPECT_EQ(bits(16.0f, 1), 40);                       // never more
  EXPECT_EQ(bits(16.0f, (int64_t{1} << 18) - 1), 40);  // 5 + 40 + 18 = 63
  EXPECT_EQ(bits(16.0f, int64_t{1} << 18), 39);        // 5 + 39 + 19 = 63
  EXPECT_EQ(bits(15.0f, int64_t{1} << 18), 40);        // 4 + 40 + 19 = 63
  EXPECT_EQ(bits(15.5f, int64_t{1} << 18), 39);        // as 16
  EXPECT_EQ(bits(4096.0f, 1), 38);                     // 13 + 38 = 51
  EXPECT_EQ(bits(0x1.fffffep30f, 1), 20);              // 31 + 20 = 51
}

TEST(MakeAggregator, LimitsAtTheBoundary_AreAcceptedAndBeyondItRefused) {
  const auto make = [](float max_abs, int64_t weight) {
    return MakeAggregator({.name = "mean"},
                          {.count = 1, .max_update_abs = max_abs, .max_total_weight = weight});
  };
  EXPECT_THAT(make(16.0f, (int64_t{1} << 38) - 1), IsOk());
  EXPECT_THAT(make(16.0f, int64_t{1} << 38),
              StatusIs(kInvalid,
                       "max_update_abs 16 needs 5 bits, max_total_weight 274877906944 needs 39 "
                       "bits, leaving 19 of 63 for the fraction, expected at least 20; lower "
                       "round.cohort_size, "));
  EXPECT_THAT(make(16.0f, std::numeric_limits<int64_t>::max()),
              StatusIs(kInvalid, "needs 63 bits, leaving -5 of 63"));
  EXPECT_THAT(make(0x1.fffffep30f, 1), IsOk());
  EXPECT_THAT(make(0x1p31f, 1),
              StatusIs(kInvalid,
                       "max_update_abs 2.14748e+09 needs 32 bits, leaving 19 of 51 for the "
                       "fraction, expected at least 20; lower max_update_abs"));
  EXPECT_THAT(make(std::numeric_limits<float>::max(), 1), StatusIs(kInvalid, "needs 128 bits"));
}

TEST(MakeAggregator, LimitsThatMakeNoSense_AreInvalidArgument) {
  const auto make = [](int64_t count, float max_abs, int64_t weight) {
    return MakeAggregator({.name = "mean"},
                          {.count = count, .max_update_abs = max_abs, .max_total_weight = weight});
  };
  EXPECT_THAT(make(0, 16.0f, 1), StatusIs(kInvalid, "count is 0, expected 1 to"));
  EXPECT_THAT(make(int64_t{1} << 40, 16.0f, 1), StatusIs(kInvalid, "count is 1099511627776"));
  EXPECT_THAT(make(1, 0.0f, 1), StatusIs(kInvalid, "max_update_abs is 0, expected finite and > 0"));
  EXPECT_THAT(make(1, -1.0f, 1), StatusIs(kInvalid, "max_update_abs is -1"));
  EXPECT_THAT(make(1, std::nanf(""), 1), StatusIs(kInvalid, "max_update_abs is nan"));
  EXPECT_THAT(make(1, std::numeric_limits<float>::infinity(), 1),
              StatusIs(kInvalid, "max_update_abs is inf"));
  EXPECT_THAT(make(1, 16.0f, 0), StatusIs(kInvalid, "max_total_weight is 0, expected at least 1"));
  EXPECT_THAT(MakeAggregator({}, {.count = 1, .max_total_weight = 1, .max_updates = 0}),
              StatusIs(kInvalid, "max_updates is 0, expected at least 1"));
}

TEST(MakeAggregator, UnknownName_ListsTheNames) {
  EXPECT_THAT(MakeAggregator({.name = "mode"}, {.count = 1, .max_total_weight = 1}),
              StatusIs(kInvalid,
                       "no aggregator 'mode'; there are mean, norm_clip, fednova, qfedavg, median, "
                       "trimmed_mean, krum, multi_krum, bulyan, geometric_median, centered_clip, "
                       "fltrust"));
}

using MeanDeathTest = MeanTest;

TEST_F(MeanDeathTest, MoreWeightThanTheLimit_IsABugOfTheCaller) {
  const AggregatorLimits limits = {.count = 1, .max_total_weight = 4};
  auto aggregator = Make(limits);
  Accumulate(*aggregator, MakeUpdate({1.0f}, 3));
  EXPECT_DEATH(Accumulate(*aggregator, MakeUpdate({1.0f}, 2)), "check failed");
  EXPECT_DEATH(Accumulate(*aggregator, MakeUpdate({1.0f}, 0)), "check failed");
  auto other = Make(limits);
  Accumulate(*other, MakeUpdate({1.0f}, 2));
  EXPECT_DEATH(aggregator->Merge(std::move(*other)), "check failed");
}

TEST_F(MeanDeathTest, MergeWithOtherLimitsOrItself_IsABugOfTheCaller) {
  auto aggregator = Make({.count = 1, .max_total_weight = 4});
  EXPECT_DEATH(aggregator->Merge(std::move(*Make({.count = 2, .max_total_weight = 4}))),
               "check failed");
  EXPECT_DEATH(aggregator->Merge(std::move(*Make({.count = 1, .max_total_weight = 5}))),
               "check failed");
  EXPECT_DEATH(aggregator->Merge(std::move(*aggregator)), "check failed");
}

}  // namespace
}  // namespace tern::aggregation
