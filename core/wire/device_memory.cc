#include "core/wire/device_memory.h"

#include "core/base/status_macros.h"
#include "core/wire/plan_bytes.h"

namespace tern {

absl::StatusOr<MemoryReport> DescribeDeviceMemory(const Plan& plan, int64_t num_examples) {
  TERN_ASSIGN_OR_RETURN(const PlanCodec codec, PlanCodec::Make(plan));
  TERN_ASSIGN_OR_RETURN(MemoryReport report, DescribeMemory(plan, num_examples));
  TERN_ASSIGN_OR_RETURN(const PlanBytes bytes, CountPlanBytes(plan, codec));
  report.held.push_back({"model as sent, then the update", bytes.buffer()});
  const MemoryItem others[] = {{"control variate", bytes.control_vector()},
                               {"personal parameters", bytes.personal_vector()},
                               {"scratch of the codec", CodecScratchBytes(plan, codec)}};
  for (const MemoryItem& item : others) {
    if (item.bytes > 0) report.held.push_back(item);
  }
  return report;
}

}  // namespace tern
