// TLS between a real transport and a real server, with certificates made for the test.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>

#include "client/grpc/grpc_transport.h"
#include "tests/testing/certificates.h"
#include "tests/testing/grpc_coordinator.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace tern::client {
namespace {

using ::tern::testing::GrpcCoordinator;
using ::tern::testing::IsOk;
using ::tern::testing::MakeCertificates;
using ::tern::testing::StatusIs;
using ::tern::testing::TemporaryDirectory;

class GrpcTls : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ours_ = new TemporaryDirectory();
    theirs_ = new TemporaryDirectory();
    MakeCertificates(ours_->path(), {"client-0", "client-1"});
    MakeCertificates(theirs_->path(), {"client-0"});
  }
  static void TearDownTestSuite() {
    delete ours_;
    delete theirs_;
  }

  static server::GrpcServer::Options ServerTls(bool mutual) {
    return {.certificate_file = ours_->File("server.crt"),
            .private_key_file = ours_->File("server.key"),
            .client_ca_file = mutual ? ours_->File("ca.crt") : ""};
  }

  // With the root certificate and the certificate of `client` from these directories.
  static GrpcTransportOptions ClientTls(const TemporaryDirectory& root,
                                        const TemporaryDirectory& own, const std::string& client) {
    GrpcTransportOptions options = {.root_certificates_file = root.File("ca.crt")};
    if (client.empty()) return options;
    options.certificate_file = own.File(client + ".crt");
    options.private_key_file = own.File(client + ".key");
    return options;
  }

  static absl::Status CheckIn(const std::string& address, GrpcTransportOptions options,
                              const std::string& client_id = "client-0") {
    options.server = address;
    auto transport = MakeGrpcTransport(options);
    if (!transport.ok()) return transport.status();
    return (*transport)->CheckIn({.client_id = client_id, .num_examples = 1}).status();
  }

  static TemporaryDirectory* ours_;
  static TemporaryDirectory* theirs_;
};

TemporaryDirectory* GrpcTls::ours_ = nullptr;
TemporaryDirectory* GrpcTls::theirs_ = nullptr;

TEST_F(GrpcTls, ServerTls_WithTheRightRoot_Works) {
  GrpcCoordinator running({.server = ServerTls(false)});
  EXPECT_THAT(CheckIn(running.address(), ClientTls(*ours_, *ours_, "")), IsOk());
}

TEST_F(GrpcTls, ServerTls_WithAnotherRoot_IsUnavailableAndSaysWhatToCheck) {
  GrpcCoordinator running({.server = ServerTls(false)});
  EXPECT_THAT(CheckIn(running.address(), ClientTls(*theirs_, *ours_, "")),
              StatusIs(absl::StatusCode::kUnavailable,
                       "is the root certificate (--tls-root) that of its authority?"));
}

TEST_F(GrpcTls, ServerTls_UnderANameThatIsNotInItsCertificate_IsUnavailable) {
  server::GrpcServer::Options options = ServerTls(false);
  options.listen = "0.0.0.0:0";
  GrpcCoordinator running({.server = options});
  EXPECT_THAT(
      CheckIn(absl::StrCat("127.0.0.2:", running.server->port()), ClientTls(*ours_, *ours_, "")),
      StatusIs(absl::StatusCode::kUnavailable, "name 127.0.0.2 is not in peer certificate"));
}

TEST_F(GrpcTls, PlaintextToATlsPort_IsUnavailableAndSaysWhatToCheck) {
  GrpcCoordinator running({.server = ServerTls(false)});
  EXPECT_THAT(CheckIn(running.address(), {.insecure = true}),
              StatusIs(absl::StatusCode::kUnavailable, "does it serve TLS (then give --tls-root"));
}

TEST_F(GrpcTls, TlsToAPlaintextPort_IsUnavailableAndSaysWhatToCheck) {
  GrpcCoordinator running;
  EXPECT_THAT(CheckIn(running.address(), ClientTls(*ours_, *ours_, "")),
              StatusIs(absl::StatusCode::kUnavailable, "does it serve without TLS (--insecure)?"));
}

TEST_F(GrpcTls, MutualTls_WithOwnCertificate_Works) {
  GrpcCoordinator running({.server = ServerTls(true)});
  EXPECT_THAT(CheckIn(running.address(), ClientTls(*ours_, *ours_, "client-0")), IsOk());
  EXPECT_THAT(CheckIn(running.address(), ClientTls(*ours_, *ours_, "client-1"), "client-1"),
              IsOk());
}

TEST_F(GrpcTls, MutualTls_WithoutACertificate_IsUnavailable) {
  GrpcCoordinator running({.server = ServerTls(true)});
  EXPECT_THAT(CheckIn(running.address(), ClientTls(*ours_, *ours_, "")),
              StatusIs(absl::StatusCode::kUnavailable, "a client certificate (--tls-cert)"));
}

TEST_F(GrpcTls, MutualTls_WithACertificateOfAnotherAuthority_IsUnavailable) {
  GrpcCoordinator running({.server = ServerTls(true)});
  EXPECT_THAT(CheckIn(running.address(), ClientTls(*ours_, *theirs_, "client-0")),
              StatusIs(absl::StatusCode::kUnavailable, "a client certificate (--tls-cert)"));
}

TEST_F(GrpcTls, MutualTls_SpeakingForAnotherClient_IsPermissionDenied) {
  GrpcCoordinator running({.server = ServerTls(true)});
  EXPECT_THAT(CheckIn(running.address(), ClientTls(*ours_, *ours_, "client-1"), "client-0"),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       "the certificate is for 'client-1', the client id is 'client-0'"));
  // A status travels in a header of limited length: the reason arrives, cut.
  EXPECT_THAT(
      CheckIn(running.address(), ClientTls(*ours_, *ours_, "client-1"), std::string(4000, 'x')),
      StatusIs(absl::StatusCode::kPermissionDenied, "the client id is 'xxx"));
}

TEST_F(GrpcTls, Make_WrongFilesOrOptions_NamesThem) {
  const auto make = [](const GrpcTransportOptions& options) {
    GrpcTransportOptions with_server = options;
    with_server.server = "127.0.0.1:9092";
    return MakeGrpcTransport(with_server).status();
  };
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  GrpcTransportOptions options = ClientTls(*ours_, *ours_, "client-0");
  options.root_certificates_file = ours_->File("none.crt");
  EXPECT_THAT(make(options), StatusIs(absl::StatusCode::kNotFound, ours_->File("none.crt")));
  options = ClientTls(*ours_, *ours_, "client-0");
  options.private_key_file = "";
  EXPECT_THAT(make(options), StatusIs(kInvalid, "together or not at all"));
  options.private_key_file = ours_->File("client-1.key");
  EXPECT_THAT(make(options), StatusIs(kInvalid, "not the private key of the certificate in"));
  options = ClientTls(*ours_, *ours_, "");
  options.insecure = true;
  EXPECT_THAT(make(options), StatusIs(kInvalid, "choose one of them"));
}

}  // namespace
}  // namespace tern::client
