// The instruction set that all kernels of the process run with.
#ifndef TERN_CORE_ENGINE_KERNEL_TARGET_H_
#define TERN_CORE_ENGINE_KERNEL_TARGET_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace tern {

// The instruction set that the kernels run with on this machine: "AVX3", "AVX2", "SSE4", "NEON",
// ... Recorded in every result: bits are the same for the same target. TERN_KERNEL_TARGET in the
// environment, read once at first use, can lower it.
absl::string_view KernelTarget();

// What became of TERN_KERNEL_TARGET: OK when it is unset, empty or obeyed. INVALID_ARGUMENT: this
// machine has no such target (the message lists those it has) and the best one is used. A program
// calls this when it starts, so that a slip in the name does not go unseen.
const absl::Status& ApplyKernelTargetFromEnvironment();

}  // namespace tern

#endif  // TERN_CORE_ENGINE_KERNEL_TARGET_H_
