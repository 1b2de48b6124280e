// How long what travels and what is kept for a plan is, known before the plan runs.
#ifndef TERN_CORE_WIRE_PLAN_BYTES_H_
#define TERN_CORE_WIRE_PLAN_BYTES_H_

#include <algorithm>
#include <cstdint>

#include "absl/status/statusor.h"
#include "core/train/plan.h"
#include "core/wire/plan_codec.h"

namespace tern {

// Of a stored vector, before its coordinates (docs/wire-format.md, "What a device keeps").
inline constexpr int64_t kStoredHeaderBytes = 64;

struct PlanBytes {
  int64_t model = 0;   // what is fetched: a frame of the model, and one of the control variate
  int64_t update = 0;  // serialized, with the start loss, without other metrics; at most
  // Values of the device's state between rounds; 0: there is none.
  int64_t residual = 0;
  int64_t control = 0;
  int64_t personal = 0;

  // Of the one buffer that holds them, one after the other, on a device.
  int64_t buffer() const { return std::max({model, update, residual, control, personal}); }
  // Of the vectors beside the parameters that a session holds meanwhile.
  int64_t control_vector() const { return std::max<int64_t>(control - kStoredHeaderBytes, 0); }
  int64_t personal_vector() const { return std::max<int64_t>(personal - kStoredHeaderBytes, 0); }
  // All that a session holds beside the parameters, what training needs and the codec's scratch.
  int64_t held() const { return buffer() + control_vector() + personal_vector(); }
  // Of the device's storage.
  int64_t state() const { return residual + control + personal; }
};

// `codec` is PlanCodec::Make(plan). INVALID_ARGUMENT: an update could be longer than a message may
// be.
absl::StatusOr<PlanBytes> CountPlanBytes(const Plan& plan, const PlanCodec& codec);

// Scratch of the encoder, or of the decoder, with which error feedback and control variates find
// out what was sent.
int64_t CodecScratchBytes(const Plan& plan, const PlanCodec& codec);

}  // namespace tern

#endif  // TERN_CORE_WIRE_PLAN_BYTES_H_
