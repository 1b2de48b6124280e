#include "core/base/simd_clones.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace tern {
namespace {

TERN_SIMD_CLONES void AddSquares(const int32_t* values, int64_t count, int64_t* sums) {
  for (int64_t i = 0; i < count; ++i) sums[i] += int64_t{values[i]} * values[i];
}

TEST(SimdClones, ChosenClone_ComputesWhatTheLoopSays) {
  for (int32_t count = 0; count < 70; ++count) {
    std::vector<int32_t> values;
    for (int32_t i = 0; i < count; ++i) values.push_back(i * 60000 - 1000000);
    std::vector<int64_t> sums(values.size(), 1);
    AddSquares(values.data(), count, sums.data());
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(sums[i], 1 + int64_t{values[i]} * values[i]);
    }
  }
}

}  // namespace
}  // namespace tern
