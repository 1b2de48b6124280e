// Encoded vectors as they are added to, or taken from, a vector in memory.
#ifndef TERN_CLIENT_PAYLOAD_H_
#define TERN_CLIENT_PAYLOAD_H_

#include <algorithm>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "compression/codec.h"
#include "compression/dense_sinks.h"

namespace tern::client {

// `payload` is one that the codec's Validate accepts, or that it has just encoded. The first writes
// all of `values`, the second subtracts from what is there.
inline void DecodePayload(const compression::CodecSpec& codec, absl::string_view payload,
                          const compression::CodecContext& context, absl::Span<float> values) {
  std::fill(values.begin(), values.end(), 0.0f);
  compression::DenseSink sink(values);
  compression::MakeDecoder(codec)->DecodeInto(payload, context, sink);
}

inline void SubtractPayload(const compression::CodecSpec& codec, absl::string_view payload,
                            const compression::CodecContext& context, absl::Span<float> values) {
  compression::SubtractSink sink(values);
  compression::MakeDecoder(codec)->DecodeInto(payload, context, sink);
}

}  // namespace tern::client

#endif  // TERN_CLIENT_PAYLOAD_H_
