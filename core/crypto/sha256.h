// SHA-256 (FIPS 180-4).
#ifndef TERN_CORE_CRYPTO_SHA256_H_
#define TERN_CORE_CRYPTO_SHA256_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace tern {

// The 32-byte digest of `bytes`.
std::string Sha256(absl::string_view bytes);

// The digest of a model: SHA-256 over its canonical bytes, the flat parameters as little-endian
// 32-bit floats.
std::string ModelHash(absl::Span<const float> parameters);

}  // namespace tern

#endif  // TERN_CORE_CRYPTO_SHA256_H_
