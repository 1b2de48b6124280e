// A coordinator that gives the plan it was told to whoever checks in, and keeps what is submitted.
#ifndef TERN_TESTS_CLIENT_FAKE_COORDINATOR_H_
#define TERN_TESTS_CLIENT_FAKE_COORDINATOR_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "client/transport.h"
#include "compression/codec.h"
#include "compression/dense_sinks.h"
#include "compression/frame.h"
#include "core/base/check.h"
#include "core/base/random.h"
#include "core/crypto/sha256.h"
#include "core/wire/plan_codec.h"
#include "core/wire/serialize.h"

namespace tern::client {

// Its client is "device".
class FakeCoordinator final : public Transport {
 public:
  // From the next lease on; the model gets another version. `control`: of the plans that receive
  // one; empty: zeros.
  void SetRound(Plan plan, std::vector<float> model, std::vector<float> control = {}) {
    const auto none = compression::MakeEncoder(*compression::ParseCodec("none"));
    plan_ = std::move(plan);
    model_ = std::move(model);
    frame_ = *compression::EncodeFrame(*none, model_, ++version_, {});
    hash_ = ModelHash(model_);
    if (!plan_.train.receives_control()) return;
    control.resize(model_.size());
    frame_ += *compression::EncodeFrame(*none, control, version_, {});
  }

  absl::StatusOr<CheckInReply> CheckIn(const CheckInRequest&) override {
    Lease lease{.lease_id = std::string(16, 'l'),
                .task = task,
                .plan = plan_,
                .model_version = version_,
                .base_hash = hash_,
                .model_bytes = static_cast<int64_t>(frame_.size()),
                .deadline = absl::Seconds(60)};
    if (change_lease) change_lease(lease);
    return lease;
  }
  absl::Status FetchModel(absl::string_view, int64_t, std::string& model) override {
    model.append(frame_);
    if (change_fetched) change_fetched(model);
    return absl::OkStatus();
  }
  absl::StatusOr<SubmitUpdateReply> SubmitUpdate(absl::string_view,
                                                 absl::string_view update) override {
    submitted.assign(update.data(), update.size());
    if (!answer.ok()) return answer;
    return SubmitUpdateReply{};
  }
  absl::StatusOr<ReportFailureReply> ReportFailure(const ReportFailureRequest& request) override {
    failures.push_back(request.message);
    return ReportFailureReply{};
  }

  // What was submitted last, as a coordinator reads it.
  Update LastUpdate() const { return Parse<Update>(submitted).value(); }
  std::vector<float> LastCoordinates() const { return LastSection(0, kParametersSection); }
  std::vector<float> LastControl() const { return LastSection(1, kControlSection); }

  std::string task = "task";
  absl::Status answer;  // to what is submitted
  // Leases, and what a transport brings, as they are not meant to be; empty: they are.
  std::function<void(Lease&)> change_lease;
  std::function<void(std::string&)> change_fetched;
  std::string submitted;
  std::vector<std::string> failures;

 private:
  std::vector<float> LastSection(size_t index, const char* name) const {
    const Update update = LastUpdate();
    const PlanCodec codec = PlanCodec::Make(plan_).value();
    const auto decoder = compression::MakeDecoder(codec.spec());
    const compression::CodecContext context =
        codec.Context(HashClientId("device"), name == std::string(kControlSection));
    const Section& section = update.sections.at(index);
    const auto frame = compression::ReadFrame(section.frame, *decoder, context, 1e6f);
    TERN_CHECK(section.name == name && frame.ok() && frame->model_version == version_);
    std::vector<float> values(model_.size(), 0.0f);
    compression::DenseSink sink(absl::MakeSpan(values));
    decoder->DecodeInto(frame->payload, context, sink);
    return values;
  }

  Plan plan_;
  std::vector<float> model_;
  uint64_t version_ = 0;
  std::string frame_;
  std::string hash_;
};

}  // namespace tern::client

#endif  // TERN_TESTS_CLIENT_FAKE_COORDINATOR_H_
