// The coordinator over gRPC.
#ifndef TERN_CLIENT_GRPC_GRPC_TRANSPORT_H_
#define TERN_CLIENT_GRPC_GRPC_TRANSPORT_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/transport.h"

namespace tern::client {

// Files are PEM.
struct GrpcTransportOptions {
  std::string server;                  // HOST:PORT
  bool insecure = false;               // no TLS: neither encrypted nor authenticated
  std::string root_certificates_file;  // who vouches for the coordinator; empty: the system's roots
  // What the device shows of itself, where the coordinator demands it; both or neither.
  std::string certificate_file;
  std::string private_key_file;
  // Every call has a deadline: call_timeout, and for transfers the time that they take at
  // min_bytes_per_second.
  absl::Duration call_timeout = absl::Seconds(10);
  int64_t min_bytes_per_second = 64 * 1024;
};

// Connects when first called, and again after a connection was lost. Messages of errors begin with
// the coordinator's address. NOT_FOUND or INVALID_ARGUMENT: a file is not what it should be, the
// server's address is none, or options contradict one another.
//
// FetchModel: INVALID_ARGUMENT also where the coordinator sends what it must not; UNAVAILABLE where
// a chunk was damaged on its way.
absl::StatusOr<std::unique_ptr<Transport>> MakeGrpcTransport(const GrpcTransportOptions& options);

}  // namespace tern::client

#endif  // TERN_CLIENT_GRPC_GRPC_TRANSPORT_H_
