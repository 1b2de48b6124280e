#include "compression/topk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "tests/compression/quantizer_tools.h"
#include "tests/core/engine/allocation_counter.h"
#include "tests/testing/status_matchers.h"

namespace tern::compression {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::ElementsAre;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
using Indices = std::vector<int32_t>;

StageSpec Stage(std::vector<double> arguments) {
  return {.name = "topk", .arguments = std::move(arguments)};
}

absl::StatusOr<Indices> Select(const StageSpec& stage, absl::Span<const float> values,
                               absl::Span<const int64_t> tensor_sizes = {}) {
  const CodecContext context{.count = static_cast<int64_t>(values.size()),
                             .tensor_sizes = tensor_sizes};
  const auto sparsifier = MakeTopKSparsifier(stage);
  std::vector<char> scratch(static_cast<size_t>(sparsifier->ScratchBytes(context)));
  Indices indices(static_cast<size_t>(TopKKept(stage, context).max));
  const absl::StatusOr<int64_t> kept =
      sparsifier->Select(values, context, absl::MakeSpan(scratch), absl::MakeSpan(indices));
  if (!kept.ok()) return kept.status();
  EXPECT_EQ(*kept, indices.size());
  return indices;
}

// What topk.h says, by selection with the standard library.
Indices TheDefinition(size_t kept, absl::Span<const float> values) {
  Indices order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::nth_element(order.begin(), order.begin() + static_cast<int64_t>(kept) - 1, order.end(),
                   [&](int32_t a, int32_t b) {
                     const float x = std::abs(values[static_cast<size_t>(a)]);
                     const float y = std::abs(values[static_cast<size_t>(b)]);
                     return x != y ? x > y : a < b;
                   });
  order.resize(kept);
  std::sort(order.begin(), order.end());
  return order;
}

void ExpectIsTheDefinition(double fraction, absl::Span<const float> values) {
  const auto kept =
      static_cast<size_t>(std::max(1.0, std::ceil(fraction * static_cast<double>(values.size()))));
  const absl::StatusOr<Indices> selected = Select(Stage({fraction}), values);
  ASSERT_THAT(selected, IsOk());
  ASSERT_EQ(*selected, TheDefinition(kept, values)) << fraction << " of " << values.size();
}

TEST(TopK, AnySizeAndFraction_IsTheDefinition) {
  for (const double fraction : {1e-6, 0.001, 0.01, 0.07, 0.1, 0.5, 0.99, 1.0}) {
    for (const int64_t size : kBlockSizes) {
      if (size > 0) ExpectIsTheDefinition(fraction, SomeValues(size, 60));
    }
    ExpectIsTheDefinition(fraction, SomeValues(200'000, 61));
  }
}

// Few different bit patterns or many, anywhere in the range of floats.
TEST(TopK, AnyMagnitudes_AreTheDefinition) {
  RandomStream random({.seed = 62});
  for (int i = 0; i < 2000; ++i) {
    const uint32_t mask = ~uint32_t{0} << random.Below(32);
    const uint32_t common = random.Next32();
    std::vector<float> values(1 + random.Below(i % 100 == 0 ? 30'000 : 300));
    for (float& value : values) {
      const uint32_t bits = common ^ (random.Next32() & ~mask);
      value = std::bit_cast<float>(bits & 0xFF7FFFFF);
    }
    ExpectIsTheDefinition(random.NextFloat() + 1e-6, values);
  }
}

// More of one magnitude than there is room for candidates, around the threshold.
TEST(TopK, ManyTies_TheLowerIndexIsKept) {
  RandomStream random({.seed = 63});
  for (const int32_t different : {1, 2, 3, 10, 1000}) {
    std::vector<float> values(50'000);
    for (float& value : values) {
      const auto which = static_cast<int32_t>(random.Below(static_cast<uint32_t>(different)));
      value = std::bit_cast<float>(0x3C000000 + which) * (random.Below(2) == 0 ? 1.0f : -1.0f);
    }
    for (const double fraction : {1e-5, 0.01, 0.3, 0.9}) ExpectIsTheDefinition(fraction, values);
  }
  EXPECT_THAT(*Select(Stage({0.5}), {2, -3, 3, -3, 3, 2}), ElementsAre(1, 2, 3));
  EXPECT_THAT(*Select(Stage({0.5}), std::vector<float>(4, -0.0f)), ElementsAre(0, 1));
}

TEST(TopK, FewerThanAreKeptAreNotZero_TheFirstZerosFollow) {
  std::vector<float> values(40'000);
  for (const double fraction : {0.001, 0.4}) {
    ExpectIsTheDefinition(fraction, values);
    values[777] = std::numeric_limits<float>::denorm_min();
    values[39'999] = -1.0f;
    ExpectIsTheDefinition(fraction, values);
  }
}

TEST(TopK, MagnitudesFarFromThoseOfUpdates_AreTheDefinition) {
  for (const int exponent : {-140, -100, -60, 6, 60, 120}) {
    std::vector<float> values = SomeValues(30'000, 64);
    for (float& value : values) value = std::ldexp(value, exponent);
    for (const double fraction : {0.001, 0.1, 0.8}) ExpectIsTheDefinition(fraction, values);
  }
}

// A sample of lines of 16 says nothing of what lies between them.
TEST(TopK, MisleadingSample_IsStillTheDefinition) {
  for (const float common : {0.0f, 1e-3f, 1e3f}) {
    for (const size_t period : {16u, 48u, 1000u, 1008u}) {
      std::vector<float> values(300'000, common);
      for (size_t i = 0; i < values.size(); ++i) {
        if (i % period == 0) values[i] = 1.0f + 1e-6f * static_cast<float>(i);
        if (i > 280'000) values[i] = -2.0f - 1e-6f * static_cast<float>(i);
      }
      for (const double fraction : {0.0005, 0.01, 0.06, 0.07, 0.2}) {
        ExpectIsTheDefinition(fraction, values);
      }
    }
  }
}

TEST(TopK, SortedValues_AreTheDefinition) {
  std::vector<float> values(100'000);
  for (size_t i = 0; i < values.size(); ++i) values[i] = 1e-5f * static_cast<float>(i);
  ExpectIsTheDefinition(0.01, values);
  std::reverse(values.begin(), values.end());
  ExpectIsTheDefinition(0.01, values);
}

TEST(TopKOfTensors, EachKeepsItsShareAndFloor) {
  const std::vector<int64_t> sizes = {1000, 0, 3, 20'000, 10, 1};
  const std::vector<float> values = SomeValues(21'014, 65);
  const StageSpec stage = Stage({0.02, 8});
  const std::vector<size_t> kept = {20, 0, 3, 400, 8, 1};
  const Indices selected = *Select(stage, values, sizes);
  Indices expected;
  size_t begin = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const auto of_tensor =
        absl::MakeConstSpan(values).subspan(begin, static_cast<size_t>(sizes[i]));
    if (kept[i] > 0) {
      for (const int32_t index : TheDefinition(kept[i], of_tensor)) {
        expected.push_back(static_cast<int32_t>(begin) + index);
      }
    }
    begin += of_tensor.size();
  }
  EXPECT_EQ(selected, expected);
}

TEST(TopKOfTensors, WithoutSizes_IsOneTensor) {
  const std::vector<float> values = SomeValues(100, 66);
  EXPECT_EQ(*Select(Stage({0.01, 5}), values), TheDefinition(5, values));
  EXPECT_EQ(*Select(Stage({0.2, 5}), values), TheDefinition(20, values));
}

TEST(TopK, WithoutFloor_TensorsMakeNoDifference) {
  const std::vector<float> values = SomeValues(1000, 67);
  const std::vector<int64_t> sizes = {10, 990};
  EXPECT_EQ(*Select(Stage({0.05}), values, sizes), TheDefinition(50, values));
}

TEST(TopKKept, IsAtLeastOneAndRoundedUp) {
  const auto kept = [](double fraction, int64_t count) {
    const KeptRange range = TopKKept(Stage({fraction}), {.count = count});
    EXPECT_EQ(range.min, range.max);
    return range.max;
  };
  EXPECT_EQ(kept(0.01, 0), 0);
  EXPECT_EQ(kept(0.01, 1), 1);
  EXPECT_EQ(kept(0.01, 100), 1);
  EXPECT_EQ(kept(0.01, 101), 2);
  EXPECT_EQ(kept(1.0, 12345), 12345);
  EXPECT_EQ(kept(std::nextafter(1.0, 0.0), 3), 3);
  const std::vector<int64_t> sizes = {0, 5, 100, 1000};
  EXPECT_EQ(TopKKept(Stage({0.05, 10}), {.count = 1105, .tensor_sizes = sizes}).max, 5 + 10 + 50);
}

TEST(TopK, ValuesThatAreNotFinite_AreNamed) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<int64_t> sizes = {3, 30'000, 9'997};
  for (const float bad : {infinity, -infinity, std::nanf(""), -std::nanf("")}) {
    for (const size_t at : {0u, 17u, 25'000u, 39'999u}) {
      std::vector<float> values = SomeValues(40'000, 68);
      values[at] = bad;
      const std::string name = absl::StrCat("coordinate ", at, " is ");
      for (const double fraction : {1e-5, 0.01, 0.9, 1.0}) {
        EXPECT_THAT(Select(Stage({fraction}), values), StatusIs(kInvalid, name));
        EXPECT_THAT(Select(Stage({fraction, 4}), values, sizes), StatusIs(kInvalid, name));
      }
    }
  }
}

TEST(TopK, ScratchOfAMicrocontroller_IsEnoughForAnySize) {
  EXPECT_EQ(MakeTopKSparsifier(Stage({0.1}))->ScratchBytes({.count = 1}), 8192);
  EXPECT_EQ(MakeTopKSparsifier(Stage({0.1}))->ScratchBytes({.count = int64_t{1} << 30}), 8192);
}

TEST(TopK, Select_AllocatesNothing) {
  if (!testing::CanCountAllocations()) GTEST_SKIP() << "a sanitizer has its own malloc";
  const std::vector<float> values = SomeValues(50'000, 69);
  const auto sparsifier = MakeTopKSparsifier(Stage({0.1}));
  std::vector<char> scratch(8192);
  Indices indices(5000);
  const int64_t before = testing::NumAllocations();
  const absl::StatusOr<int64_t> kept = sparsifier->Select(
      values, {.count = 50'000}, absl::MakeSpan(scratch), absl::MakeSpan(indices));
  EXPECT_EQ(testing::NumAllocations(), before);
  EXPECT_EQ(*kept, 5000);
}

TEST(Gather, IsTheValuesAtTheIndices) {
  const std::vector<float> values = {1, 2, 3, 4, 5};
  std::vector<float> kept(3);
  MakeTopKSparsifier(Stage({0.5}))->Gather(values, {.count = 5}, {0, 2, 4}, kept.data());
  EXPECT_THAT(kept, ElementsAre(1, 3, 5));
}

TEST(CheckTopKArguments, SaysTheProblem) {
  EXPECT_EQ(CheckTopKArguments(Stage({0.01})), "");
  EXPECT_EQ(CheckTopKArguments(Stage({1})), "");
  EXPECT_EQ(CheckTopKArguments(Stage({0.01, 16})), "");
  for (const double fraction : {0.0, -0.1, 1.01}) {
    EXPECT_EQ(CheckTopKArguments(Stage({fraction})),
              absl::StrCat("fraction is ", fraction, ", expected above 0, at most 1"));
  }
  EXPECT_EQ(CheckTopKArguments(Stage({})), "has 0 arguments, expected one or two: fraction, floor");
  EXPECT_EQ(CheckTopKArguments(Stage({0.1, 1, 2})),
            "has 3 arguments, expected one or two: fraction, floor");
  EXPECT_EQ(CheckTopKArguments(Stage({0.1, 0.5})),
            "floor is 0.5, expected a whole number from 1 to 2147483647");
  EXPECT_EQ(CheckTopKArguments(Stage({0.1, 1e10})),
            "floor is 1e+10, expected a whole number from 1 to 2147483647");
  EXPECT_EQ(CheckTopKArguments({.name = "topk", .arguments = {0.1}, .option = "foo"}),
            "option is 'foo', expected none");
}

}  // namespace
}  // namespace tern::compression
