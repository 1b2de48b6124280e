#include "core/data/sources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <numeric>

#include "tests/core/data/idx_files.h"
#include "tests/testing/status_matchers.h"

namespace tern {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::ElementsAre;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kNotFound = absl::StatusCode::kNotFound;

TEST(LoadDataset, PathWithPlainAndGzipFiles_TakesEither) {
  const testing::TemporaryDirectory directory;
  WriteFile(directory, "train-images-idx3-ubyte", IdxImages(2, 28, 28));
  WriteFile(directory, "train-labels-idx1-ubyte.gz", Gzip(IdxLabels({4, 5})));
  const DataSource source{.path = directory.path()};
  const auto train = LoadDataset(source, Split::kTrain);
  ASSERT_THAT(train, IsOk());
  EXPECT_EQ((*train)->size(), 2);
  EXPECT_THAT(LoadDataset(source, Split::kTest),
              StatusIs(kNotFound,
                       "data set 'fashion_mnist': no file t10k-images-idx3-ubyte or "
                       "t10k-images-idx3-ubyte.gz in "));
}

TEST(LoadDataset, NoFiles_SaysWhichPackageBringsThem) {
  EXPECT_THAT(LoadDataset({.path = "/nonexistent"}, Split::kTrain),
              StatusIs(kNotFound,
                       "in /nonexistent; install the package dataset-fashion-mnist or "
                       "set path to the directory"));
}

TEST(LoadDataset, UnknownName_ListsTheNames) {
  EXPECT_THAT(LoadDataset({.name = "mnist"}, Split::kTrain),
              StatusIs(kNotFound, "no data set 'mnist'; there are fashion_mnist"));
}

TEST(LoadDataset, BrokenFiles_AreTheReadersError) {
  const testing::TemporaryDirectory directory;
  WriteFile(directory, "t10k-images-idx3-ubyte", "nothing like it");
  WriteFile(directory, "t10k-labels-idx1-ubyte", IdxLabels({1}));
  EXPECT_THAT(LoadDataset({.path = directory.path()}, Split::kTest),
              StatusIs(kInvalid, "t10k-images-idx3-ubyte: magic is 0x6e6f7468"));
}

// The test split of the distribution's package: 10,000 examples, 1000 of each class.
TEST(LoadDataset, FashionMnistPackage_IsTheKnownDataSet) {
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist")) {
    GTEST_SKIP() << "needs the package dataset-fashion-mnist";
  }
  const auto test = LoadDataset({}, Split::kTest);
  ASSERT_THAT(test, IsOk());
  EXPECT_EQ((*test)->size(), 10000);
  EXPECT_EQ((*test)->num_classes(), 10);
  EXPECT_THAT((*test)->example_shape(), ElementsAre(1, 28, 28));
  std::vector<int32_t> indices(10000);
  std::iota(indices.begin(), indices.end(), 0);
  std::vector<float> inputs(indices.size() * 784);
  std::vector<int32_t> labels(indices.size());
  (*test)->Gather(indices, absl::MakeSpan(inputs), absl::MakeSpan(labels));
  std::vector<int> counts(10, 0);
  for (const int32_t label : labels) ++counts[static_cast<size_t>(label)];
  EXPECT_THAT(counts, ::testing::Each(1000));
  EXPECT_THAT(absl::MakeConstSpan(labels).first(8), ElementsAre(9, 2, 1, 1, 6, 1, 4, 6));
  double mean = 0.0;
  for (const float input : inputs) mean += input;
  EXPECT_NEAR(mean / static_cast<double>(inputs.size()), 0.2868, 1e-4);
}

TEST(ParseShardSpec, NameAlone_IsTheWholeDataSet) {
  const auto spec = ParseShardSpec("fashion_mnist");
  ASSERT_THAT(spec, IsOk());
  EXPECT_EQ(spec->source.name, "fashion_mnist");
  EXPECT_EQ(spec->source.path, "");
  EXPECT_EQ(spec->shard, 0);
  EXPECT_EQ(spec->num_shards, 1);
  EXPECT_EQ(spec->seed, 1u);
  EXPECT_EQ(spec->partition.ToString(), "iid");
}

TEST(ParseShardSpec, AllKeysInAnyOrder) {
  const auto spec =
      ParseShardSpec("fashion_mnist:seed=18446744073709551615,path=/data:1=a/b,shard=3/10");
  ASSERT_THAT(spec, IsOk());
  EXPECT_EQ(spec->source.path, "/data:1=a/b");
  EXPECT_EQ(spec->shard, 3);
  EXPECT_EQ(spec->num_shards, 10);
  EXPECT_EQ(spec->seed, std::numeric_limits<uint64_t>::max());
}

TEST(ParseShardSpec, Partition_HasTheNumbersOfItsKind) {
  const auto dirichlet =
      ParseShardSpec("fashion_mnist:shard=1/8,partition=dirichlet,alpha=0.25,min_examples=3");
  ASSERT_THAT(dirichlet, IsOk());
  EXPECT_EQ(dirichlet->partition.kind, "dirichlet");
  EXPECT_EQ(dirichlet->partition.alpha, 0.25);
  EXPECT_EQ(dirichlet->partition.min_examples, 3);
  const auto shards = ParseShardSpec("fashion_mnist:partition=shards,shards_per_client=4");
  ASSERT_THAT(shards, IsOk());
  EXPECT_EQ(shards->partition.ToString(), "shards(4)");
  const auto classes = ParseShardSpec("fashion_mnist:partition=classes,classes_per_client=1");
  ASSERT_THAT(classes, IsOk());
  EXPECT_EQ(classes->partition.ToString(), "classes(1)");
}

struct BadSpec {
  const char* text;
  const char* message;
};

class ParseShardSpecErrors : public ::testing::TestWithParam<BadSpec> {};

TEST_P(ParseShardSpecErrors, AreInvalidArgumentAndNameTheKey) {
  EXPECT_THAT(ParseShardSpec(GetParam().text), StatusIs(kInvalid, GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Specs, ParseShardSpecErrors,
    ::testing::Values(
        BadSpec{"", "data: no data set ''; there are fashion_mnist"},
        BadSpec{"mnist:shard=1/2", "data: no data set 'mnist'; there are fashion_mnist"},
        BadSpec{"fashion_mnist:",
                "data: '' is not key=value, with a key of path, shard, seed, partition,"},
        BadSpec{"fashion_mnist:shard", "data: 'shard' is not key=value"},
        BadSpec{"fashion_mnist:shards=1/2",
                "unknown key 'shards', expected one of path, shard, seed, partition, alpha, "
                "min_examples, shards_per_client, classes_per_client"},
        BadSpec{"fashion_mnist:shard=10/10", "shard is '10/10', expected I/N with 0 <= I < N"},
        BadSpec{"fashion_mnist:shard=-1/10", "shard is '-1/10', expected I/N"},
        BadSpec{"fashion_mnist:shard=1", "shard is '1', expected I/N"},
        BadSpec{"fashion_mnist:shard=1/", "shard is '1/', expected I/N"},
        BadSpec{"fashion_mnist:shard=1/2/3", "shard is '1/2/3', expected I/N"},
        BadSpec{"fashion_mnist:shard=0/2147483648", "N <= 2147483647, such as 3/10"},
        BadSpec{"fashion_mnist:shard=0/99999999999999999999", "expected I/N"},
        BadSpec{"fashion_mnist:seed=-1", "seed is '-1', expected an integer from 0 to 2^64 - 1"},
        BadSpec{"fashion_mnist:seed=", "seed is '', expected an integer"},
        BadSpec{"fashion_mnist:partition=", "partition is '', expected a kind of partition"},
        BadSpec{"fashion_mnist:partition=zipf",
                "data: partition is 'zipf', expected one of iid, dirichlet, shards, classes"},
        BadSpec{"fashion_mnist:alpha=much", "alpha is 'much', expected a number"},
        BadSpec{"fashion_mnist:alpha=0", "data: alpha is 0, expected 0.0001 to 1e+06"},
        BadSpec{"fashion_mnist:min_examples=1.5", "min_examples is '1.5', expected an integer"},
        BadSpec{"fashion_mnist:shards_per_client=0",
                "data: shards_per_client is 0, expected 1 to 2147483647"},
        BadSpec{"fashion_mnist:classes_per_client=x", "classes_per_client is 'x', expected an"},
        BadSpec{"fashion_mnist:path=", "path is '', expected a directory"},
        BadSpec{"fashion_mnist:seed=1,seed=2", "key 'seed' is given twice, expected once"}));

}  // namespace
}  // namespace tern
