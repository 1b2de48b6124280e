#include "compression/mapped_sink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <utility>
#include <vector>

#include "compression/dense_sinks.h"

namespace tern::compression {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

// Full coordinates 2 3 4, 7, 10 11.
CoordinateSet SmallSet() { return {.runs = {{2, 3}, {7, 1}, {10, 2}}, .size = 6, .full_size = 13}; }

// Remembers what it got.
class RecordingSink final : public compression::UpdateSink {
 public:
  void Add(int64_t offset, absl::Span<const float> values) override {
    blocks.emplace_back(offset, std::vector<float>(values.begin(), values.end()));
  }
  void AddSparse(absl::Span<const int32_t> indices, absl::Span<const float> values) override {
    for (size_t i = 0; i < indices.size(); ++i) sparse.emplace_back(indices[i], values[i]);
  }

  std::vector<std::pair<int64_t, std::vector<float>>> blocks;
  std::vector<std::pair<int32_t, float>> sparse;
};

TEST(MappedSink, Add_SplitsABlockOverTheRuns) {
  const CoordinateSet set = SmallSet();
  RecordingSink full;
  MappedSink sink(set, full);
  sink.Add(0, {0.0f, 1.0f, 2.0f, 3.0f, 4.0f, 5.0f});
  EXPECT_THAT(full.blocks,
              ElementsAre(Pair(2, ElementsAre(0.0f, 1.0f, 2.0f)), Pair(7, ElementsAre(3.0f)),
                          Pair(10, ElementsAre(4.0f, 5.0f))));
}

TEST(MappedSink, BlocksOfAnySize_ReachTheSameCoordinates) {
  const CoordinateSet set = SmallSet();
  const std::vector<float> values = {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f};
  for (size_t block = 1; block <= values.size(); ++block) {
    std::vector<float> got(13, 0.0f);
    compression::DenseSink full(absl::MakeSpan(got));
    MappedSink sink(set, full);
    for (size_t i = 0; i < values.size(); i += block) {
      sink.Add(static_cast<int64_t>(i), absl::MakeSpan(values).subspan(i, block));
    }
    EXPECT_THAT(got, ElementsAre(0, 0, 1, 2, 3, 0, 0, 4, 0, 0, 5, 6, 0)) << block;
  }
}

TEST(MappedSink, BlocksThatGoBack_ReachTheirCoordinates) {
  const CoordinateSet set = SmallSet();
  RecordingSink full;
  MappedSink sink(set, full);
  sink.Add(5, {5.0f});
  sink.Add(0, {0.0f});
  sink.AddSparse({4, 1}, {4.0f, 1.0f});
  EXPECT_THAT(full.blocks, ElementsAre(Pair(11, ElementsAre(5.0f)), Pair(2, ElementsAre(0.0f))));
  EXPECT_THAT(full.sparse, ElementsAre(Pair(10, 4.0f), Pair(3, 1.0f)));
}

TEST(MappedSink, AddSparse_TranslatesIndices) {
  const CoordinateSet set = SmallSet();
  RecordingSink full;
  MappedSink sink(set, full);
  sink.AddSparse({0, 2, 3}, {1.0f, 2.0f, 3.0f});
  sink.AddSparse({}, {});
  sink.AddSparse({5}, {4.0f});
  EXPECT_THAT(full.sparse,
              ElementsAre(Pair(2, 1.0f), Pair(4, 2.0f), Pair(7, 3.0f), Pair(11, 4.0f)));
}

// More indices than are handed on at a time: every other coordinate of the full vector.
TEST(MappedSink, AddSparse_OfManyIndices_HandsOnAll) {
  constexpr int64_t kSize = 5000;
  CoordinateSet set = {.size = kSize, .full_size = 2 * kSize};
  for (int64_t i = 0; i < kSize; ++i) set.runs.push_back({2 * i, 1});
  std::vector<int32_t> indices(kSize);
  std::iota(indices.begin(), indices.end(), 0);
  const std::vector<float> values(indices.begin(), indices.end());
  RecordingSink full;
  MappedSink(set, full).AddSparse(indices, values);
  ASSERT_EQ(full.sparse.size(), indices.size());
  for (size_t i = 0; i < indices.size(); ++i) {
    ASSERT_EQ(full.sparse[i], std::make_pair(2 * indices[i], values[i]));
  }
}

TEST(MappedSinkDeathTest, CoordinatesOutsideTheSet_AreABugOfTheCaller) {
  const CoordinateSet set = SmallSet();
  RecordingSink full;
  MappedSink sink(set, full);
  EXPECT_DEATH(sink.Add(5, {1.0f, 2.0f}), "check failed");
  EXPECT_DEATH(sink.Add(-1, {1.0f}), "check failed");
  EXPECT_DEATH(sink.AddSparse({6}, {1.0f}), "check failed");
  EXPECT_DEATH(sink.AddSparse({-1}, {1.0f}), "check failed");
}

}  // namespace
}  // namespace tern::compression
