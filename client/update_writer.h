// An update's bytes, made in the buffer that they are sent from.
#ifndef TERN_CLIENT_UPDATE_WRITER_H_
#define TERN_CLIENT_UPDATE_WRITER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "compression/codec.h"
#include "core/wire/messages.h"

namespace tern::client {

// What is encoded as one section.
struct SectionValues {
  absl::Span<const float> values;
  compression::CodecContext context;
};

// Serializes `update`, whose sections have no frames yet, into `out`, in the place of what was
// there: the frame of `sections[i]` is encoded where section i is sent from. `out` does not grow
// beyond what was reserved for PlanBytes::update, but for metrics. Returns the frames' payloads,
// views into `out`. INVALID_ARGUMENT as Encoder::Encode; `out` is of no use then.
absl::StatusOr<std::vector<absl::string_view>> WriteUpdate(const Update& update,
                                                           const compression::CodecSpec& codec,
                                                           uint64_t model_version,
                                                           absl::Span<const SectionValues> sections,
                                                           std::string& out);

}  // namespace tern::client

#endif  // TERN_CLIENT_UPDATE_WRITER_H_
