// The coordinator behind a gRPC port: connections, TLS and threads. What is said on a connection is
// in coordinator_service.h.
#ifndef TERN_SERVER_GRPC_GRPC_SERVER_H_
#define TERN_SERVER_GRPC_GRPC_SERVER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/coordinator.h"

namespace tern::server {

class GrpcServer {
 public:
  // Files are PEM.
  struct Options {
    std::string listen;  // HOST:PORT; port 0: any that is free
    // No TLS: neither encrypted nor authenticated. The files are not looked at then.
    bool insecure = false;
    std::string certificate_file;
    std::string private_key_file;
    // Given: every client must show a certificate that this authority signed, and its client id
    // must be the certificate's common name or one of its alternative names (mutual TLS).
    std::string client_ca_file;
    int max_threads = 256;  // calls served at once; others are answered RESOURCE_EXHAUSTED
  };

  // Serves until shut down. `coordinator` is borrowed and must outlive the server.
  // FAILED_PRECONDITION: neither certificate files nor `insecure`. INVALID_ARGUMENT: `listen`
  // is no address, or a file is not what it should be (named). NOT_FOUND: no such file.
  // UNAVAILABLE: the address cannot be listened on.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(Coordinator* coordinator,
                                                           const Options& options);

  // Shuts down at once.
  ~GrpcServer();
  GrpcServer(const GrpcServer&) = delete;
  GrpcServer& operator=(const GrpcServer&) = delete;

  int port() const { return port_; }

  // Waits until no call is running, `grace` at most; then takes no more and cancels those that are
  // left. Returns when all have ended.
  void Shutdown(absl::Duration grace);

 private:
  struct Parts;  // of gRPC, kept out of this header

  GrpcServer(std::unique_ptr<Parts> parts, int port);

  std::unique_ptr<Parts> parts_;
  int port_;
};

}  // namespace tern::server

#endif  // TERN_SERVER_GRPC_GRPC_SERVER_H_
