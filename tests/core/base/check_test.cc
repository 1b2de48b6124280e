#include "core/base/check.h"

#include <gtest/gtest.h>

namespace tern {
namespace {

TEST(CheckTest, TrueCondition_IsEvaluatedOnceAndPasses) {
  int evaluations = 0;
  TERN_CHECK(++evaluations == 1);
  EXPECT_EQ(evaluations, 1);
}

TEST(CheckDeathTest, FalseCondition_NamesFileAndCondition) {
  EXPECT_DEATH(TERN_CHECK(1 + 1 == 3), "check_test.cc:[0-9]+: check failed: 1 \\+ 1 == 3");
}

}  // namespace
}  // namespace tern
