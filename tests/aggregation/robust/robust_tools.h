// Shorthands for tests of the robust rules.
#ifndef TERN_TESTS_AGGREGATION_ROBUST_ROBUST_TOOLS_H_
#define TERN_TESTS_AGGREGATION_ROBUST_ROBUST_TOOLS_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aggregation/robust/robust_aggregator.h"
#include "compression/codec.h"
#include "core/base/check.h"
#include "core/base/random.h"

namespace tern::aggregation {

using SharedSet = std::shared_ptr<const CoordinateSet>;

inline SharedSet MakeSet(std::vector<CoordinateRun> runs, int64_t full_size) {
  auto set = std::make_shared<CoordinateSet>();
  for (const CoordinateRun& run : runs) set->size += run.size;
  set->runs = std::move(runs);
  set->full_size = full_size;
  return set;
}

// About half of the coordinates, in short and long runs.
inline SharedSet RandomSet(RandomStream& random, int64_t full_size, uint32_t longest) {
  std::vector<CoordinateRun> runs;
  for (int64_t at = random.Below(longest); at < full_size;) {
    const int64_t size = std::min<int64_t>(1 + random.Below(longest), full_size - at);
    runs.push_back({at, size});
    at += size + 1 + random.Below(longest);
  }
  return MakeSet(std::move(runs), full_size);
}

// What an update is made of.
struct UpdateSpec {
  std::vector<float> values;  // those that it holds
  uint64_t id = 0;
  int64_t weight = 1;
  std::string codec = "none";
  SharedSet coordinates = nullptr;
  SharedSet mask = nullptr;  // over the coordinates that it holds
};

// An encoded update, and all that EncodedUpdate shows of it.
class TestUpdate {
 public:
  explicit TestUpdate(const UpdateSpec& spec)
      : id_(spec.id),
        weight_(spec.weight),
        codec_(spec.codec),
        coordinates_(spec.coordinates),
        mask_(spec.mask),
        tensor_sizes_({static_cast<int64_t>(spec.values.size())}) {
    const compression::CodecSpec parsed = compression::ParseCodec(codec_).value();
    decoder_ = compression::MakeDecoder(parsed);
    context_ = {.count = static_cast<int64_t>(spec.values.size()),
                .tensor_sizes = tensor_sizes_,
                .mask = mask_.get(),
                .key = {.seed = 7, .round = 3, .client = spec.id}};
    const auto encoder = compression::MakeEncoder(parsed);
    std::vector<char> scratch(static_cast<size_t>(encoder->ScratchBytes(context_)));
    ByteWriter writer(&payload_);
    const absl::Status status =
        encoder->Encode(spec.values, context_, absl::MakeSpan(scratch), writer);
    TERN_CHECK(status.ok());
  }
  TestUpdate(const TestUpdate&) = delete;

  void AccumulateInto(Aggregator& aggregator) const {
    aggregator.Accumulate(
        {.decoder = *decoder_, .payload = payload_, .context = context_, .codec = codec_},
        {.id = id_, .weight = weight_}, coordinates_);
  }
  // Beside a set that is equal to its own, at another address.
  void AccumulateCopyInto(Aggregator& aggregator) const {
    aggregator.Accumulate(
        {.decoder = *decoder_, .payload = payload_, .context = context_, .codec = codec_},
        {.id = id_, .weight = weight_},
        coordinates_ == nullptr ? nullptr : std::make_shared<const CoordinateSet>(*coordinates_));
  }

  const std::string& payload() const { return payload_; }
  const compression::Decoder& decoder() const { return *decoder_; }
  const compression::CodecContext& context() const { return context_; }

 private:
  const uint64_t id_;
  const int64_t weight_;
  const std::string codec_;
  const SharedSet coordinates_;
  const SharedSet mask_;
  const std::vector<int64_t> tensor_sizes_;
  std::unique_ptr<compression::Decoder> decoder_;
  std::string payload_;
  compression::CodecContext context_;
};

inline AggregatorLimits LimitsOf(int64_t count, int64_t max_updates) {
  return {.count = count, .max_total_weight = 1 << 20, .max_updates = max_updates};
}

// The aggregate of updates of codec `none`, with ids from 0 on.
inline absl::StatusOr<Aggregate> AggregateOf(const AggregatorOptions& options,
                                             const std::vector<std::vector<float>>& updates,
                                             const ReportInputs& inputs = {}) {
  const auto n = static_cast<int64_t>(updates.size());
  auto aggregator =
      MakeRobustAggregator(options, LimitsOf(static_cast<int64_t>(updates[0].size()), n)).value();
  std::vector<std::unique_ptr<TestUpdate>> encoded;
  for (const std::vector<float>& values : updates) {
    encoded.push_back(
        std::make_unique<TestUpdate>(UpdateSpec{.values = values, .id = encoded.size()}));
    encoded.back()->AccumulateInto(*aggregator);
  }
  return std::move(*aggregator).Report(inputs);
}

inline std::vector<float> ValuesOf(const AggregatorOptions& options,
                                   const std::vector<std::vector<float>>& updates,
                                   const ReportInputs& inputs = {}) {
  return AggregateOf(options, updates, inputs).value().values;
}

inline std::vector<float> RandomValues(RandomStream& random, int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = random.NextFloat() - random.NextFloat();
  return values;
}

}  // namespace tern::aggregation

#endif  // TERN_TESTS_AGGREGATION_ROBUST_ROBUST_TOOLS_H_
