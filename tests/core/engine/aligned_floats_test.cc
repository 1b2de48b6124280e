#include "core/engine/aligned_floats.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <utility>

#include "tests/testing/status_matchers.h"

namespace tern {
namespace {

TEST(AlignedFloats, Allocate_GivesThatManyAtACacheLine) {
  for (const int64_t size : {0, 1, 17, 100000}) {
    absl::StatusOr<AlignedFloats> floats = AlignedFloats::Allocate(size);
    ASSERT_THAT(floats, testing::IsOk());
    EXPECT_EQ(floats->size(), size);
    EXPECT_EQ(floats->span().size(), static_cast<size_t>(size));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(floats->span().data()) % 64, 0u);
  }
}

TEST(AlignedFloats, Move_LeavesNothingBehind) {
  AlignedFloats from = AlignedFloats::Allocate(32).value();
  const float* data = from.span().data();
  AlignedFloats to = std::move(from);
  EXPECT_EQ(to.size(), 32);
  EXPECT_EQ(to.span().data(), data);
  EXPECT_TRUE(from.span().empty());
  from = std::move(to);
  EXPECT_EQ(from.span().data(), data);
  EXPECT_EQ(to.size(), 0);
}

TEST(AlignedFloats, MoreThanThereCanBe_IsResourceExhausted) {
  EXPECT_THAT(
      AlignedFloats::Allocate((int64_t{1} << 60) + 1),
      testing::StatusIs(absl::StatusCode::kResourceExhausted, "1152921504606846977 floats"));
}

}  // namespace
}  // namespace tern
