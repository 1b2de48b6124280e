// Included before Highway by every file with kernels, so that all are built for the same targets.
#ifndef TERN_CORE_ENGINE_SIMD_TARGETS_H_
#define TERN_CORE_ENGINE_SIMD_TARGETS_H_

// Register tiles are arrays of vectors, which targets whose vectors have no fixed size do not
// allow; such machines run the kernels of their fixed-size target.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE_256 | HWY_SVE2 | HWY_SVE2_128 | HWY_RVV)

#endif  // TERN_CORE_ENGINE_SIMD_TARGETS_H_
