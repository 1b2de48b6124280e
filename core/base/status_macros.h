// Early return on a failed absl::Status or absl::StatusOr: the project's only control-flow macros.
#ifndef TERN_CORE_BASE_STATUS_MACROS_H_
#define TERN_CORE_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define TERN_STATUS_CONCAT_INNER(a, b) a##b
#define TERN_STATUS_CONCAT(a, b) TERN_STATUS_CONCAT_INNER(a, b)

// Returns the status of `expression` from the enclosing function unless it is OK.
#define TERN_RETURN_IF_ERROR(expression)       \
  do {                                         \
    absl::Status tern_status = (expression);   \
    if (!tern_status.ok()) return tern_status; \
  } while (false)

// Evaluates `expression` (a StatusOr), returns its status if it failed, else assigns its value to
// `target`, which may be a declaration.
#define TERN_ASSIGN_OR_RETURN(target, expression) \
  TERN_ASSIGN_OR_RETURN_INNER(TERN_STATUS_CONCAT(tern_statusor_, __LINE__), target, expression)

#define TERN_ASSIGN_OR_RETURN_INNER(statusor, target, expression) \
  auto statusor = (expression);                                   \
  if (!statusor.ok()) return std::move(statusor).status();        \
  target = std::move(statusor).value()

#endif  // TERN_CORE_BASE_STATUS_MACROS_H_
