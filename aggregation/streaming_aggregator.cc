#include "aggregation/streaming_aggregator.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "aggregation/sealed_bytes.h"
#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/base/crc32c.h"
#include "core/base/status_macros.h"

namespace tern::aggregation {
namespace {

uint32_t Fingerprint(const StreamingRuleId& id, const SumLimits& limits) {
  std::string bytes(id.name);
  ByteWriter writer(&bytes);
  for (const double option : id.options) writer.Write<double>(option);
  writer.Write<int64_t>(limits.count);
  writer.Write<double>(limits.max_update_abs);
  writer.Write<double>(limits.max_factor);
  writer.Write<int64_t>(limits.max_total_weight);
  writer.Write<double>(limits.max_statistic);
  return Crc32c(bytes);
}

class StreamingAggregator final : public Aggregator {
 public:
  StreamingAggregator(const StreamingRuleId& id, std::unique_ptr<const StreamingRule> rule,
                      WeightedSums sums, uint32_t fingerprint)
      : name_(id.name),
        writer_(absl::StrCat("aggregator ", id.name)),
        fingerprint_(fingerprint),
        rule_(std::move(rule)),
        sums_(std::move(sums)) {}

  void Accumulate(const EncodedUpdate& update, const UpdateFacts& facts,
                  const std::shared_ptr<const CoordinateSet>& coordinates) override {
    TERN_CHECK(coordinates == nullptr || TakesSubmodels(name_));
    sums_.Add(update, rule_->TermOf(update, facts), coordinates);
  }

  void Merge(Aggregator&& other) override {
    auto* const same = dynamic_cast<StreamingAggregator*>(&other);
    TERN_CHECK(same != nullptr && same != this && same->fingerprint_ == fingerprint_);
    sums_.Merge(same->sums_);
  }

  absl::StatusOr<Aggregate> Report(const ReportInputs& /*inputs*/) && override {
    if (sums_.num_updates() == 0) {
      return absl::FailedPreconditionError(
          absl::StrCat(name_, ": no update was accumulated, expected at least 1"));
    }
    const double statistic = sums_.MeanStatistic();
    Aggregate aggregate = {.values = sums_.Mean(rule_->Multiplier(statistic)),
                           .num_updates = sums_.num_updates(),
                           .mean_squared_norm = rule_->MeanSquaredNorm(statistic)};
    sums_.Clear();
    return aggregate;
  }

  std::string Serialize() const override {
    std::string bytes = BeginSeal(format());
    sums_.AppendTo(bytes);
    EndSeal(bytes);
    return bytes;
  }

  absl::Status Deserialize(absl::string_view bytes) override {
    TERN_ASSIGN_OR_RETURN(const absl::string_view sums, OpenSeal(format(), bytes));
    return sums_.Read(sums);
  }

 private:
  SealFormat format() const {
    return {.magic = "TERNSUMS", .version = 1, .fingerprint = fingerprint_, .writer = writer_};
  }

  const absl::string_view name_;
  const std::string writer_;
  const uint32_t fingerprint_;
  const std::unique_ptr<const StreamingRule> rule_;
  WeightedSums sums_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Aggregator>> MakeStreamingAggregator(
    const StreamingRuleId& id, std::unique_ptr<const StreamingRule> rule, const SumLimits& limits) {
  absl::StatusOr<WeightedSums> sums = WeightedSums::Create(limits);
  if (!sums.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("aggregator '", id.name, "': ", sums.status().message()));
  }
  return std::make_unique<StreamingAggregator>(id, std::move(rule), *std::move(sums),
                                               Fingerprint(id, limits));
}

}  // namespace tern::aggregation
