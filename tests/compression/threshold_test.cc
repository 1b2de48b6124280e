#include "compression/threshold.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/compression/quantizer_tools.h"
#include "tests/testing/status_matchers.h"

namespace tern::compression {
namespace {

using ::tern::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Indices = std::vector<int32_t>;

StageSpec Stage(double magnitude) { return {.name = "threshold", .arguments = {magnitude}}; }

absl::StatusOr<Indices> Select(double magnitude, absl::Span<const float> values) {
  const CodecContext context{.count = static_cast<int64_t>(values.size())};
  const auto sparsifier = MakeThresholdSparsifier(Stage(magnitude));
  EXPECT_EQ(sparsifier->ScratchBytes(context), 0);
  Indices indices(static_cast<size_t>(ThresholdKept(context).max));
  const absl::StatusOr<int64_t> kept =
      sparsifier->Select(values, context, {}, absl::MakeSpan(indices));
  if (!kept.ok()) return kept.status();
  indices.resize(static_cast<size_t>(*kept));
  return indices;
}

TEST(Threshold, AnySize_IsTheDefinition) {
  std::vector<int64_t> sizes(std::begin(kBlockSizes), std::end(kBlockSizes));
  sizes.push_back(100'000);
  for (const double magnitude : {1e-45, 1e-30, 0.001, 0.1, 0.5, 1e30}) {
    for (const int64_t size : sizes) {
      const std::vector<float> values = SomeValues(size, 70);
      Indices expected;
      for (size_t i = 0; i < values.size(); ++i) {
        if (std::abs(values[i]) >= static_cast<float>(magnitude)) {
          expected.push_back(static_cast<int32_t>(i));
        }
      }
      ASSERT_EQ(*Select(magnitude, values), expected) << magnitude << " of " << size;
    }
  }
}

TEST(Threshold, TheThresholdItself_IsKept) {
  const float below = std::nextafter(0.1f, 0.0f);
  EXPECT_THAT(*Select(0.1, {0.1f, -0.1f, below, -below, 0.0f, 1.0f}), ElementsAre(0, 1, 5));
}

TEST(Threshold, AllOrNone_MayBeKept) {
  EXPECT_THAT(*Select(2.0, std::vector<float>(3000, 1.0f)), IsEmpty());
  EXPECT_EQ(Select(1.0, std::vector<float>(3000, -1.0f))->size(), 3000);
  EXPECT_EQ(ThresholdKept({.count = 9}).min, 0);
  EXPECT_EQ(ThresholdKept({.count = 9}).max, 9);
}

TEST(Threshold, ValuesThatAreNotFinite_AreNamed) {
  for (const float bad : {std::numeric_limits<float>::infinity(), std::nanf(""), -std::nanf("")}) {
    for (const size_t at : {0u, 1023u, 1024u, 2999u}) {
      std::vector<float> values(3000, 0.5f);
      values[at] = bad;
      EXPECT_THAT(Select(1e30, values), StatusIs(absl::StatusCode::kInvalidArgument,
                                                 absl::StrCat("coordinate ", at, " is ")));
    }
  }
}

TEST(CheckThresholdArguments, SaysTheProblem) {
  EXPECT_EQ(CheckThresholdArguments(Stage(0.5)), "");
  EXPECT_EQ(CheckThresholdArguments(Stage(1e-45)), "");
  EXPECT_EQ(CheckThresholdArguments(Stage(double{std::numeric_limits<float>::max()})), "");
  for (const double magnitude : {0.0, -1.0, 1e-60, 1e39}) {
    EXPECT_EQ(CheckThresholdArguments(Stage(magnitude)),
              absl::StrCat("magnitude is ", magnitude, ", expected above 0, a 32-bit float"));
  }
  EXPECT_EQ(CheckThresholdArguments({.name = "threshold"}),
            "has 0 arguments, expected one: magnitude");
  EXPECT_EQ(CheckThresholdArguments({.name = "threshold", .arguments = {1}, .option = "foo"}),
            "option is 'foo', expected none");
}

}  // namespace
}  // namespace tern::compression
