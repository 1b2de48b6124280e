#include "server/grpc/grpc_server.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/host_port.h"
#include "core/base/status_macros.h"
#include "core/crypto/pem.h"
#include "core/wire/chunks.h"
#include "server/grpc/coordinator_service.h"

namespace tern::server {
namespace {

// A chunk and its envelope fit four times over.
constexpr int kMaxMessageBytes = 4 * static_cast<int>(kMaxChunkBytes);
// What gRPC may hold of messages under way, of all connections together.
constexpr size_t kMaxBufferedBytes = 256 << 20;

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeCredentials(
    const GrpcServer::Options& options) {
  if (options.insecure) return grpc::InsecureServerCredentials();
  if (options.certificate_file.empty() || options.private_key_file.empty()) {
    return absl::FailedPreconditionError(
        "no TLS: give server.tls.certificate and server.tls.private_key (PEM files), or "
        "--insecure to serve without encryption and authentication");
  }
  TERN_ASSIGN_OR_RETURN(KeyPair pair,
                        ReadKeyPair(options.certificate_file, options.private_key_file));
  grpc::SslServerCredentialsOptions tls;
  if (!options.client_ca_file.empty()) {
    TERN_ASSIGN_OR_RETURN(tls.pem_root_certs, ReadCertificates(options.client_ca_file));
    tls.client_certificate_request = GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  }
  tls.pem_key_cert_pairs.push_back(
      {.private_key = std::move(pair.private_key), .cert_chain = std::move(pair.certificates)});
  return grpc::SslServerCredentials(tls);
}

// Peers that are slow, silent or greedy cost little, and are dropped.
void SetLimits(grpc::ServerBuilder& builder, int max_threads) {
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  // Compressed messages are inflated before their size is checked.
  builder.SetDefaultCompressionAlgorithm(GRPC_COMPRESS_NONE);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  // A second coordinator on the same port is an error, not half of the devices each.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 10 * 1000);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 16);
  // Devices come back when they were told to; until then a connection is of no use to them.
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, 60 * 1000);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, 30 * 60 * 1000);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, 5 * 60 * 1000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60 * 1000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20 * 1000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10 * 1000);
  grpc::ResourceQuota quota("tern-server");
  quota.Resize(kMaxBufferedBytes);
  quota.SetMaxThreads(max_threads);
  builder.SetResourceQuota(quota);
}

}  // namespace

struct GrpcServer::Parts {
  explicit Parts(Coordinator* coordinator) : service(coordinator) {}

  CoordinatorService service;
  std::unique_ptr<grpc::Server> server;  // calls the service
};

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(Coordinator* coordinator,
                                                              const Options& options) {
  if (!IsHostPort(options.listen, /*min_port=*/0)) {
    return absl::InvalidArgumentError(absl::StrCat("listen is '", options.listen,
                                                   "', expected HOST:PORT with a port from 0 to "
                                                   "65535, such as 0.0.0.0:9092"));
  }
  TERN_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::ServerCredentials> credentials,
                        MakeCredentials(options));
  auto parts = std::make_unique<Parts>(coordinator);
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  SetLimits(builder, options.max_threads);
  int port = 0;
  builder.AddListeningPort(options.listen, credentials, &port);
  builder.RegisterService(&parts->service);
  parts->server = builder.BuildAndStart();
  if (parts->server == nullptr || port == 0) {
    return absl::UnavailableError(absl::StrCat(
        "cannot listen on ", options.listen,
        ": another program uses the port, or the address is not one of this machine; choose "
        "another with server.listen or --listen"));
  }
  return std::unique_ptr<GrpcServer>(new GrpcServer(std::move(parts), port));
}

GrpcServer::GrpcServer(std::unique_ptr<Parts> parts, int port)
    : parts_(std::move(parts)), port_(port) {}

GrpcServer::~GrpcServer() { Shutdown(absl::ZeroDuration()); }

void GrpcServer::Shutdown(absl::Duration grace) {
  parts_->server->GetHealthCheckService()->SetServingStatus(false);
  // gRPC's own grace would wait for devices that are connected and silent as well.
  parts_->service.WaitUntilIdle(grace);
  parts_->server->Shutdown(absl::ToChronoTime(absl::Now()));
}

}  // namespace tern::server
