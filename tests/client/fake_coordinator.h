// A coordinator that gives the plan it was told to whoever checks in, and keeps what is submitted.
#ifndef TERN_TESTS_CLIENT_FAKE_COORDINATOR_H_
#define TERN_TESTS_CLIENT_FAKE_COORDINATOR_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "client/transport.h"
#include "compression/codec.h"
#include "compression/dense_sinks.h"
#include "compression/frame.h"
#include "core/base/check.h"
#include "core/crypto/sha256.h"
#include "core/wire/serialize.h"

namespace tern::client {

class FakeCoordinator final : public Transport {
 public:
  // From the next lease on; the model gets another version.
  void SetRound(Plan plan, std::vector<float> model) {
    const auto none = compression::MakeEncoder(*compression::ParseCodec("none"));
    plan_ = std::move(plan);
    model_ = std::move(model);
    frame_ = *compression::EncodeFrame(*none, model_, ++version_, {});
    hash_ = ModelHash(model_);
  }

  absl::StatusOr<CheckInReply> CheckIn(const CheckInRequest&) override {
    return Lease{.lease_id = std::string(16, 'l'),
                 .task = task,
                 .plan = plan_,
                 .model_version = version_,
                 .base_hash = hash_,
                 .model_bytes = static_cast<int64_t>(frame_.size()),
                 .deadline = absl::Seconds(60)};
  }
  absl::Status FetchModel(absl::string_view, int64_t, std::string& model) override {
    model.append(frame_);
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
  std::vector<float> LastCoordinates() const {
    const Update update = LastUpdate();
    const auto decoder = compression::MakeDecoder(*compression::ParseCodec(plan_.codec));
    const compression::CodecContext context{.count = static_cast<int64_t>(model_.size())};
    const auto frame = compression::ReadFrame(update.sections.at(0).frame, *decoder, context, 1e6f);
    TERN_CHECK(frame.ok() && frame->model_version == version_);
    std::vector<float> values(model_.size(), 0.0f);
    compression::DenseSink sink(absl::MakeSpan(values));
    decoder->DecodeInto(frame->payload, context, sink);
    return values;
  }

  std::string task = "task";
  absl::Status answer;  // to what is submitted
  std::string submitted;
  std::vector<std::string> failures;

 private:
  Plan plan_;
  std::vector<float> model_;
  uint64_t version_ = 0;
  std::string frame_;
  std::string hash_;
};

}  // namespace tern::client

#endif  // TERN_TESTS_CLIENT_FAKE_COORDINATOR_H_
