// Updates for tests of aggregators, encoded as they would arrive.
#ifndef TERN_TESTS_AGGREGATION_TEST_UPDATES_H_
#define TERN_TESTS_AGGREGATION_TEST_UPDATES_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aggregation/aggregator.h"
#include "compression/codec.h"
#include "compression/dense_sinks.h"
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

struct TestUpdate {
  TestUpdate(absl::Span<const float> values, const UpdateFacts& of, SharedSet held = nullptr,
             absl::string_view codec = "none")
      : facts(of),
        set(std::move(held)),
        decoder(compression::MakeDecoder(compression::ParseCodec(codec).value())),
        context{.count = static_cast<int64_t>(values.size()),
                .tensor_sizes = {},
                .mask = nullptr,
                .key = {.seed = 3, .round = 4, .client = of.id}} {
    const auto encoder = compression::MakeEncoder(compression::ParseCodec(codec).value());
    std::string scratch(static_cast<size_t>(encoder->ScratchBytes(context)), '\0');
    ByteWriter writer(&payload);
    TERN_CHECK(encoder->Encode(values, context, absl::MakeSpan(scratch), writer).ok());
  }

  std::vector<float> Decoded() const {
    std::vector<float> values(static_cast<size_t>(context.count));
    compression::DenseSink sink(absl::MakeSpan(values));
    decoder->DecodeInto(payload, context, sink);
    return values;
  }
  void AddTo(Aggregator& aggregator) const {
    aggregator.Accumulate({.decoder = *decoder, .payload = payload, .context = context}, facts,
                          set);
  }

  UpdateFacts facts;
  SharedSet set;
  std::string payload;
  std::unique_ptr<compression::Decoder> decoder;
  compression::CodecContext context;
};

// Uniform between -max_abs and max_abs.
inline std::vector<float> RandomValues(int64_t count, float max_abs, RandomStream& random) {
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = max_abs * (2.0f * random.NextFloat() - 1.0f);
  return values;
}

}  // namespace tern::aggregation

#endif  // TERN_TESTS_AGGREGATION_TEST_UPDATES_H_
