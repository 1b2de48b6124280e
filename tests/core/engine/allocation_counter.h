// Counts what the process asks of malloc, however it asks. Linking allocation_counter.cc into a
// test replaces malloc and its relatives with counting ones.
#ifndef TERN_TESTS_CORE_ENGINE_ALLOCATION_COUNTER_H_
#define TERN_TESTS_CORE_ENGINE_ALLOCATION_COUNTER_H_

#include <cstdint>

namespace tern::testing {

// False under a sanitizer, which brings a malloc of its own.
bool CanCountAllocations();

// Of all threads since the process began: malloc, calloc, realloc and the aligned ones, and with
// them operator new.
int64_t NumAllocations();

}  // namespace tern::testing

#endif  // TERN_TESTS_CORE_ENGINE_ALLOCATION_COUNTER_H_
