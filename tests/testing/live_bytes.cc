#include "tests/testing/live_bytes.h"

#include <malloc.h>

#include <atomic>
#include <cerrno>
#include <cstddef>

#include "absl/base/config.h"

#if defined(ABSL_HAVE_ADDRESS_SANITIZER) || defined(ABSL_HAVE_THREAD_SANITIZER)
#define TERN_COUNTS_LIVE_BYTES 0
#else
#define TERN_COUNTS_LIVE_BYTES 1
#endif

namespace {

std::atomic<int64_t> live_bytes{0};
std::atomic<int64_t> peak_bytes{0};

}  // namespace

#if TERN_COUNTS_LIVE_BYTES
namespace {

void* Count(void* block) {
  if (block == nullptr) return block;
  const auto size = static_cast<int64_t>(malloc_usable_size(block));
  const int64_t live = live_bytes.fetch_add(size) + size;
  int64_t peak = peak_bytes.load();
  while (live > peak && !peak_bytes.compare_exchange_weak(peak, live)) {
  }
  return block;
}

void Uncount(void* block) {
  if (block != nullptr) live_bytes -= static_cast<int64_t>(malloc_usable_size(block));
}

}  // namespace

// The entry points under which glibc offers its allocator to replacements of malloc.
extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* block, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
void __libc_free(void* block);

void* malloc(size_t size) noexcept { return Count(__libc_malloc(size)); }

void* calloc(size_t count, size_t size) noexcept { return Count(__libc_calloc(count, size)); }

void* realloc(void* block, size_t size) noexcept {
  Uncount(block);
  void* const moved = __libc_realloc(block, size);
  // What could not be made larger is still there.
  if (moved == nullptr && size > 0) Count(block);
  return Count(moved);
}

void* memalign(size_t alignment, size_t size) noexcept {
  return Count(__libc_memalign(alignment, size));
}

void* aligned_alloc(size_t alignment, size_t size) noexcept { return memalign(alignment, size); }

int posix_memalign(void** block, size_t alignment, size_t size) noexcept {
  *block = memalign(alignment, size);
  return *block == nullptr ? ENOMEM : 0;
}

void free(void* block) noexcept {
  Uncount(block);
  __libc_free(block);
}
}
#endif

namespace tern::testing {

bool CanCountLiveBytes() { return TERN_COUNTS_LIVE_BYTES != 0; }

int64_t LiveBytes() { return live_bytes.load(); }

int64_t PeakLiveBytes() { return peak_bytes.load(); }

void ResetPeakLiveBytes() { peak_bytes.store(live_bytes.load()); }

}  // namespace tern::testing
