#include "core/wire/device_memory.h"

#include "core/base/status_macros.h"
#include "core/wire/plan_bytes.h"

namespace tern {

absl::StatusOr<MemoryReport> DescribeDeviceMemory(const Plan& plan, int64_t num_examples) {
  TERN_ASSIGN_OR_RETURN(const PlanCodec codec, PlanCodec::Make(plan));
  TERN_ASSIGN_OR_RETURN(MemoryReport report, DescribeMemory(plan, num_examples));
  TERN_ASSIGN_OR_RETURN(const PlanBytes bytes, CountPlanBytes(plan, codec));
  report.held.push_back({"model as sent, then the update", bytes.buffer()});
  const int64_t scratch = CodecScratchBytes(plan, codec);
  if (scratch > 0) report.held.push_back({"scratch of the codec", scratch});
  return report;
}

}  // namespace tern
