// The most memory that aggregating a cohort takes besides its payloads, for every rule: one line
// each, the rule's name, the bytes while updates accumulate, and those in all, with the report. The
// first line is the model's own.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "aggregation/aggregator.h"
#include "compression/codec.h"
#include "core/base/random.h"
#include "tests/testing/live_bytes.h"

namespace {

constexpr int64_t kCount = 1'000'000;
constexpr int64_t kUpdates = 50;
constexpr const char* kRules[] = {"mean",   "norm_clip",        "fednova",       "qfedavg",
                                  "median", "trimmed_mean",     "krum",          "multi_krum",
                                  "bulyan", "geometric_median", "centered_clip", "fltrust"};

std::string Payload(uint64_t seed, const tern::compression::CodecContext& context) {
  std::vector<float> values(static_cast<size_t>(context.count));
  tern::RandomStream random({.seed = seed});
  for (float& value : values) value = random.NextFloat() - 0.5f;
  const auto encoder =
      tern::compression::MakeEncoder(*tern::compression::ParseCodec("quantize(8)"));
  std::vector<char> scratch(static_cast<size_t>(encoder->ScratchBytes(context)));
  std::string payload;
  tern::ByteWriter writer(&payload);
  if (!encoder->Encode(values, context, absl::MakeSpan(scratch), writer).ok()) std::abort();
  return payload;
}

}  // namespace

int main() {
  using tern::aggregation::MakeAggregator;
  const tern::compression::CodecContext context = {.count = kCount};
  const auto decoder =
      tern::compression::MakeDecoder(*tern::compression::ParseCodec("quantize(8)"));
  std::vector<std::string> payloads;
  for (uint64_t i = 0; i < kUpdates; ++i) payloads.push_back(Payload(i, context));
  const std::vector<float> reference(kCount, 0.1f);
  std::printf("model %lld\n", static_cast<long long>(kCount * sizeof(float)));
  for (const char* rule : kRules) {
    tern::testing::ResetPeakLiveBytes();
    const int64_t before = tern::testing::LiveBytes();
    int64_t accumulating = 0;
    {
      auto aggregator = MakeAggregator(
          {.name = rule, .attackers = 10},
          {.count = kCount, .max_total_weight = int64_t{1} << 30, .max_updates = kUpdates});
      if (!aggregator.ok()) return 1;
      for (size_t i = 0; i < payloads.size(); ++i) {
        (*aggregator)
            ->Accumulate({.decoder = *decoder,
                          .payload = payloads[i],
                          .context = context,
                          .codec = "quantize(8)"},
                         {.id = i, .weight = 600}, nullptr);
      }
      accumulating = tern::testing::PeakLiveBytes() - before;
      const auto aggregate = std::move(**aggregator).Report({.reference = reference});
      if (!aggregate.ok()) return 1;
    }
    std::printf("%s %lld %lld\n", rule, static_cast<long long>(accumulating),
                static_cast<long long>(tern::testing::PeakLiveBytes() - before));
  }
}
