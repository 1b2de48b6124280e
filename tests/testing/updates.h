// Updates made by hand, for tests of those who receive them.
#ifndef TERN_TESTS_TESTING_UPDATES_H_
#define TERN_TESTS_TESTING_UPDATES_H_

#include <cstring>
#include <string>
#include <variant>
#include <vector>

#include "compression/codec.h"
#include "compression/frame.h"
#include "core/base/crc32c.h"
#include "core/wire/messages.h"
#include "core/wire/serialize.h"
#include "server/coordinator.h"

namespace tern::testing {

// The smallest model: 2 inputs, 2 classes, 6 parameters.
inline ModelSpec SmallestModel() {
  return {.name = "smallest",
          .input = {2},
          .layers = {{.name = "fc", .kind = LayerKind::kDense, .units = 2}}};
}

// Replaces the frame's payload by another of the same length, under a right checksum: what a
// hostile client would send.
inline void ReplacePayload(std::string& frame, absl::string_view payload) {
  constexpr size_t kChecksumAt = compression::kFrameHeaderBytes - sizeof(uint32_t);
  frame.replace(compression::kFrameHeaderBytes, payload.size(), payload.data(), payload.size());
  const uint32_t checksum = Crc32c(payload, Crc32c(frame.substr(0, kChecksumAt)));
  std::memcpy(frame.data() + kChecksumAt, &checksum, sizeof(checksum));
}

// An update for `lease` whose coordinates are `values`, encoded as its plan says.
inline Update MakeUpdate(const Lease& lease, const std::vector<float>& values,
                         int64_t num_examples = 10) {
  const auto encoder = compression::MakeEncoder(*compression::ParseCodec(lease.plan.codec));
  Update update{.lease_id = lease.lease_id, .base_hash = lease.base_hash};
  update.sections.push_back(
      {.name = kParametersSection,
       .frame = *compression::EncodeFrame(*encoder, values, lease.model_version, {})});
  update.report = {.num_examples = num_examples, .local_steps = 1, .train_loss = 1.0};
  return update;
}

// Checks in and expects a lease; the test crashes if there is none.
inline Lease TakeLease(server::Coordinator& coordinator, const std::string& client_id) {
  return std::get<Lease>(coordinator.CheckIn({.client_id = client_id, .num_examples = 10}));
}

}  // namespace tern::testing

#endif  // TERN_TESTS_TESTING_UPDATES_H_
