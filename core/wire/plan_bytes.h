// How long what travels and what is kept for a plan is, known before the plan runs.
#ifndef TERN_CORE_WIRE_PLAN_BYTES_H_
#define TERN_CORE_WIRE_PLAN_BYTES_H_

#include <algorithm>
#include <cstdint>

#include "absl/status/statusor.h"
#include "core/train/plan.h"
#include "core/wire/plan_codec.h"

namespace tern {

// Of a stored residual, before its coordinates (docs/wire-format.md, "What a device keeps").
inline constexpr int64_t kResidualHeaderBytes = 64;

struct PlanBytes {
  int64_t model = 0;     // the frame that is fetched
  int64_t update = 0;    // serialized, without metrics; at most
  int64_t residual = 0;  // in the device's state between rounds; 0 without error feedback

  // Of the one buffer that holds them, one after the other, on a device.
  int64_t buffer() const { return std::max({model, update, residual}); }
};

// `codec` is PlanCodec::Make(plan). INVALID_ARGUMENT: an update could be longer than a message may
// be.
absl::StatusOr<PlanBytes> CountPlanBytes(const Plan& plan, const PlanCodec& codec);

// Scratch of the encoder, or of the decoder, with which error feedback finds out what was sent.
int64_t CodecScratchBytes(const Plan& plan, const PlanCodec& codec);

}  // namespace tern

#endif  // TERN_CORE_WIRE_PLAN_BYTES_H_
