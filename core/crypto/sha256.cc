#include "core/crypto/sha256.h"

#include <openssl/evp.h>

#include <memory>

#include "core/base/bytes.h"
#include "core/base/check.h"

namespace tern {
namespace {

struct DigestContextDeleter {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using DigestContext = std::unique_ptr<EVP_MD_CTX, DigestContextDeleter>;

}  // namespace

std::string Sha256(absl::string_view bytes) {
  const DigestContext context(EVP_MD_CTX_new());
  TERN_CHECK(context != nullptr);
  std::string digest(32, '\0');
  // SHA-256 over bytes in memory fails only when memory does.
  TERN_CHECK(EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1);
  TERN_CHECK(EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) == 1);
  TERN_CHECK(EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(digest.data()),
                                nullptr) == 1);
  return digest;
}

// core/base/bytes.h asserts that floats lie in memory as they lie in the canonical bytes.
std::string ModelHash(absl::Span<const float> parameters) {
  return Sha256(absl::string_view(reinterpret_cast<const char*>(parameters.data()),
                                  parameters.size() * sizeof(float)));
}

}  // namespace tern
