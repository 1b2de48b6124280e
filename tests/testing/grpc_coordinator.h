// A real coordinator behind a real gRPC port of this machine.
#ifndef TERN_TESTS_TESTING_GRPC_COORDINATOR_H_
#define TERN_TESTS_TESTING_GRPC_COORDINATOR_H_

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include "server/coordinator.h"
#include "server/grpc/grpc_server.h"
#include "tests/testing/updates.h"

namespace tern::testing {

// A model that travels in several chunks: 262,656 parameters, 1 MB.
inline ModelSpec ModelOfManyChunks() {
  return {.name = "wide",
          .input = {512},
          .layers = {{.name = "fc", .kind = LayerKind::kDense, .units = 512}}};
}

struct GrpcCoordinatorOptions {
  ModelSpec model = SmallestModel();
  int64_t cohort_size = 1;
  server::GrpcServer::Options server = {.insecure = true};
};

class GrpcCoordinator {
 public:
  // The test crashes if it does not start.
  explicit GrpcCoordinator(GrpcCoordinatorOptions options = {}) {
    auto created = server::Coordinator::Create(
        {.model = options.model,
         .num_rounds = 100,
         .round = {.cohort_size = options.cohort_size, .deadline = absl::Seconds(60)}},
        {.clock = &clock, .lease_secret = "secret"});
    TERN_CHECK(created.ok());
    coordinator = *std::move(created);
    if (options.server.listen.empty()) options.server.listen = "127.0.0.1:0";
    auto started = server::GrpcServer::Start(coordinator.get(), options.server);
    TERN_CHECK(started.ok());
    server = *std::move(started);
  }

  std::string address() const { return absl::StrCat("127.0.0.1:", server->port()); }

  SimulatedClock clock;
  std::unique_ptr<server::Coordinator> coordinator;
  std::unique_ptr<server::GrpcServer> server;
};

}  // namespace tern::testing

#endif  // TERN_TESTS_TESTING_GRPC_COORDINATOR_H_
