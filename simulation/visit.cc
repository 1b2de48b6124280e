#include "simulation/visit.h"

#include <algorithm>
#include <utility>

#include "compression/codec.h"
#include "compression/frame.h"
#include "core/base/check.h"
#include "core/model/cost.h"
#include "core/train/plan_cost.h"
#include "core/wire/chunks.h"
#include "core/wire/plan_codec.h"

namespace tern::simulation {
namespace {

// Operations of the local training that a plan asks for.
double TrainingFlops(const Plan& plan, int64_t num_examples) {
  const absl::StatusOr<Cost> cost = CountCost(plan.model);
  TERN_CHECK(cost.ok());
  return StartFlops(*cost, plan.train, num_examples) +
         static_cast<double>(cost->training_flops) *
             static_cast<double>(ExamplesTrained(plan.train, num_examples));
}

// Bytes of the shortest update that the plan's codec can make, without the message around it.
int64_t LeastUploadBytes(const Plan& plan) {
  const auto codec = PlanCodec::Make(plan);
  TERN_CHECK(codec.ok());
  const auto encoder = compression::MakeEncoder(codec->spec());
  const int64_t frame =
      compression::kFrameHeaderBytes + encoder->MinEncodedBytes(codec->Context(0));
  return ChunkedBytes(plan.train.receives_control() ? 2 * frame : frame, /*with_lease_id=*/true);
}

}  // namespace

Visit::Visit(int64_t client, const std::string& client_id, const Capabilities& capabilities,
             const Parts& parts)
    : client_(client),
      transport_(parts.coordinator),
      examples_(parts.dataset, parts.examples),
      session_({.client_id = client_id,
                .capabilities = capabilities,
                .give_up_after = absl::ZeroDuration(),
                .verify_model_hash = false},
               {.transport = &transport_,
                .trainer = &trainer_,
                .dataset = &examples_,
                .clock = &clock_,
                .buffers = &buffers_,
                .state = parts.state,
                .observer = parts.keep_update ? &keeper_ : nullptr}) {}

client::Session::Progress Visit::CheckIn(absl::Duration now) {
  clock_.Advance(now - clock_.Now());
  started_at = now;
  return session_.Step();
}

void Visit::Work(Worker& worker) {
  using State = client::Session::State;
  LyingTrainer liar(&worker.trainer, attack.get());
  trainer_.trainer = attack == nullptr ? static_cast<Trainer*>(&worker.trainer) : &liar;
  std::swap(buffers_, worker.buffers);
  buffers_.transfer.clear();  // of what the device before has left there
  client::Session::Progress progress = session_.Step();
  if (progress.next == State::kTrain) progress = session_.Step();
  if (progress.next == State::kSubmit) {
    const absl::Status carried = transport_.Upload(buffers_.transfer);
    TERN_CHECK(carried.ok());
  } else {
    failure_ = progress.message;
  }
  // The session needs none of it any more but what it keeps when the update is acknowledged.
  std::swap(buffers_.transfer, worker.buffers.transfer);
  if (!lease().plan.error_feedback || !has_update()) {
    std::swap(buffers_.parameters, worker.buffers.parameters);
  }
  if (!has_update()) {
    std::swap(buffers_.control, worker.buffers.control);
    std::swap(buffers_.personal, worker.buffers.personal);
  }
}

absl::Duration Visit::Submit(absl::Duration now) {
  clock_.Advance(now - clock_.Now());
  const client::Session::Progress progress = session_.Step();
  if (transport_.failure().has_value()) failure_ = progress.message;
  return progress.wait;
}

absl::Duration Visit::DeliverFailure() {
  // The session may have found the lease at its end before it began.
  if (!transport_.failure().has_value()) return client::Session::kRetryWait;
  const absl::StatusOr<ReportFailureReply> reply = transport_.DeliverFailure();
  return reply.ok() ? reply->retry_after : client::Session::kRetryWait;
}

void Visit::PlanLegs(const DeviceProfile& profile, const DeviceSpeed& speed) {
  legs[0] = DownloadLeg(profile.network, speed.downlink_bytes_per_second,
                        DownloadTraffic(lease().model_bytes));
  legs[1] =
      TrainLeg(profile, speed.flops_per_second, TrainingFlops(lease().plan, examples_.size()));
  legs[2] =
      UploadLeg(profile.network, speed.uplink_bytes_per_second, LeastUploadBytes(lease().plan));
}

void Visit::MeasureUpload(const DeviceProfile& profile, const DeviceSpeed& speed) {
  legs[2] = UploadLeg(profile.network, speed.uplink_bytes_per_second, transport_.upload_bytes());
}

}  // namespace tern::simulation
