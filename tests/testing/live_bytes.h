// Counts the bytes that the process holds of malloc, however it asks. Linking live_bytes.cc into a
// test replaces malloc and its relatives with counting ones; a block counts with what the allocator
// really gives for it.
#ifndef TERN_TESTS_TESTING_LIVE_BYTES_H_
#define TERN_TESTS_TESTING_LIVE_BYTES_H_

#include <cstdint>

namespace tern::testing {

// False under a sanitizer, which brings a malloc of its own.
bool CanCountLiveBytes();

int64_t LiveBytes();
// The most since the process began, or since the last call of ResetPeak.
int64_t PeakLiveBytes();
void ResetPeakLiveBytes();

}  // namespace tern::testing

#endif  // TERN_TESTS_TESTING_LIVE_BYTES_H_
