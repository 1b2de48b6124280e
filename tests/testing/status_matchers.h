// Matchers for absl::Status and absl::StatusOr: EXPECT_THAT(result, StatusIs(code, "part of the
// message")) and EXPECT_THAT(result, IsOk()), which print code and message when they fail.
#ifndef TERN_TESTS_TESTING_STATUS_MATCHERS_H_
#define TERN_TESTS_TESTING_STATUS_MATCHERS_H_

#include <gmock/gmock.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"

namespace tern::testing {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

MATCHER(IsOk, negation ? "is an error" : "is OK") {
  *result_listener << "whose status is " << StatusOf(arg).ToString();
  return arg.ok();
}

// `part` is found in the message as it is.
MATCHER_P2(StatusIs, code, part, "") {
  const absl::Status& status = StatusOf(arg);
  *result_listener << "whose status is " << status.ToString();
  return status.code() == code && absl::StrContains(status.message(), part);
}

}  // namespace tern::testing

#endif  // TERN_TESTS_TESTING_STATUS_MATCHERS_H_
