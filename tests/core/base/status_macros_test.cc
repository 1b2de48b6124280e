#include "core/base/status_macros.h"

#include <gtest/gtest.h>

#include <memory>

#include "tests/testing/status_matchers.h"

namespace tern {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;

absl::Status ReturnIfError(const absl::Status& status, bool& passed) {
  TERN_RETURN_IF_ERROR(status);
  passed = true;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<int>> Add(absl::StatusOr<std::unique_ptr<int>> a,
                                         absl::StatusOr<int> b) {
  TERN_ASSIGN_OR_RETURN(std::unique_ptr<int> sum, std::move(a));
  TERN_ASSIGN_OR_RETURN(const int more, b);
  *sum += more;
  return sum;
}

TEST(StatusMacros, ReturnIfError_ReturnsTheErrorAndNothingElse) {
  bool passed = false;
  EXPECT_THAT(ReturnIfError(absl::DataLossError("lost"), passed),
              StatusIs(absl::StatusCode::kDataLoss, "lost"));
  EXPECT_FALSE(passed);
  EXPECT_THAT(ReturnIfError(absl::OkStatus(), passed), IsOk());
  EXPECT_TRUE(passed);
}

TEST(StatusMacros, AssignOrReturn_MovesValuesAndReturnsErrors) {
  const auto sum = Add(std::make_unique<int>(2), 3);
  ASSERT_THAT(sum, IsOk());
  EXPECT_EQ(**sum, 5);
  EXPECT_THAT(Add(absl::NotFoundError("first"), absl::InternalError("second")),
              StatusIs(absl::StatusCode::kNotFound, "first"));
  EXPECT_THAT(Add(std::make_unique<int>(2), absl::InternalError("second")),
              StatusIs(absl::StatusCode::kInternal, "second"));
}

}  // namespace
}  // namespace tern
