#include "core/data/partition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "tests/testing/status_matchers.h"

namespace tern {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::ElementsAre;

TEST(PartitionIid, EveryExampleGoesToOneClient_SizesDifferByOneAtMost) {
  for (const auto& [num_examples, num_clients] :
       std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {10, 3}, {60000, 7}, {100, 100}}) {
    const auto partition = PartitionIid(num_examples, num_clients, 1);
    ASSERT_THAT(partition, IsOk());
    ASSERT_EQ(partition->num_clients(), num_clients);
    std::vector<int32_t> all;
    for (int64_t i = 0; i < num_clients; ++i) {
      const absl::Span<const int32_t> shard = partition->client(i);
      EXPECT_EQ(static_cast<int64_t>(shard.size()),
                num_examples / num_clients + (i < num_examples % num_clients ? 1 : 0));
      all.insert(all.end(), shard.begin(), shard.end());
    }
    std::sort(all.begin(), all.end());
    std::vector<int32_t> expected(static_cast<size_t>(num_examples));
    std::iota(expected.begin(), expected.end(), 0);
    EXPECT_EQ(all, expected);
  }
}

// A deployed client cuts its shard itself: these must never change. Computed by an independent
// program.
TEST(PartitionIid, Golden) {
  const auto partition = PartitionIid(10, 3, 1);
  ASSERT_THAT(partition, IsOk());
  EXPECT_THAT(partition->indices, ElementsAre(3, 9, 0, 5, 2, 4, 7, 8, 6, 1));
  EXPECT_THAT(partition->offsets, ElementsAre(0, 4, 7, 10));
}

TEST(PartitionIid, AnotherSeed_CutsOtherShards) {
  EXPECT_NE(PartitionIid(1000, 10, 1)->indices, PartitionIid(1000, 10, 2)->indices);
  EXPECT_EQ(PartitionIid(1000, 10, 2)->indices, PartitionIid(1000, 10, 2)->indices);
}

// The same examples in the same order however many clients share them: only the cuts move.
TEST(PartitionIid, NumberOfClients_MovesOnlyTheCuts) {
  EXPECT_EQ(PartitionIid(1000, 10, 1)->indices, PartitionIid(1000, 20, 1)->indices);
}

TEST(PartitionIid, SizesOutOfRange_AreInvalidArgument) {
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(PartitionIid(0, 1, 1), StatusIs(kInvalid, "cannot divide 0 examples"));
  EXPECT_THAT(PartitionIid(int64_t{1} << 31, 1, 1),
              StatusIs(kInvalid, "cannot divide 2147483648 examples"));
  EXPECT_THAT(PartitionIid(10, 0, 1), StatusIs(kInvalid, "num_clients is 0, expected 1 to"));
  EXPECT_THAT(PartitionIid(10, 11, 1),
              StatusIs(kInvalid, "num_clients is 11, expected 1 to the number of examples, 10"));
}

}  // namespace
}  // namespace tern
