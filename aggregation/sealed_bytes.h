// The envelope of what aggregators and server optimizers write down: 8 bytes that name the format,
// its version and a fingerprint of who wrote it (4 each), what was written, and the CRC-32C of all
// before it (4).
#ifndef TERN_AGGREGATION_SEALED_BYTES_H_
#define TERN_AGGREGATION_SEALED_BYTES_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tern::aggregation {

struct SealFormat {
  absl::string_view magic;   // 8 bytes
  uint32_t version = 1;      // of what is between
  uint32_t fingerprint = 0;  // of all that writer and reader must agree on
  absl::string_view writer;  // for error messages: "aggregator mean"
};

inline constexpr size_t kSealHeaderBytes = 16;
inline constexpr size_t kSealBytes = kSealHeaderBytes + 4;

// The header, to which the writer appends.
std::string BeginSeal(const SealFormat& format);
// Appends the checksum.
void EndSeal(std::string& bytes);

// What is between, a view into `bytes`. DATA_LOSS: truncated, damaged, or of another format,
// version or fingerprint.
absl::StatusOr<absl::string_view> OpenSeal(const SealFormat& format, absl::string_view bytes);

}  // namespace tern::aggregation

#endif  // TERN_AGGREGATION_SEALED_BYTES_H_
