// A client that stops in the middle of its upload and says so, to be killed there. The round it is
// a member of must be open:  half_upload HOST:PORT CLIENT-ID
#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <memory>
#include <string>
#include <variant>

#include "client/grpc/grpc_transport.h"
#include "core/base/crc32c.h"
#include "core/wire/proto_conversion.h"
#include "tern/v1/coordinator.grpc.pb.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::string server = argv[1];
  const auto transport = tern::client::MakeGrpcTransport({.server = server, .insecure = true});
  if (!transport.ok()) return 1;
  const auto answer = (*transport)->CheckIn({.client_id = argv[2], .num_examples = 10});
  if (!answer.ok() || !std::holds_alternative<tern::Lease>(*answer)) return 1;
  const auto& lease = std::get<tern::Lease>(*answer);
  const auto stub = tern::v1::Coordinator::NewStub(
      grpc::CreateChannel(server, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  tern::v1::SubmitUpdateReply reply;
  const auto writer = stub->SubmitUpdate(&context, &reply);
  const std::string half(1000, 'x');
  tern::v1::Chunk message;
  ToProto(tern::Chunk{.lease_id = lease.lease_id,
                      .total_bytes = 2 * half.size(),
                      .data = half,
                      .crc32c = tern::Crc32c(half)},
          message);
  if (!writer->Write(message)) return 1;
  std::printf("half of the update is sent\n");
  std::fflush(stdout);
  (void)writer->Finish();  // never comes: the stream is not ended
  return 1;
}
