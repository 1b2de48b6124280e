#include "core/engine/memory_planner.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/base/random.h"

namespace tern {
namespace {

int64_t Rounded(int64_t floats) {
  return (floats + kArenaAlignmentFloats - 1) / kArenaAlignmentFloats * kArenaAlignmentFloats;
}

// What no plan can be smaller than: the most that is alive at any one step.
int64_t MostAliveAtOnce(const std::vector<TensorLife>& tensors, int64_t steps) {
  int64_t most = 0;
  for (int64_t step = 0; step < steps; ++step) {
    int64_t alive = 0;
    for (const TensorLife& tensor : tensors) {
      if (tensor.first_use <= step && step <= tensor.last_use) alive += Rounded(tensor.floats);
    }
    most = std::max(most, alive);
  }
  return most;
}

void ExpectNoTwoLiveTensorsOverlap(const std::vector<TensorLife>& tensors, const MemoryPlan& plan) {
  ASSERT_EQ(plan.offsets.size(), tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ(plan.offsets[i] % kArenaAlignmentFloats, 0);
    EXPECT_GE(plan.offsets[i], 0);
    EXPECT_LE(plan.offsets[i] + tensors[i].floats, plan.total_floats);
    for (size_t j = 0; j < i; ++j) {
      const bool together = tensors[i].first_use <= tensors[j].last_use &&
                            tensors[j].first_use <= tensors[i].last_use;
      const bool apart = plan.offsets[i] + tensors[i].floats <= plan.offsets[j] ||
                         plan.offsets[j] + tensors[j].floats <= plan.offsets[i];
      EXPECT_TRUE(!together || apart) << "tensors " << i << " and " << j;
    }
  }
}

TEST(PlanMemory, RandomLives_NeverOverlapAndStayNearTheLowerBound) {
  RandomStream random({.seed = 21});
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<TensorLife> tensors(1 + random.Below(40));
    for (TensorLife& tensor : tensors) {
      tensor.floats = 1 + random.Below(1000);
      tensor.first_use = random.Below(20);
      tensor.last_use = tensor.first_use + random.Below(8);
    }
    const MemoryPlan plan = PlanMemory(tensors);
    ExpectNoTwoLiveTensorsOverlap(tensors, plan);
    EXPECT_LE(plan.total_floats, 2 * MostAliveAtOnce(tensors, 30));
  }
}

TEST(PlanMemory, TensorsOneAfterTheOther_ShareOnePlace) {
  const MemoryPlan plan = PlanMemory({{{100, 0, 1}, {100, 2, 3}, {64, 4, 4}}});
  EXPECT_EQ(plan.offsets, (std::vector<int64_t>{0, 0, 0}));
  EXPECT_EQ(plan.total_floats, 112);
}

TEST(PlanMemory, TensorsThatMeetInOneStep_DoNotShare) {
  const MemoryPlan plan = PlanMemory({{{16, 0, 1}, {16, 1, 2}}});
  EXPECT_EQ(plan.total_floats, 32);
}

TEST(PlanMemory, GapBetweenLongLivedTensors_IsFilled) {
  // The third dies before the fourth is born and leaves a gap of its size.
  const std::vector<TensorLife> tensors = {{64, 0, 9}, {32, 0, 2}, {16, 0, 9}, {32, 3, 9}};
  EXPECT_EQ(PlanMemory(tensors).total_floats, 112);
}

TEST(PlanMemory, NoTensors_NeedNothing) { EXPECT_EQ(PlanMemory({}).total_floats, 0); }

}  // namespace
}  // namespace tern
