#include <gtest/gtest.h>

#include "tests/aggregation/robust/robust_tools.h"
#include "tests/testing/live_bytes.h"

namespace tern::aggregation {
namespace {

constexpr int64_t kCount = 70000;
constexpr int64_t kUpdates = 60;

class Memory : public ::testing::TestWithParam<std::string> {};

// Whatever the number of updates, all of which would be 60 models; distances of pairs apart.
TEST_P(Memory, OfAReport_IsAtMostThreeModels) {
  if (!testing::CanCountLiveBytes()) GTEST_SKIP() << "a sanitizer brings its own malloc";
  auto aggregator =
      MakeRobustAggregator({.name = GetParam(), .attackers = 2}, LimitsOf(kCount, kUpdates))
          .value();
  const std::string codec = "quantize(8)";
  const std::vector<float> reference(kCount, 0.5f);
  const TestUpdate update({.values = reference, .codec = codec});
  for (uint64_t id = 0; id < kUpdates; ++id) {
    aggregator->Accumulate({.decoder = update.decoder(),
                            .payload = update.payload(),
                            .context = update.context(),
                            .codec = codec},
                           {.id = id}, nullptr);
  }
  const int64_t before = testing::LiveBytes();
  testing::ResetPeakLiveBytes();
  ASSERT_TRUE((std::move(*aggregator).Report({.reference = reference})).ok());
  const int64_t peak = testing::PeakLiveBytes() - before;
  const int64_t model = kCount * int64_t{sizeof(float)};
  EXPECT_GT(peak, model);  // it counts
  EXPECT_LE(peak, 3 * model + 8 * kUpdates * kUpdates);
}

INSTANTIATE_TEST_SUITE_P(Rules, Memory, ::testing::ValuesIn(RobustRuleNames()),
                         [](const auto& param_info) { return param_info.param; });

}  // namespace
}  // namespace tern::aggregation
