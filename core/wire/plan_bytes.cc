#include "core/wire/plan_bytes.h"

#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "compression/frame.h"
#include "core/wire/conversion_checks.h"
#include "core/wire/messages.h"
#include "core/wire/serialize.h"

namespace tern {
namespace {

int64_t ResidualBytes(const Plan& plan, int64_t count) {
  const bool is_half = plan.residual.format == ResidualFormat::kBfloat16;
  return kResidualHeaderBytes + count * (is_half ? 2 : 4);
}

// Numbers take the more bytes the larger they are.
int64_t MaxUpdateBytes(int64_t max_frame_bytes) {
  constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();
  const UpdateEnvelope envelope = MakeUpdateEnvelope({.lease_id = std::string(kLeaseIdBytes, '\0'),
                                                      .base_hash = std::string(kHashBytes, '\0'),
                                                      .sections = {{.name = kParametersSection}},
                                                      .report = {.num_examples = kLargest,
                                                                 .local_steps = kLargest,
                                                                 .train_loss = 1.0,
                                                                 .peak_memory_bytes = kLargest}},
                                                     max_frame_bytes);
  return static_cast<int64_t>(envelope.before.size() + envelope.after.size()) + max_frame_bytes;
}

}  // namespace

absl::StatusOr<PlanBytes> CountPlanBytes(const Plan& plan, const PlanCodec& codec) {
  const int64_t frame =
      compression::MaxFrameBytes(*compression::MakeEncoder(codec.spec()), codec.Context(0));
  const int64_t update = frame > kMaxMessageBytes ? frame : MaxUpdateBytes(frame);
  if (update > kMaxMessageBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("an update of ", codec.count(), " parameters under codec '", plan.codec,
                     "' takes up to ", update, " bytes, expected at most ", kMaxMessageBytes));
  }
  const int64_t float_bytes = codec.count() * static_cast<int64_t>(sizeof(float));
  return PlanBytes{.model = compression::kFrameHeaderBytes + float_bytes,
                   .update = update,
                   .residual = plan.error_feedback ? ResidualBytes(plan, codec.count()) : 0};
}

int64_t CodecScratchBytes(const Plan& plan, const PlanCodec& codec) {
  const compression::CodecContext context = codec.Context(0);
  const int64_t encoder = compression::MakeEncoder(codec.spec())->ScratchBytes(context);
  if (!plan.error_feedback) return encoder;
  return std::max(encoder, compression::MakeDecoder(codec.spec())->ScratchBytes(context));
}

}  // namespace tern
