#include "core/data/partition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "tests/testing/fake_dataset.h"
#include "tests/testing/status_matchers.h"

namespace tern {
namespace {

using ::tern::testing::FakeDataset;
using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

// `per_class` examples of each class, one class after the other.
FakeDataset Labelled(int32_t num_classes, int64_t per_class) {
  std::vector<int32_t> labels;
  for (int32_t c = 0; c < num_classes; ++c) {
    labels.insert(labels.end(), static_cast<size_t>(per_class), c);
  }
  std::vector<float> inputs(labels.size(), 0.0f);
  return FakeDataset({1}, num_classes, std::move(inputs), std::move(labels));
}

std::vector<int64_t> Sizes(const Partition& partition) {
  std::vector<int64_t> sizes;
  for (int64_t i = 0; i < partition.num_clients(); ++i) {
    sizes.push_back(static_cast<int64_t>(partition.client(i).size()));
  }
  return sizes;
}

// counts[client][class].
std::vector<std::vector<int64_t>> ClassCounts(const Dataset& dataset, const Partition& partition) {
  std::vector<std::vector<int64_t>> counts;
  for (int64_t i = 0; i < partition.num_clients(); ++i) {
    counts.emplace_back(static_cast<size_t>(dataset.num_classes()), 0);
    for (const int32_t example : partition.client(i)) {
      ++counts.back()[static_cast<size_t>(dataset.label(example))];
    }
  }
  return counts;
}

int64_t NumHeld(const std::vector<int64_t>& counts) {
  return std::count_if(counts.begin(), counts.end(), [](int64_t count) { return count > 0; });
}

// 0 if every example belongs to exactly one client.
int64_t CountUnused(const Dataset& dataset, const Partition& partition) {
  const std::set<int32_t> used(partition.indices.begin(), partition.indices.end());
  EXPECT_EQ(used.size(), partition.indices.size()) << "an example belongs to two clients";
  EXPECT_TRUE(used.empty() || (*used.begin() >= 0 && *used.rbegin() < dataset.size()));
  EXPECT_EQ(partition.offsets.front(), 0);
  EXPECT_EQ(partition.offsets.back(), static_cast<int64_t>(partition.indices.size()));
  return dataset.size() - static_cast<int64_t>(used.size());
}

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
  EXPECT_THAT(PartitionIid(0, 1, 1), StatusIs(kInvalid, "cannot divide 0 examples"));
  EXPECT_THAT(PartitionIid(int64_t{1} << 31, 1, 1),
              StatusIs(kInvalid, "cannot divide 2147483648 examples"));
  EXPECT_THAT(PartitionIid(10, 0, 1), StatusIs(kInvalid, "num_clients is 0, expected 1 to"));
  EXPECT_THAT(PartitionIid(10, 11, 1),
              StatusIs(kInvalid, "num_clients is 11, expected 1 to the number of examples, 10"));
}

class MakePartitionOfKind : public ::testing::TestWithParam<PartitionOptions> {};

TEST_P(MakePartitionOfKind, EveryExampleHasOneOwner_AndEveryClientAnExample) {
  const FakeDataset dataset = Labelled(10, 103);
  for (const int64_t num_clients : {1, 7, 30}) {
    const auto partition = MakePartition(dataset, GetParam(), num_clients, 3);
    ASSERT_THAT(partition, IsOk());
    EXPECT_EQ(partition->num_clients(), num_clients);
    EXPECT_THAT(Sizes(*partition), Each(Ge(1)));
    // One client with two classes leaves the other eight to nobody.
    const bool all_held = GetParam().kind != "classes" || num_clients > 1;
    EXPECT_EQ(CountUnused(dataset, *partition), all_held ? 0 : 8 * 103);
  }
}

TEST_P(MakePartitionOfKind, SeedDecides) {
  const FakeDataset dataset = Labelled(10, 50);
  const auto first = MakePartition(dataset, GetParam(), 10, 1);
  const auto again = MakePartition(dataset, GetParam(), 10, 1);
  const auto other = MakePartition(dataset, GetParam(), 10, 2);
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(again, IsOk());
  ASSERT_THAT(other, IsOk());
  EXPECT_EQ(first->indices, again->indices);
  EXPECT_EQ(first->offsets, again->offsets);
  EXPECT_NE(first->indices, other->indices);
}

TEST_P(MakePartitionOfKind, MoreClientsThanExamples_IsInvalidArgument) {
  EXPECT_THAT(MakePartition(Labelled(2, 4), GetParam(), 9, 1),
              StatusIs(kInvalid, "num_clients is 9, expected 1 to the number of examples, 8"));
  EXPECT_THAT(MakePartition(Labelled(2, 4), GetParam(), 0, 1),
              StatusIs(kInvalid, "num_clients is 0, expected 1 to the number of examples, 8"));
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, MakePartitionOfKind,
    ::testing::Values(PartitionOptions{.kind = "iid"},
                      PartitionOptions{.kind = "dirichlet", .alpha = 1.0, .min_examples = 2},
                      PartitionOptions{.kind = "shards"}, PartitionOptions{.kind = "classes"},
                      PartitionOptions{.kind = "quantity"}),
    [](const auto& test) { return test.param.kind; });

TEST(MakePartition, Iid_IsPartitionIid) {
  const auto made = MakePartition(Labelled(4, 25), {.kind = "iid"}, 7, 5);
  const auto iid = PartitionIid(100, 7, 5);
  ASSERT_THAT(made, IsOk());
  ASSERT_THAT(iid, IsOk());
  EXPECT_EQ(made->indices, iid->indices);
  EXPECT_EQ(made->offsets, iid->offsets);
}

// The sum over clients of the square of a class's shares: 1 / clients if all hold the same, 1 if
// one holds all. Its expectation under Dirichlet(a) over n is (a + 1) / (n a + 1).
double MeanConcentration(double alpha, int64_t num_clients) {
  constexpr int kSeeds = 30;
  const FakeDataset dataset = Labelled(10, 500);
  double sum = 0.0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const auto partition = MakePartition(
        dataset, {.kind = "dirichlet", .alpha = alpha, .min_examples = 1}, num_clients, seed);
    EXPECT_THAT(partition, IsOk());
    if (!partition.ok()) return 0.0;
    for (const std::vector<int64_t>& counts : ClassCounts(dataset, *partition)) {
      for (const int64_t count : counts) sum += std::pow(static_cast<double>(count) / 500.0, 2);
    }
  }
  return sum / (kSeeds * 10.0);
}

// 300 classes each; one class's sum has a standard deviation below 0.17 for alpha 0.1 and below
// 0.001 for alpha 100. Six standard errors: less than one false alarm in 10^8 seeds. (Drawing again
// until nobody is empty shifts the expectation by much less than that.)
TEST(MakePartition, Dirichlet_ClassesAreAsConcentratedAsAlphaSays) {
  EXPECT_NEAR(MeanConcentration(0.1, 20), 1.1 / 3.0, 6 * 0.17 / std::sqrt(300.0));
  EXPECT_NEAR(MeanConcentration(100.0, 20), 101.0 / 2001.0, 6 * 0.001 / std::sqrt(300.0) + 1e-4);
}

TEST(MakePartition, Dirichlet_EveryClientHoldsMinExamples) {
  const FakeDataset dataset = Labelled(10, 100);
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const auto partition =
        MakePartition(dataset, {.kind = "dirichlet", .alpha = 0.5, .min_examples = 25}, 10, seed);
    ASSERT_THAT(partition, IsOk());
    EXPECT_THAT(Sizes(*partition), Each(Ge(25)));
  }
}

TEST(MakePartition, DirichletThatNoDrawGives_SaysWhatToChange) {
  EXPECT_THAT(
      MakePartition(Labelled(10, 100), {.kind = "dirichlet", .alpha = 0.01, .min_examples = 50}, 20,
                    1),
      StatusIs(kInvalid,
               "data.partition.alpha is 0.01: none of 100 draws gave each of 20 clients 50 of 1000 "
               "examples; the best left one with 0; raise alpha, or lower "
               "data.partition.min_examples or data.partition.num_clients"));
}

TEST(MakePartition, MoreThanAllExamplesAsMinimum_IsInvalidArgument) {
  for (const char* kind : {"dirichlet", "quantity"}) {
    EXPECT_THAT(
        MakePartition(Labelled(10, 10), {.kind = kind, .min_examples = 11}, 10, 1),
        StatusIs(kInvalid,
                 "data.partition.min_examples is 11, which 10 clients cannot each hold of 100 "
                 "examples; expected at most 10, or fewer num_clients"));
  }
}

TEST(MakePartition, Shards_ClientsHoldFewClassesAndEqualSizes) {
  const FakeDataset dataset = Labelled(10, 120);
  const auto partition = MakePartition(dataset, {.kind = "shards", .shards_per_client = 2}, 20, 1);
  ASSERT_THAT(partition, IsOk());
  EXPECT_THAT(Sizes(*partition), Each(60));
  // 40 shards of 30 examples cut 10 classes of 120: no shard holds two classes.
  for (const std::vector<int64_t>& counts : ClassCounts(dataset, *partition)) {
    EXPECT_LE(NumHeld(counts), 2);
  }
}

TEST(MakePartition, ShardsThatDoNotComeOut_DifferByOneExample) {
  const auto partition =
      MakePartition(Labelled(10, 11), {.kind = "shards", .shards_per_client = 3}, 7, 1);
  ASSERT_THAT(partition, IsOk());
  for (const int64_t size : Sizes(*partition)) {
    EXPECT_GE(size, 3 * 5);
    EXPECT_LE(size, 3 * 6);
  }
}

TEST(MakePartition, MoreShardsThanExamples_IsInvalidArgument) {
  EXPECT_THAT(
      MakePartition(Labelled(2, 10), {.kind = "shards", .shards_per_client = 3}, 7, 1),
      StatusIs(kInvalid,
               "data.partition.shards_per_client is 3, which makes 21 shards for 7 clients out of "
               "20 examples; expected at most 2, or fewer num_clients"));
}

TEST(MakePartition, Classes_EachClientHoldsSoManyAndEachClassAsManyClients) {
  const FakeDataset dataset = Labelled(10, 60);
  const auto partition =
      MakePartition(dataset, {.kind = "classes", .classes_per_client = 3}, 15, 1);
  ASSERT_THAT(partition, IsOk());
  const std::vector<std::vector<int64_t>> counts = ClassCounts(dataset, *partition);
  std::vector<int64_t> holders(10, 0);
  for (const std::vector<int64_t>& of_client : counts) {
    EXPECT_EQ(NumHeld(of_client), 3);
    for (size_t c = 0; c < 10; ++c) holders[c] += of_client[c] > 0 ? 1 : 0;
  }
  for (size_t c = 0; c < 10; ++c) {
    EXPECT_GE(holders[c], 4);  // 45 places for 10 classes
    EXPECT_LE(holders[c], 5);
    for (const std::vector<int64_t>& of_client : counts) {
      if (of_client[c] == 0) continue;
      EXPECT_GE(of_client[c], 60 / holders[c]);
      EXPECT_LE(of_client[c], 60 / holders[c] + 1);
    }
  }
}

TEST(MakePartition, ClassesWithoutExamples_AreNotDealt) {
  const FakeDataset dataset({1}, 10, {0, 0, 0, 0}, {7, 7, 9, 9});
  const auto partition = MakePartition(dataset, {.kind = "classes", .classes_per_client = 2}, 2, 1);
  ASSERT_THAT(partition, IsOk());
  EXPECT_THAT(Sizes(*partition), Each(2));
}

TEST(MakePartition, ImpossibleClasses_AreInvalidArgument) {
  EXPECT_THAT(MakePartition(Labelled(3, 10), {.kind = "classes", .classes_per_client = 4}, 2, 1),
              StatusIs(kInvalid,
                       "data.partition.classes_per_client is 4, but the examples are of 3 "
                       "classes; expected at most that"));
  EXPECT_THAT(MakePartition(Labelled(2, 4), {.kind = "classes", .classes_per_client = 2}, 5, 1),
              StatusIs(kInvalid,
                       "data.partition.classes_per_client is 2: 5 of 5 clients hold class 0, which "
                       "has only 4 examples; lower classes_per_client or "
                       "data.partition.num_clients"));
}

TEST(MakePartition, Quantity_SizesDifferWithAlphaAndLabelsDoNot) {
  const FakeDataset dataset = Labelled(2, 5000);
  const auto uneven =
      MakePartition(dataset, {.kind = "quantity", .alpha = 0.2, .min_examples = 100}, 20, 1);
  const auto even =
      MakePartition(dataset, {.kind = "quantity", .alpha = 1e5, .min_examples = 100}, 20, 1);
  ASSERT_THAT(uneven, IsOk());
  ASSERT_THAT(even, IsOk());
  EXPECT_THAT(Sizes(*uneven), Each(Ge(100)));
  const std::vector<int64_t> uneven_sizes = Sizes(*uneven);
  const std::vector<int64_t> even_sizes = Sizes(*even);
  EXPECT_GT(*std::max_element(uneven_sizes.begin(), uneven_sizes.end()), 1000);
  EXPECT_LT(*std::max_element(even_sizes.begin(), even_sizes.end()), 520);
  // Half of each client's examples are of class 0; six standard deviations.
  for (const std::vector<int64_t>& counts : ClassCounts(dataset, *uneven)) {
    const auto size = static_cast<double>(counts[0] + counts[1]);
    EXPECT_NEAR(static_cast<double>(counts[0]), size / 2, 6 * std::sqrt(size / 4));
  }
}

// A deployed client cuts its shard itself: these must never change.
TEST(MakePartition, Golden) {
  const FakeDataset dataset = Labelled(3, 4);
  const auto indices = [&dataset](const PartitionOptions& options) {
    const auto partition = MakePartition(dataset, options, 3, 1);
    EXPECT_THAT(partition, IsOk());
    return partition.ok() ? partition->indices : std::vector<int32_t>();
  };
  EXPECT_THAT(indices({.kind = "dirichlet", .min_examples = 1}),
              ElementsAre(0, 1, 3, 4, 5, 9, 10, 11, 2, 6, 7, 8));
  EXPECT_THAT(indices({.kind = "shards"}), ElementsAre(8, 9, 10, 11, 0, 1, 6, 7, 2, 3, 4, 5));
  EXPECT_THAT(indices({.kind = "classes"}), ElementsAre(4, 6, 10, 11, 0, 3, 8, 9, 1, 2, 5, 7));
  EXPECT_THAT(indices({.kind = "quantity", .min_examples = 1}),
              ElementsAre(0, 11, 1, 3, 4, 6, 7, 8, 9, 10, 2, 5));
}

struct BadOptions {
  PartitionOptions options;
  const char* message;
};

class ValidatePartitionOptionsErrors : public ::testing::TestWithParam<BadOptions> {};

TEST_P(ValidatePartitionOptionsErrors, NameTheField) {
  EXPECT_THAT(ValidatePartitionOptions(GetParam().options), StatusIs(kInvalid, GetParam().message));
  EXPECT_THAT(MakePartition(Labelled(2, 50), GetParam().options, 2, 1),
              StatusIs(kInvalid, GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Fields, ValidatePartitionOptionsErrors,
    ::testing::Values(
        BadOptions{
            {.kind = "zipf"},
            "data.partition.kind is 'zipf', expected one of iid, dirichlet, shards, classes, "
            "quantity"},
        BadOptions{{.kind = ""}, "data.partition.kind is ''"},
        BadOptions{{.alpha = 0.0}, "data.partition.alpha is 0, expected 0.0001 to 1e+06"},
        BadOptions{{.alpha = 1e7}, "data.partition.alpha is 1e+07, expected"},
        BadOptions{{.alpha = std::numeric_limits<double>::quiet_NaN()},
                   "data.partition.alpha is nan, expected"},
        BadOptions{{.min_examples = 0}, "data.partition.min_examples is 0, expected 1 to"},
        BadOptions{{.shards_per_client = -1},
                   "data.partition.shards_per_client is -1, expected 1 to 2147483647"},
        BadOptions{{.classes_per_client = int64_t{1} << 31},
                   "data.partition.classes_per_client is 2147483648, expected 1 to 2147483647"}));

TEST(PartitionOptions, ToString_IsTheKindAndWhatMattersToIt) {
  EXPECT_EQ(PartitionOptions{}.ToString(), "iid");
  EXPECT_EQ((PartitionOptions{.kind = "dirichlet", .alpha = 0.1}).ToString(), "dirichlet(0.1)");
  EXPECT_EQ((PartitionOptions{.kind = "shards", .shards_per_client = 3}).ToString(), "shards(3)");
  EXPECT_EQ((PartitionOptions{.kind = "classes", .classes_per_client = 1}).ToString(),
            "classes(1)");
  EXPECT_EQ((PartitionOptions{.kind = "quantity"}).ToString(), "quantity(0.5)");
}

}  // namespace
}  // namespace tern
