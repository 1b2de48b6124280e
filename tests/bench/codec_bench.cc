// Codecs and aggregation, in bytes of 32-bit floats per second; memcpy of the same floats beside.
//
// The largest size does not fit the caches, as a cohort's updates do not.
#include <benchmark/benchmark.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "aggregation/aggregator.h"
#include "compression/codec.h"
#include "compression/dense_sinks.h"
#include "compression/frame.h"
#include "core/base/random.h"
#include "core/model/submodel.h"
#include "core/model/zoo.h"

namespace tern {
namespace {

using compression::CodecContext;
using compression::CodecSpec;

constexpr int64_t kSizes[] = {44426, 1663370, 16 << 20};  // lenet5, mcmahan_cnn, larger than caches
constexpr const char* kModels[] = {"lenet5", "mcmahan_cnn"};
constexpr const char* kCodecs[] = {
    "none",
    "float16",
    "quantize(8)",
    "quantize(4)",
    "quantize(4)|rans",
    "sign",
    "topk(0.01)|ternary|rice",
    "topk(0.1)|ternary|rans",
    "randk(0.1)|quantize(8)",
    "rotate|eden(1)",
    "rotate|eden(2)|rans",
    "rotate|ecsq(2)|rans",
    "rotate|quantize(4)|rans",
    "topk(0.01)|ternary|zstd",
};

std::vector<float> Update(int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  RandomStream random({.seed = 1});
  for (float& value : values) {
    value = 0.0f;  // nearly normal
    for (int i = 0; i < 4; ++i) value += (random.NextFloat() - 0.5f) * 0.02f;
  }
  return values;
}

struct Fixture {
  explicit Fixture(const benchmark::State& state) : Fixture(state.range(0), state.range(1)) {}
  Fixture(int64_t codec, int64_t num_coordinates)
      : count(num_coordinates),
        values(Update(count)),
        spec(*compression::ParseCodec(kCodecs[codec])),
        encoder(compression::MakeEncoder(spec)),
        decoder(compression::MakeDecoder(spec)),
        context{.count = count, .key = {.seed = 1, .round = 1, .client = 1}},
        frame(*compression::EncodeFrame(*encoder, values, 1, context)) {}

  absl::string_view payload() const {
    return absl::string_view(frame).substr(compression::kFrameHeaderBytes);
  }

  int64_t count;
  std::vector<float> values;
  CodecSpec spec;
  std::unique_ptr<compression::Encoder> encoder;
  std::unique_ptr<compression::Decoder> decoder;
  CodecContext context;
  std::string frame;
};

void Report(benchmark::State& state, const Fixture& fixture) {
  state.SetLabel(fixture.spec.ToString());
  state.SetBytesProcessed(state.iterations() * fixture.count * static_cast<int64_t>(sizeof(float)));
}

void BM_Memcpy(benchmark::State& state) {
  const std::vector<float> from = Update(state.range(0));
  std::vector<float> to(from.size());
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), from.size() * sizeof(float));
    benchmark::DoNotOptimize(to.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(from.size() * sizeof(float)));
}

// One stage without frame and allocation.
void BM_Encode(benchmark::State& state) {
  const Fixture fixture(state);
  std::string out;
  std::vector<char> scratch(static_cast<size_t>(fixture.encoder->ScratchBytes(fixture.context)));
  for (auto _ : state) {
    out.clear();
    ByteWriter writer(&out);
    benchmark::DoNotOptimize(
        fixture.encoder->Encode(fixture.values, fixture.context, absl::MakeSpan(scratch), writer)
            .ok());
    benchmark::ClobberMemory();
  }
  Report(state, fixture);
}

// Encoding with error feedback: a residual that lies in memory is added, the sum encoded, and what
// was sent taken from it.
void BM_ErrorFeedback(benchmark::State& state) {
  const Fixture fixture(state);
  std::vector<float> residual(fixture.values.size());
  std::string out;
  std::vector<char> scratch(static_cast<size_t>(fixture.encoder->ScratchBytes(fixture.context)));
  for (auto _ : state) {
    for (size_t i = 0; i < residual.size(); ++i) residual[i] += fixture.values[i];
    out.clear();
    ByteWriter writer(&out);
    benchmark::DoNotOptimize(
        fixture.encoder->Encode(residual, fixture.context, absl::MakeSpan(scratch), writer).ok());
    compression::SubtractSink sink(absl::MakeSpan(residual));
    fixture.decoder->DecodeInto(out, fixture.context, sink);
    benchmark::ClobberMemory();
  }
  Report(state, fixture);
}

// As a client does: allocation, checksum and all.
void BM_EncodeFrame(benchmark::State& state) {
  const Fixture fixture(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        compression::EncodeFrame(*fixture.encoder, fixture.values, 1, fixture.context).ok());
  }
  Report(state, fixture);
}

// As a coordinator does before it acknowledges: header, checksum and payload.
void BM_ReadFrame(benchmark::State& state) {
  const Fixture fixture(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        compression::ReadFrame(fixture.frame, *fixture.decoder, fixture.context, 16.0f).ok());
  }
  Report(state, fixture);
}

void BM_DecodeDense(benchmark::State& state) {
  const Fixture fixture(state);
  std::vector<float> out(fixture.values.size());
  for (auto _ : state) {
    compression::DenseSink sink(absl::MakeSpan(out));
    fixture.decoder->DecodeInto(fixture.payload(), fixture.context, sink);
    benchmark::ClobberMemory();
  }
  Report(state, fixture);
}

// Decoding and the exact weighted sum.
void BM_Accumulate(benchmark::State& state) {
  const Fixture fixture(state);
  const auto aggregator = *aggregation::MakeAggregator(
      {.name = "mean"}, {.count = fixture.count, .max_total_weight = int64_t{1} << 37});
  for (auto _ : state) {
    aggregator->Accumulate(
        {.decoder = *fixture.decoder, .payload = fixture.payload(), .context = fixture.context},
        {.weight = 600}, nullptr);
  }
  Report(state, fixture);
}

// As BM_Accumulate, decoding once more before for the norm, as qfedavg and mean for fedexp do, too.
void BM_AccumulateClipped(benchmark::State& state) {
  const Fixture fixture(state);
  const auto aggregator =
      *aggregation::MakeAggregator({.name = "norm_clip", .clip_norm = 1e-3f},
                                   {.count = fixture.count, .max_total_weight = int64_t{1} << 37});
  for (auto _ : state) {
    aggregator->Accumulate(
        {.decoder = *fixture.decoder, .payload = fixture.payload(), .context = fixture.context},
        {.weight = 600}, nullptr);
  }
  Report(state, fixture);
}

// As BM_Accumulate, of updates of the half-width submodel: bytes are those of what it holds.
void BM_AccumulateSubmodel(benchmark::State& state) {
  const ModelSpec full = *ZooModel(kModels[state.range(1)]);
  const auto set =
      std::make_shared<const CoordinateSet>(MakeSubmodel(full, {.width = 0.5})->coordinates);
  const Fixture fixture(state.range(0), set->size);
  const auto aggregator = *aggregation::MakeAggregator(
      {.name = "mean"}, {.count = set->full_size, .max_total_weight = int64_t{1} << 37});
  for (auto _ : state) {
    aggregator->Accumulate(
        {.decoder = *fixture.decoder, .payload = fixture.payload(), .context = fixture.context},
        {.weight = 600}, set);
  }
  Report(state, fixture);
}

void AllCodecsAndSizes(benchmark::internal::Benchmark* bench) {
  for (int64_t codec = 0; codec < static_cast<int64_t>(std::size(kCodecs)); ++codec) {
    for (const int64_t size : kSizes) bench->Args({codec, size});
  }
  bench->ArgNames({"codec", "count"});
}

BENCHMARK(BM_Memcpy)->ArgName("count")->Arg(kSizes[0])->Arg(kSizes[1])->Arg(kSizes[2]);
BENCHMARK(BM_Encode)->Apply(AllCodecsAndSizes);
BENCHMARK(BM_ErrorFeedback)->Apply(AllCodecsAndSizes);
BENCHMARK(BM_EncodeFrame)->Apply(AllCodecsAndSizes);
BENCHMARK(BM_ReadFrame)->Apply(AllCodecsAndSizes);
BENCHMARK(BM_DecodeDense)->Apply(AllCodecsAndSizes);
BENCHMARK(BM_Accumulate)->Apply(AllCodecsAndSizes);
BENCHMARK(BM_AccumulateClipped)->Apply(AllCodecsAndSizes);
BENCHMARK(BM_AccumulateSubmodel)
    ->ArgNames({"codec", "model"})
    ->ArgsProduct({benchmark::CreateDenseRange(0, std::size(kCodecs) - 1, 1), {0, 1}});

}  // namespace
}  // namespace tern
