// Certificates and private keys from PEM files (RFC 7468), checked before TLS sees them, because
// what TLS says about a wrong file helps nobody.
#ifndef TERN_CORE_CRYPTO_PEM_H_
#define TERN_CORE_CRYPTO_PEM_H_

#include <string>

#include "absl/status/statusor.h"

namespace tern {

// The contents of a file that holds at least one certificate. NOT_FOUND: no such file.
// INVALID_ARGUMENT: no certificate in it. Messages begin with the path.
absl::StatusOr<std::string> ReadCertificates(const std::string& path);

// What a program shows of itself: PEM text.
struct KeyPair {
  std::string certificates;  // its own first, then those that vouch for it
  std::string private_key;
};

// Reads both files. As ReadCertificates; INVALID_ARGUMENT also: no private key without a password
// in its file, or the key is not that of the first certificate.
absl::StatusOr<KeyPair> ReadKeyPair(const std::string& certificate_path,
                                    const std::string& private_key_path);

}  // namespace tern

#endif  // TERN_CORE_CRYPTO_PEM_H_
