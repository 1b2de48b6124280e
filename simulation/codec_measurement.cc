#include "simulation/codec_measurement.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "aggregation/aggregator.h"
#include "compression/dense_sinks.h"
#include "compression/frame.h"
#include "compression/magnitude.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"

namespace tern::simulation {
namespace {

constexpr absl::Duration kLongEnough = absl::Milliseconds(200);
constexpr int kFewest = 5;

// The median of several runs. A first one is not counted: memory is touched for the first time.
double MedianSeconds(const MeasureOptions& options, absl::FunctionRef<void()> run) {
  run();
  std::vector<absl::Duration> times;
  absl::Duration total;
  const auto enough = [&] {
    const auto done = static_cast<int>(times.size());
    if (options.repetitions > 0) return done >= options.repetitions;
    return done >= kMaxRepetitions || (done >= kFewest && total >= kLongEnough);
  };
  while (!enough()) {
    const absl::Duration begin = options.clock->Now();
    run();
    times.push_back(options.clock->Now() - begin);
    total += times.back();
  }
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return absl::ToDoubleSeconds(*middle);
}

double FloatBytes(int64_t count) { return static_cast<double>(count) * sizeof(float); }

double SquaredNorm(absl::Span<const float> values) {
  double sum = 0.0;
  for (const float value : values) sum += double{value} * double{value};
  return sum;
}

double NormalizedError(absl::Span<const float> values, absl::Span<const float> decoded) {
  double error = 0.0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double difference = double{values[i]} - double{decoded[i]};
    error += difference * difference;
  }
  return error == 0.0 ? 0.0 : error / SquaredNorm(values);
}

// One codec and one update.
class Measurer {
 public:
  Measurer(const compression::CodecSpec& spec, absl::Span<const float> update)
      : encoder_(compression::MakeEncoder(spec)),
        decoder_(compression::MakeDecoder(spec)),
        update_(update),
        context_{.count = static_cast<int64_t>(update.size()),
                 .tensor_sizes = {},
                 .mask = nullptr,
                 .key = {.seed = 1, .round = 1, .client = 1}},
        scratch_(static_cast<size_t>(encoder_->ScratchBytes(context_))) {
    frame_.reserve(static_cast<size_t>(compression::MaxFrameBytes(*encoder_, context_)));
  }

  absl::StatusOr<CodecMeasurement> Measure(const MeasureOptions& options) {
    TERN_RETURN_IF_ERROR(Encode());
    TERN_ASSIGN_OR_RETURN(
        const compression::Frame frame,
        compression::ReadFrame(frame_, *decoder_, context_, compression::kLargestFinite));
    std::vector<float> decoded(update_.size());
    compression::DenseSink sink(absl::MakeSpan(decoded));
    decoder_->DecodeInto(frame.payload, context_, sink);
    CodecMeasurement result{.count = context_.count,
                            .frame_bytes = static_cast<int64_t>(frame_.size()),
                            .scratch_bytes = static_cast<int64_t>(scratch_.size()),
                            .nmse = NormalizedError(update_, decoded)};
    if (options.clock != nullptr) TERN_RETURN_IF_ERROR(Time(options, decoded, result));
    return result;
  }

 private:
  absl::Status Encode() {
    frame_.clear();
    return compression::AppendFrame(
        *encoder_, {.values = update_, .context = context_, .scratch = absl::MakeSpan(scratch_)},
        frame_);
  }

  absl::Status Time(const MeasureOptions& options, absl::Span<const float> decoded,
                    CodecMeasurement& result) {
    aggregation::AggregatorLimits limits{.count = context_.count,
                                         .max_total_weight = kMaxRepetitions + 1,
                                         .max_updates = kMaxRepetitions + 1};
    for (const float value : decoded) {
      limits.max_update_abs = std::max(limits.max_update_abs, std::fabs(value));
    }
    TERN_ASSIGN_OR_RETURN(const std::unique_ptr<aggregation::Aggregator> mean,
                          aggregation::MakeAggregator({.name = "mean"}, limits));
    const double float_bytes = FloatBytes(context_.count);
    result.encode_bytes_per_s =
        float_bytes / MedianSeconds(options, [&] { TERN_CHECK(Encode().ok()); });
    const absl::string_view payload =
        absl::string_view(frame_).substr(compression::kFrameHeaderBytes);
    const aggregation::EncodedUpdate encoded{*decoder_, payload, context_};
    result.decode_bytes_per_s =
        float_bytes / MedianSeconds(options, [&] { mean->Accumulate(encoded, {}, nullptr); });
    return absl::OkStatus();
  }

  const std::unique_ptr<compression::Encoder> encoder_;
  const std::unique_ptr<compression::Decoder> decoder_;
  const absl::Span<const float> update_;
  const compression::CodecContext context_;
  std::vector<char> scratch_;
  std::string frame_;
};

}  // namespace

double CodecMeasurement::bits_per_parameter() const {
  return 8.0 * static_cast<double>(frame_bytes) / static_cast<double>(count);
}

double CodecMeasurement::times_smaller() const {
  return FloatBytes(count) / static_cast<double>(frame_bytes);
}

std::optional<double> CodecMeasurement::distance_bits() const {
  if (nmse == 0.0) return std::nullopt;
  // Nothing needs to be sent for an error as large as the update.
  return bits_per_parameter() + std::min(0.0, 0.5 * std::log2(nmse));
}

absl::StatusOr<CodecMeasurement> MeasureCodec(const compression::CodecSpec& spec,
                                              absl::Span<const float> update,
                                              const MeasureOptions& options) {
  absl::StatusOr<CodecMeasurement> result = Measurer(spec, update).Measure(options);
  if (!result.ok()) {
    return absl::Status(result.status().code(),
                        absl::StrCat("codec '", spec.ToString(), "': ", result.status().message()));
  }
  result->codec = spec.ToString();
  return result;
}

std::vector<std::string> DefaultCodecs(absl::Span<const float> update) {
  // A number of three digits, with 1.2 % of a normal distribution above it.
  const double deviation = std::sqrt(SquaredNorm(update) / static_cast<double>(update.size()));
  const std::string threshold =
      absl::StrFormat("threshold(%.3g)|ternary|rans", deviation > 0.0 ? 2.5 * deviation : 1.0);
  return {"none",
          "float16",
          "bfloat16",
          "quantize(8)",
          "quantize(8)|rans",
          "quantize(4)",
          "quantize(4, stochastic)|rans",
          "quantize(2)|zstd",
          "qsgd(7, 512)|rans",
          "sign",
          "rotate|quantize(4)|rans",
          "rotate|eden(4)|rans",
          "rotate|eden(2)|rans",
          "rotate|eden(2, mse)|rans",
          "rotate|eden(1, mse)",
          "rotate|eden(0.1)",
          "rotate|ecsq(4)|rans",
          "rotate|ecsq(2)|rans",
          "rotate|ecsq(1)|rans",
          "topk(0.1)",
          "topk(0.1)|float16|bitpack",
          "topk(0.1)|quantize(4)|rans",
          "topk(0.1)|ternary|rice",
          "topk(0.01)|ternary|rice",
          "topk(0.001)|ternary|rans",
          threshold,
          "randk(0.1)|quantize(4)"};
}

}  // namespace tern::simulation
