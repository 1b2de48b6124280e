#include "core/wire/plan_bytes.h"

#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "compression/frame.h"
#include "core/train/trainer.h"
#include "core/wire/conversion_checks.h"
#include "core/wire/messages.h"
#include "core/wire/serialize.h"

namespace tern {
namespace {

int64_t FloatBytes(int64_t count) { return count * static_cast<int64_t>(sizeof(float)); }

int64_t ResidualBytes(const Plan& plan, int64_t count) {
  const bool is_half = plan.residual.format == ResidualFormat::kBfloat16;
  return kStoredHeaderBytes + (is_half ? count * 2 : FloatBytes(count));
}

// Numbers take the more bytes the larger they are.
int64_t MaxUpdateBytes(const TrainOptions& train, int64_t max_frame_bytes) {
  constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();
  Update update = {.lease_id = std::string(kLeaseIdBytes, '\0'),
                   .base_hash = std::string(kHashBytes, '\0'),
                   .sections = {{.name = kParametersSection}},
                   .report = {.num_examples = kLargest,
                              .local_steps = kLargest,
                              .train_loss = 1.0,
                              .peak_memory_bytes = kLargest}};
  if (train.receives_control()) update.sections.push_back({.name = kControlSection});
  if (train.measure_start_loss) update.report.metrics[kStartLossMetric] = 1.0;
  const std::vector<int64_t> frames(update.sections.size(), max_frame_bytes);
  const UpdateEnvelope envelope = MakeUpdateEnvelope(update, frames);
  auto bytes = static_cast<int64_t>(envelope.after.size());
  for (const std::string& before : envelope.before) {
    bytes += static_cast<int64_t>(before.size()) + max_frame_bytes;
  }
  return bytes;
}

}  // namespace

absl::StatusOr<PlanBytes> CountPlanBytes(const Plan& plan, const PlanCodec& codec) {
  const TrainOptions& train = plan.train;
  const int64_t frame =
      compression::MaxFrameBytes(*compression::MakeEncoder(codec.spec()), codec.Context(0));
  const int64_t update = frame > kMaxMessageBytes ? frame : MaxUpdateBytes(train, frame);
  if (update > kMaxMessageBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("an update of ", codec.count(), " parameters under codec '", plan.codec,
                     "' takes up to ", update, " bytes, expected at most ", kMaxMessageBytes));
  }
  const int64_t model_frame = compression::kFrameHeaderBytes + FloatBytes(codec.count());
  PlanBytes bytes = {.model = train.receives_control() ? 2 * model_frame : model_frame,
                     .update = update};
  if (plan.error_feedback) bytes.residual = ResidualBytes(plan, codec.count());
  if (train.has_control()) bytes.control = kStoredHeaderBytes + FloatBytes(codec.count());
  if (codec.personal() != nullptr) {
    bytes.personal = kStoredHeaderBytes + FloatBytes(codec.personal()->size);
  }
  return bytes;
}

int64_t CodecScratchBytes(const Plan& plan, const PlanCodec& codec) {
  const compression::CodecContext context = codec.Context(0);
  const int64_t encoder = compression::MakeEncoder(codec.spec())->ScratchBytes(context);
  if (!plan.error_feedback && !plan.train.has_control()) return encoder;
  return std::max(encoder, compression::MakeDecoder(codec.spec())->ScratchBytes(context));
}

}  // namespace tern
