#include "core/crypto/pem.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"

namespace tern {
namespace {

// More than any chain of certificates; a wrong path may lead to a large file.
constexpr size_t kMaxFileBytes = 1 << 20;

struct Deleter {
  void operator()(FILE* file) const { std::fclose(file); }
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <typename T>
using Handle = std::unique_ptr<T, Deleter>;

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  const Handle<FILE> file(std::fopen(path.c_str(), "rb"));
  if (file == nullptr) return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot be opened"));
  std::string contents(kMaxFileBytes + 1, '\0');
  contents.resize(std::fread(contents.data(), 1, contents.size(), file.get()));
  if (std::ferror(file.get()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot be read"));
  }
  if (contents.size() > kMaxFileBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": larger than ", kMaxFileBytes, " bytes, expected a PEM file"));
  }
  return contents;
}

Handle<BIO> MemoryOf(const std::string& contents) {
  Handle<BIO> bio(BIO_new_mem_buf(contents.data(), static_cast<int>(contents.size())));
  TERN_CHECK(bio != nullptr);
  return bio;
}

// Stands where OpenSSL would ask for a password on the terminal.
int NoPassword(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*context*/) { return -1; }

// The first certificate of `contents`, or null.
Handle<X509> FirstCertificate(const std::string& contents) {
  Handle<X509> certificate(
      PEM_read_bio_X509(MemoryOf(contents).get(), nullptr, NoPassword, nullptr));
  ERR_clear_error();
  return certificate;
}

}  // namespace

absl::StatusOr<std::string> ReadCertificates(const std::string& path) {
  TERN_ASSIGN_OR_RETURN(std::string contents, ReadFile(path));
  if (FirstCertificate(contents) == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": no certificate, expected a PEM file with BEGIN CERTIFICATE"));
  }
  return contents;
}

absl::StatusOr<KeyPair> ReadKeyPair(const std::string& certificate_path,
                                    const std::string& private_key_path) {
  KeyPair pair;
  TERN_ASSIGN_OR_RETURN(pair.certificates, ReadCertificates(certificate_path));
  TERN_ASSIGN_OR_RETURN(pair.private_key, ReadFile(private_key_path));
  const Handle<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(MemoryOf(pair.private_key).get(), nullptr, NoPassword, nullptr));
  const bool matches =
      key != nullptr &&
      X509_check_private_key(FirstCertificate(pair.certificates).get(), key.get()) == 1;
  ERR_clear_error();
  if (key == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        private_key_path,
        ": no private key, expected a PEM file with BEGIN PRIVATE KEY and without a password"));
  }
  if (!matches) {
    return absl::InvalidArgumentError(absl::StrCat(
        private_key_path, ": not the private key of the certificate in ", certificate_path));
  }
  return pair;
}

}  // namespace tern
