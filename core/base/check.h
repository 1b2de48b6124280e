// A check for our own bugs, never for input: says what did not hold and aborts, in every build.
#ifndef TERN_CORE_BASE_CHECK_H_
#define TERN_CORE_BASE_CHECK_H_

namespace tern {

// Prints "file:line: check failed: condition" to standard error and aborts.
[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);

}  // namespace tern

#define TERN_CHECK(condition)                                              \
  do {                                                                     \
    if (!(condition)) ::tern::CheckFailed(#condition, __FILE__, __LINE__); \
  } while (false)

#endif  // TERN_CORE_BASE_CHECK_H_
