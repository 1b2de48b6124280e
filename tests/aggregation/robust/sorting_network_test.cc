#include "aggregation/robust/sorting_network.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "core/base/random.h"

namespace tern::aggregation {
namespace {

std::vector<float> ColumnOf(const std::vector<float>& columns, int64_t n, int64_t lane) {
  std::vector<float> column;
  for (int64_t row = 0; row < n; ++row) {
    column.push_back(columns[static_cast<size_t>(row * kSortLanes + lane)]);
  }
  return column;
}

TEST(SortColumns, AnyNumberOfRows_GivesWhatStdSortGives) {
  RandomStream random({.seed = 70});
  for (int64_t n = 0; n <= 130; ++n) {
    std::vector<float> columns(static_cast<size_t>(n * kSortLanes));
    // Few distinct values, so that there are equal ones.
    for (float& value : columns) value = static_cast<float>(random.Below(40)) - 20.0f;
    const std::vector<float> before = columns;
    SortColumns(columns.data(), n);
    for (int64_t lane = 0; lane < kSortLanes; ++lane) {
      std::vector<float> expected = ColumnOf(before, n, lane);
      std::sort(expected.begin(), expected.end());
      ASSERT_EQ(ColumnOf(columns, n, lane), expected) << n << " rows, lane " << lane;
    }
  }
}

// A network of comparisons sorts everything if it sorts all sequences of zeros and ones (Knuth,
// 5.3.4, theorem Z).
TEST(SortColumns, AllSequencesOfZerosAndOnes_AreSorted) {
  for (int64_t n = 1; n <= 12; ++n) {
    for (int64_t first = 0; first < int64_t{1} << n; first += kSortLanes) {
      std::vector<float> columns(static_cast<size_t>(n * kSortLanes));
      for (int64_t i = 0; i < n * kSortLanes; ++i) {
        const int64_t bits = first + i % kSortLanes;
        columns[static_cast<size_t>(i)] = static_cast<float>(bits >> (i / kSortLanes) & 1);
      }
      SortColumns(columns.data(), n);
      for (int64_t lane = 0; lane < kSortLanes; ++lane) {
        const std::vector<float> column = ColumnOf(columns, n, lane);
        ASSERT_TRUE(std::is_sorted(column.begin(), column.end())) << n << " rows";
      }
    }
  }
}

TEST(SortColumns, Infinity_IsLast) {
  std::vector<float> columns(3 * kSortLanes, 1.0f);
  columns[0] = std::numeric_limits<float>::infinity();
  columns[kSortLanes] = std::numeric_limits<float>::max();
  SortColumns(columns.data(), 3);
  EXPECT_EQ(ColumnOf(columns, 3, 0), (std::vector<float>{1.0f, std::numeric_limits<float>::max(),
                                                         std::numeric_limits<float>::infinity()}));
}

}  // namespace
}  // namespace tern::aggregation
