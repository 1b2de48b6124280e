// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78; RFC 3720, appendix B.4).
#ifndef TERN_CORE_BASE_CRC32C_H_
#define TERN_CORE_BASE_CRC32C_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace tern {

// The checksum of `bytes`; pass the checksum of what came before as `crc` to continue it.
uint32_t Crc32c(absl::string_view bytes, uint32_t crc = 0);

}  // namespace tern

#endif  // TERN_CORE_BASE_CRC32C_H_
