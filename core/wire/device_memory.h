// What the memory of a device is made of while it executes a plan.
#ifndef TERN_CORE_WIRE_DEVICE_MEMORY_H_
#define TERN_CORE_WIRE_DEVICE_MEMORY_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "core/train/memory_report.h"
#include "core/train/plan.h"

namespace tern {

// DescribeMemory's, and what a session holds besides: the buffer of the model that is fetched and
// of the update that takes its place, the vectors of a control variate and of personal parameters
// where the plan has them, and the codec's scratch. peak_bytes() is what the session
// reports at the end. INVALID_ARGUMENT: the codec is none, the engine cannot train the model, or
// its update would be too long.
absl::StatusOr<MemoryReport> DescribeDeviceMemory(const Plan& plan, int64_t num_examples);

}  // namespace tern

#endif  // TERN_CORE_WIRE_DEVICE_MEMORY_H_
