// What must hold for any string that says a codec: for tests and fuzzers.
#ifndef TERN_TESTS_COMPRESSION_CODEC_STRING_PROPERTY_H_
#define TERN_TESTS_COMPRESSION_CODEC_STRING_PROPERTY_H_

#include "absl/strings/string_view.h"
#include "compression/frame.h"
#include "core/base/check.h"
#include "tests/compression/codec_tools.h"

namespace tern::compression {

// Aborts unless `text` is refused, or is a codec whose canonical string is the same codec, and
// which decodes what it encodes; true if it is one.
inline bool CheckCodecString(absl::string_view text) {
  const absl::StatusOr<CodecSpec> spec = ParseCodec(text);
  if (!spec.ok()) return false;
  const std::string canonical = spec->ToString();
  const absl::StatusOr<CodecSpec> again = ParseCodec(canonical);
  TERN_CHECK(again.ok() && *again == *spec && again->ToString() == canonical);
  TERN_CHECK(again->NeedsErrorFeedback() == spec->NeedsErrorFeedback());
  const std::unique_ptr<Encoder> encoder = MakeEncoder(*spec);
  const std::unique_ptr<Decoder> decoder = MakeDecoder(*spec);
  for (const int64_t count : {0, 1, 300}) {
    const CodecContext context = ContextOf(count);
    const auto frame = EncodeFrame(*encoder, RandomUpdate(count, 1), 1, context);
    TERN_CHECK(frame.ok());
    const auto payload_bytes = static_cast<int64_t>(frame->size()) - kFrameHeaderBytes;
    TERN_CHECK(payload_bytes >= encoder->MinEncodedBytes(context) &&
               payload_bytes <= encoder->MaxEncodedBytes(context));
    TERN_CHECK(ReadFrame(*frame, *decoder, context, kLargestFinite).ok());
  }
  return true;
}

}  // namespace tern::compression

#endif  // TERN_TESTS_COMPRESSION_CODEC_STRING_PROPERTY_H_
