// Certificates for one test, made by deploy/certificates/make-test-certificates.
#ifndef TERN_TESTS_TESTING_CERTIFICATES_H_
#define TERN_TESTS_TESTING_CERTIFICATES_H_

#include <string>
#include <vector>

namespace tern::testing {

// Makes an authority, a certificate for 127.0.0.1 and one for each client id in `directory`:
// ca.crt, server.crt, server.key, ID.crt, ID.key. The test fails if they cannot be made.
void MakeCertificates(const std::string& directory, const std::vector<std::string>& client_ids);

}  // namespace tern::testing

#endif  // TERN_TESTS_TESTING_CERTIFICATES_H_
