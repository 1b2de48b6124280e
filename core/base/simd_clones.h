// TERN_SIMD_CLONES before a function that is one plain loop over numbers: compiles it once for each
// level of vector instructions and takes the widest that the processor has, at run time. For loops
// whose result does not depend on the level: integers, and operations on each element alone.
#ifndef TERN_CORE_BASE_SIMD_CLONES_H_
#define TERN_CORE_BASE_SIMD_CLONES_H_

#include <cstdint>  // defines __GLIBC__, where there is one

// The choice is made by the dynamic loader, before ThreadSanitizer is set up: that crashes. Loops
// compiled for size stay scalar, so clones would only cost bytes.
#if defined(__GLIBC__) && defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_THREAD__) && !defined(__OPTIMIZE_SIZE__)
#define TERN_SIMD_CLONES \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define TERN_SIMD_CLONES
#endif

#endif  // TERN_CORE_BASE_SIMD_CLONES_H_
