// Aggregation on one core: the exact mean straight from payloads, beside a loop that moves the same
// bytes, and rules that read a whole cohort's updates back.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "aggregation/aggregator.h"
#include "compression/codec.h"
#include "core/base/random.h"

namespace tern {
namespace {

using aggregation::AggregatorLimits;
using aggregation::AggregatorOptions;
using compression::CodecContext;

constexpr int64_t kCount = 1'000'000;
constexpr int64_t kUpdates = 50;
constexpr const char* kCodecs[] = {"none", "quantize(8)"};
constexpr const char* kStreaming[] = {"mean", "norm_clip"};
constexpr const char* kRules[] = {"median", "trimmed_mean",     "krum",          "multi_krum",
                                  "bulyan", "geometric_median", "centered_clip", "fltrust"};

std::vector<float> Values(uint64_t seed) {
  std::vector<float> values(kCount);
  RandomStream random({.seed = seed});
  for (float& value : values) value = (random.NextFloat() - 0.5f) * 0.02f;
  return values;
}

// Updates of a cohort, encoded.
struct Cohort {
  Cohort(const char* codec_text, int64_t size)
      : codec(codec_text), decoder(compression::MakeDecoder(*compression::ParseCodec(codec))) {
    const auto encoder = compression::MakeEncoder(*compression::ParseCodec(codec));
    std::vector<char> scratch(static_cast<size_t>(encoder->ScratchBytes(context)));
    for (int64_t i = 0; i < size; ++i) {
      payloads.emplace_back();
      ByteWriter writer(&payloads.back());
      if (!encoder
               ->Encode(Values(static_cast<uint64_t>(i)), context, absl::MakeSpan(scratch), writer)
               .ok()) {
        std::abort();
      }
    }
  }
  void AccumulateInto(aggregation::Aggregator& aggregator) const {
    for (size_t i = 0; i < payloads.size(); ++i) {
      aggregator.Accumulate(
          {.decoder = *decoder, .payload = payloads[i], .context = context, .codec = codec},
          {.id = i, .weight = 600}, nullptr);
    }
  }

  const std::string codec;
  const std::unique_ptr<compression::Decoder> decoder;
  const CodecContext context = {.count = kCount, .key = {.seed = 1, .round = 1, .client = 1}};
  std::vector<std::string> payloads;
};

AggregatorLimits Limits() {
  return {.count = kCount, .max_total_weight = int64_t{1} << 37, .max_updates = kUpdates};
}

// What is read and written for one update in the exact sum: a float, and a sum of eight bytes.
void BM_SameBytes(benchmark::State& state) {
  const std::vector<float> from = Values(1);
  std::vector<double> sums(from.size());
  for (auto _ : state) {
    for (size_t i = 0; i < from.size(); ++i) sums[i] += static_cast<double>(from[i]);
    benchmark::DoNotOptimize(sums.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * kCount);
}

void BM_Accumulate(benchmark::State& state) {
  const Cohort cohort(kCodecs[state.range(1)], 1);
  const auto aggregator =
      *aggregation::MakeAggregator({.name = kStreaming[state.range(0)]}, Limits());
  for (auto _ : state) cohort.AccumulateInto(*aggregator);
  state.SetItemsProcessed(state.iterations() * kCount);
  state.SetLabel(std::string(kStreaming[state.range(0)]) + " " + cohort.codec);
}

void BM_Rule(benchmark::State& state) {
  // Made once: encoding takes longer than what is measured.
  static const Cohort* const cohorts[] = {new Cohort(kCodecs[0], kUpdates),
                                          new Cohort(kCodecs[1], kUpdates)};
  const Cohort& cohort = *cohorts[state.range(1)];
  const AggregatorOptions options = {.name = kRules[state.range(0)], .attackers = 10};
  const std::vector<float> reference = Values(1000);
  for (auto _ : state) {
    auto aggregator = *aggregation::MakeAggregator(options, Limits());
    cohort.AccumulateInto(*aggregator);
    const auto aggregate = std::move(*aggregator).Report({.reference = reference});
    if (!aggregate.ok()) state.SkipWithError(std::string(aggregate.status().message()).c_str());
  }
  state.SetItemsProcessed(state.iterations() * kCount * kUpdates);
  state.SetLabel(std::string(options.name) + " " + cohort.codec);
}

BENCHMARK(BM_SameBytes);
BENCHMARK(BM_Accumulate)->ArgsProduct({{0, 1}, {0, 1}});
BENCHMARK(BM_Rule)
    ->ArgsProduct({benchmark::CreateDenseRange(0, std::size(kRules) - 1, 1), {0, 1}})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tern
