#include "core/wire/device_memory.h"

#include "compression/codec.h"
#include "core/base/status_macros.h"
#include "core/model/parameter_layout.h"
#include "core/wire/plan_bytes.h"

namespace tern {

absl::StatusOr<MemoryReport> DescribeDeviceMemory(const Plan& plan, int64_t num_examples) {
  TERN_ASSIGN_OR_RETURN(const compression::CodecSpec codec, compression::ParseCodec(plan.codec));
  TERN_ASSIGN_OR_RETURN(MemoryReport report, DescribeMemory(plan, num_examples));
  TERN_ASSIGN_OR_RETURN(const ParameterLayout layout, MakeParameterLayout(plan.model));
  const auto encoder = compression::MakeEncoder(codec);
  TERN_ASSIGN_OR_RETURN(const PlanBytes bytes, CountPlanBytes(plan, *encoder, layout.size));
  report.held.push_back({"model as sent, then the update", bytes.buffer()});
  const int64_t scratch = encoder->ScratchBytes(layout.size);
  if (scratch > 0) report.held.push_back({"scratch of the encoder", scratch});
  return report;
}

}  // namespace tern
