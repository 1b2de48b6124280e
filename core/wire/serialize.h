// Values to bytes and back, for whoever has no protobuf in his hands: the in-process transport,
// updates that travel in chunks, files. The bytes are those that the gRPC transport sends.
//
// Parsing checks everything that can be checked without knowing the task: INVALID_ARGUMENT names
// the field.
#ifndef TERN_CORE_WIRE_SERIALIZE_H_
#define TERN_CORE_WIRE_SERIALIZE_H_

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "core/model/model_spec.h"
#include "core/wire/messages.h"

namespace tern {

// Protobuf's own bound on one message.
inline constexpr int64_t kMaxMessageBytes = std::numeric_limits<int32_t>::max();

// For T one of CheckInRequest, CheckInReply, FetchModelRequest, Chunk, Update, SubmitUpdateReply,
// ReportFailureRequest, ReportFailureReply, ModelSpec.
template <typename T>
std::string Serialize(const T& value);

// The same bytes, without another copy of what is large in them.
std::string Serialize(Update&& update);
std::string Serialize(Chunk&& chunk);

// The bytes of an update around its frames: those of Serialize are before[0], the first section's
// frame, before[1], the second's, and so on, then `after`.
struct UpdateEnvelope {
  std::vector<std::string> before;
  std::string after;
};

// For an update whose sections' frames, of `frame_bytes` each, 1 to kMaxMessageBytes, are not in
// it: so that a device encodes into the buffer that it sends, and holds no second copy.
UpdateEnvelope MakeUpdateEnvelope(const Update& update, absl::Span<const int64_t> frame_bytes);

template <typename T>
absl::StatusOr<T> Parse(absl::string_view bytes);

}  // namespace tern

#endif  // TERN_CORE_WIRE_SERIALIZE_H_
