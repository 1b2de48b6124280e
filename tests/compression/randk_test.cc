#include "compression/randk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/testing/status_matchers.h"

namespace tern::compression {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr RandomKey kKey = {.seed = 1, .round = 2, .client = 3};
constexpr int64_t kCounts[] = {1, 2, 100, 65535, 65536, 65537, 131072, 200000};
constexpr double kFractions[] = {1e-9, 1e-4, 0.01, 1.0 / 3.0, 0.5, 0.999, 1.0};

StageSpec RandK(double fraction, const std::string& option = "") {
  return {.name = "randk", .arguments = {fraction}, .option = option};
}

CodecContext ContextOf(int64_t count, const RandomKey& key = kKey) {
  return {.count = count, .tensor_sizes = {}, .mask = nullptr, .key = key};
}

std::vector<float> Ramp(int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) - 500.0f;
  return values;
}

std::vector<int32_t> Select(const StageSpec& spec, absl::Span<const float> values,
                            const RandomKey& key = kKey) {
  const CodecContext context = ContextOf(static_cast<int64_t>(values.size()), key);
  std::vector<int32_t> indices(static_cast<size_t>(RandKKept(spec, context).max));
  const auto kept = MakeRandKSparsifier(spec)->Select(values, context, {}, absl::MakeSpan(indices));
  EXPECT_THAT(kept, IsOk());
  EXPECT_EQ(*kept, static_cast<int64_t>(indices.size()));
  return indices;
}

std::vector<float> Gather(const StageSpec& spec, absl::Span<const float> values,
                          absl::Span<const int32_t> indices) {
  std::vector<float> kept(indices.size());
  MakeRandKSparsifier(spec)->Gather(values, ContextOf(static_cast<int64_t>(values.size())), indices,
                                    kept.data());
  return kept;
}

// All positions, `room` at a time, up to `stride` coordinates further each time.
std::vector<int32_t> ReadAll(const PositionReader& reader, int64_t count, size_t room,
                             int64_t stride) {
  std::vector<int32_t> positions;
  std::vector<int32_t> some(room);
  PositionState state;
  for (int64_t end = stride; end < count + stride; end += stride) {
    int64_t read;
    do {
      read = reader.Read(state, end, absl::MakeSpan(some));
      positions.insert(positions.end(), some.begin(), some.begin() + read);
      EXPECT_TRUE(read == 0 || some[static_cast<size_t>(read) - 1] < end);
    } while (read == static_cast<int64_t>(room));
  }
  return positions;
}

TEST(RandK, Kept_IsTheShareOfWhatWasSeenAndOneOfEachStratum) {
  for (const double fraction : kFractions) {
    for (const int64_t count : kCounts) {
      const KeptRange kept = RandKKept(RandK(fraction), ContextOf(count));
      EXPECT_EQ(kept.min, kept.max);
      const auto share = static_cast<int64_t>(std::ceil(fraction * static_cast<double>(count)));
      const int64_t strata = (count + kRandKStratum - 1) / kRandKStratum;
      EXPECT_GE(kept.min, std::max(share, strata));
      EXPECT_LE(kept.min, share + strata - 1);
      for (int64_t i = 0; i < strata; ++i) {
        const RandKStratum stratum(fraction, count, i);
        EXPECT_GE(stratum.kept, 1);
        EXPECT_LE(stratum.kept, stratum.end - stratum.begin);
      }
    }
  }
  EXPECT_EQ(RandKKept(RandK(0.01), ContextOf(200000)).min, 2000);
  EXPECT_EQ(RandKKept(RandK(1.0), ContextOf(200000)).min, 200000);
  EXPECT_EQ(RandKKept(RandK(0.5), ContextOf(0)).max, 0);
}

TEST(RandK, Select_IsTheSubsetOfEachStratum) {
  const std::vector<int32_t> indices = Select(RandK(0.1), Ramp(100000));
  std::vector<int32_t> expected(6554);
  DrawSubset(kKey, 0, 65536, absl::MakeSpan(expected));
  std::vector<int32_t> second(10000 - 6554);
  DrawSubset(kKey, 1, 100000 - 65536, absl::MakeSpan(second));
  for (const int32_t i : second) expected.push_back(i + 65536);
  EXPECT_EQ(indices, expected);
}

TEST(RandK, Reader_GivesTheSamePositionsInWhateverPieces) {
  for (const double fraction : kFractions) {
    for (const int64_t count : kCounts) {
      const std::vector<int32_t> indices = Select(RandK(fraction), Ramp(count));
      const auto reader = MakeRandKReader(RandK(fraction), ContextOf(count));
      EXPECT_THAT(reader->Check(), IsOk());
      EXPECT_EQ(ReadAll(*reader, count, 70000, 65536), indices);
      EXPECT_EQ(ReadAll(*reader, count, 4096, count), indices);
    }
  }
  const std::vector<int32_t> indices = Select(RandK(0.01), Ramp(100000));
  const auto reader = MakeRandKReader(RandK(0.01), ContextOf(100000));
  for (const size_t room : {1u, 7u, 64u}) {
    for (const int64_t stride : {1000, 65000, 100000}) {
      EXPECT_EQ(ReadAll(*reader, 100000, room, stride), indices) << room << " " << stride;
    }
  }
}

TEST(RandK, Reader_GoesOnFromACopyOfItsState) {
  const std::vector<int32_t> indices = Select(RandK(0.01), Ramp(200000));
  const auto reader = MakeRandKReader(RandK(0.01), ContextOf(200000));
  PositionState state;
  std::vector<int32_t> first(777);
  ASSERT_EQ(reader->Read(state, 200000, absl::MakeSpan(first)), 777);
  for (int repetition = 0; repetition < 2; ++repetition) {
    PositionState copy = state;
    std::vector<int32_t> rest(3000);
    const int64_t read = reader->Read(copy, 200000, absl::MakeSpan(rest));
    rest.resize(static_cast<size_t>(read));
    EXPECT_EQ(rest, std::vector<int32_t>(indices.begin() + 777, indices.end()));
    EXPECT_EQ(reader->Read(copy, 200000, absl::MakeSpan(first)), 0);
  }
}

TEST(RandK, SeedRoundAndClient_ChooseOtherCoordinates) {
  const std::vector<float> values = Ramp(1000);
  const std::vector<int32_t> indices = Select(RandK(0.1), values);
  EXPECT_NE(Select(RandK(0.1), values, {.seed = 9, .round = 2, .client = 3}), indices);
  EXPECT_NE(Select(RandK(0.1), values, {.seed = 1, .round = 9, .client = 3}), indices);
  EXPECT_NE(Select(RandK(0.1), values, {.seed = 1, .round = 2, .client = 9}), indices);
}

TEST(RandK, Gather_MultipliesByWhatEachStandsForIfUnbiased) {
  const std::vector<float> values = Ramp(100000);
  const std::vector<int32_t> indices = Select(RandK(0.3), values);
  const std::vector<float> plain = Gather(RandK(0.3), values, indices);
  const std::vector<float> scaled = Gather(RandK(0.3, "unbiased"), values, indices);
  for (size_t i = 0; i < indices.size(); ++i) {
    ASSERT_EQ(plain[i], values[static_cast<size_t>(indices[i])]);
    const RandKStratum stratum(0.3, 100000, indices[i] / kRandKStratum);
    ASSERT_EQ(scaled[i], plain[i] * (static_cast<float>(stratum.end - stratum.begin) /
                                     static_cast<float>(stratum.kept)));
  }
}

// Two strata, the second of 4 coordinates. Each coordinate is kept with probability k / n and then
// counts n / k: over T clients its mean deviates by sqrt((n / k - 1) / T) of it. 14 means
// within 5.5 deviations are a false alarm in 10^6 seeds.
TEST(RandK, UnbiasedMeanOverClients_IsTheUpdate) {
  constexpr int kClients = 2000;
  constexpr int64_t kCount = kRandKStratum + 4;
  const StageSpec spec = RandK(0.002, "unbiased");
  const std::vector<float> values(kCount, 1.0f);
  std::vector<double> sums(values.size());
  for (int client = 0; client < kClients; ++client) {
    const std::vector<int32_t> indices =
        Select(spec, values, {.seed = 3, .client = static_cast<uint64_t>(client)});
    const std::vector<float> kept = Gather(spec, values, indices);
    for (size_t i = 0; i < kept.size(); ++i) {
      sums[static_cast<size_t>(indices[i])] += double{kept[i]} / kClients;
    }
  }
  double first_stratum = 0.0;
  for (int64_t i = 0; i < kRandKStratum; ++i) first_stratum += sums[static_cast<size_t>(i)];
  EXPECT_NEAR(first_stratum / kRandKStratum, 1.0, 1e-4);
  for (int64_t i = 0; i < 10; ++i) {
    const double deviation = std::sqrt((65536.0 / 132.0 - 1.0) / kClients);
    EXPECT_NEAR(sums[static_cast<size_t>(i * 6553)], 1.0, 5.5 * deviation);
  }
  for (int64_t i = kRandKStratum; i < kCount; ++i) {
    EXPECT_NEAR(sums[static_cast<size_t>(i)], 1.0, 5.5 * std::sqrt(3.0 / kClients));
  }
}

TEST(RandK, ValueThatIsNotFiniteOrTooLarge_IsRefusedByItsIndex) {
  std::vector<int32_t> indices(1000);
  std::vector<float> values(70000);
  const CodecContext context = ContextOf(70000);
  const auto select = [&](const StageSpec& spec) {
    return MakeRandKSparsifier(spec)->Select(values, context, {}, absl::MakeSpan(indices));
  };
  values[69999] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(select(RandK(0.01)), StatusIs(kInvalid, "coordinate 69999 is inf"));
  values[69999] = std::numeric_limits<float>::max();
  EXPECT_THAT(select(RandK(0.01)), IsOk());
  EXPECT_THAT(select(RandK(0.01, "unbiased")), StatusIs(kInvalid, "coordinate 69999 is"));
  // Exactly what may be multiplied.
  const RandKStratum stratum(0.01, 70000, 1);
  values[69999] =
      std::numeric_limits<float>::max() /
      (static_cast<float>(stratum.end - stratum.begin) / static_cast<float>(stratum.kept));
  EXPECT_THAT(select(RandK(0.01, "unbiased")), IsOk());
  const int32_t last = 69999;
  EXPECT_TRUE(std::isfinite(Gather(RandK(0.01, "unbiased"), values, {&last, 1})[0]));
}

TEST(RandK, Arguments_AreChecked) {
  for (const double fraction : {1e-12, 0.01, 1.0}) {
    EXPECT_THAT(CheckRandKArguments(RandK(fraction)), IsEmpty());
    EXPECT_THAT(CheckRandKArguments(RandK(fraction, "unbiased")), IsEmpty());
  }
  for (const double fraction : {0.0, -0.1, 1.1, std::nan("")}) {
    EXPECT_THAT(CheckRandKArguments(RandK(fraction)), HasSubstr("expected above 0, at most 1"));
  }
  EXPECT_THAT(CheckRandKArguments(RandK(0.1, "mse")),
              HasSubstr("option is 'mse', expected unbiased"));
  EXPECT_THAT(CheckRandKArguments({.name = "randk", .arguments = {0.1, 2.0}, .option = {}}),
              HasSubstr("expected one: fraction"));
}

}  // namespace
}  // namespace tern::compression
