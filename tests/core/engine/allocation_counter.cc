#include "tests/core/engine/allocation_counter.h"

#include <atomic>
#include <cerrno>
#include <cstddef>

#include "absl/base/config.h"

#if defined(ABSL_HAVE_ADDRESS_SANITIZER) || defined(ABSL_HAVE_THREAD_SANITIZER)
#define TERN_COUNTS_ALLOCATIONS 0
#else
#define TERN_COUNTS_ALLOCATIONS 1
#endif

namespace {

std::atomic<int64_t> num_allocations{0};

}  // namespace

#if TERN_COUNTS_ALLOCATIONS
// The entry points under which glibc offers its allocator to replacements of malloc.
extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* block, size_t size);
void* __libc_memalign(size_t alignment, size_t size);

void* malloc(size_t size) noexcept {
  ++num_allocations;
  return __libc_malloc(size);
}

void* calloc(size_t count, size_t size) noexcept {
  ++num_allocations;
  return __libc_calloc(count, size);
}

void* realloc(void* block, size_t size) noexcept {
  ++num_allocations;
  return __libc_realloc(block, size);
}

void* memalign(size_t alignment, size_t size) noexcept {
  ++num_allocations;
  return __libc_memalign(alignment, size);
}

void* aligned_alloc(size_t alignment, size_t size) noexcept { return memalign(alignment, size); }

int posix_memalign(void** block, size_t alignment, size_t size) noexcept {
  *block = memalign(alignment, size);
  return *block == nullptr ? ENOMEM : 0;
}
}
#endif

namespace tern::testing {

bool CanCountAllocations() { return TERN_COUNTS_ALLOCATIONS != 0; }

int64_t NumAllocations() { return num_allocations.load(); }

}  // namespace tern::testing
