#include "client/grpc/grpc_transport.h"

#include <grpcpp/grpcpp.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/base/host_port.h"
#include "core/base/status_macros.h"
#include "core/crypto/pem.h"
#include "core/wire/chunks.h"
#include "core/wire/proto_conversion.h"
#include "tern/v1/coordinator.grpc.pb.h"

namespace tern::client {
namespace {

// A chunk and its envelope fit four times over.
constexpr int kMaxMessageBytes = 4 * static_cast<int>(kMaxChunkBytes);

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeCredentials(
    const GrpcTransportOptions& options) {
  const bool has_pair = !options.certificate_file.empty() || !options.private_key_file.empty();
  if (options.insecure) {
    if (!has_pair && options.root_certificates_file.empty()) {
      return grpc::InsecureChannelCredentials();
    }
    return absl::InvalidArgumentError(
        "both certificate files and insecure are given: choose one of them");
  }
  grpc::SslCredentialsOptions tls;
  if (!options.root_certificates_file.empty()) {
    TERN_ASSIGN_OR_RETURN(tls.pem_root_certs, ReadCertificates(options.root_certificates_file));
  }
  if (has_pair) {
    if (options.certificate_file.empty() || options.private_key_file.empty()) {
      return absl::InvalidArgumentError(
          "a certificate and its private key are given together or not at all");
    }
    TERN_ASSIGN_OR_RETURN(KeyPair pair,
                          ReadKeyPair(options.certificate_file, options.private_key_file));
    tls.pem_private_key = std::move(pair.private_key);
    tls.pem_cert_chain = std::move(pair.certificates);
  }
  return grpc::SslCredentials(tls);
}

grpc::ChannelArguments MakeArguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  // Identity alone (bit 0): compressed messages are inflated before their size is checked.
  arguments.SetInt(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1);
  // Whoever drives the transport repeats calls, and counts what is sent again.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5 * 1000);
  // Also how long one attempt to connect may take: shorter than a call, whose error then says why.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5 * 1000);
  // A transfer whose peer has vanished ends; a device without a call sends nothing.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 60 * 1000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20 * 1000);
  return arguments;
}

// What gRPC says of a call for which nobody could be reached, and what to look at then: its own
// words often do not tell.
std::string ExplainUnavailable(absl::string_view message, bool insecure) {
  constexpr absl::string_view kPreface = "failed to connect to all addresses; last error: ";
  const bool connecting = absl::ConsumePrefix(&message, kPreface);
  const auto says = [&message](absl::string_view text) { return absl::StrContains(message, text); };
  absl::string_view hint;
  if (says("Connection refused")) {
    hint = "; is it running, is the address right?";
  } else if (says("DNS resolution failed")) {
    hint = "; is the address right?";
  } else if (says("certificate verify failed")) {
    hint = "; is the root certificate (--tls-root) that of its authority?";
  } else if (says("wrong version number")) {
    hint = "; does it serve without TLS (--insecure)?";
  } else if (connecting && (says("Socket closed") || says("Connection reset"))) {
    hint = insecure ? "; does it serve TLS (then give --tls-root, not --insecure)?"
                    : "; does it demand a client certificate (--tls-cert) of an authority that it "
                      "trusts?";
  }
  return absl::StrCat(message, hint);
}

class GrpcTransport final : public Transport {
 public:
  GrpcTransport(const GrpcTransportOptions& options, std::shared_ptr<grpc::Channel> channel)
      : options_(options), stub_(v1::Coordinator::NewStub(std::move(channel))) {}

  absl::StatusOr<CheckInReply> CheckIn(const CheckInRequest& request) override {
    return Call<CheckInReply>(request, &v1::Coordinator::Stub::CheckIn);
  }

  absl::StatusOr<ReportFailureReply> ReportFailure(const ReportFailureRequest& request) override {
    return Call<ReportFailureReply>(request, &v1::Coordinator::Stub::ReportFailure);
  }

  absl::Status FetchModel(absl::string_view lease_id, int64_t max_bytes,
                          std::string& model) override {
    v1::FetchModelRequest request;
    ToProto({.lease_id = std::string(lease_id), .offset = model.size()}, request);
    grpc::ClientContext context;
    SetDeadline(context, max_bytes - static_cast<int64_t>(model.size()));
    const auto reader = stub_->FetchModel(&context, request);
    ChunkAssembler assembler(static_cast<uint64_t>(max_bytes), &model);
    v1::Chunk message;
    absl::Status received;
    while (received.ok() && reader->Read(&message)) {
      const absl::StatusOr<Chunk> chunk = FromProto(message);
      received = chunk.ok() ? assembler.Add(*chunk) : chunk.status();
    }
    if (!received.ok()) context.TryCancel();
    const absl::Status finished = FromGrpc(reader->Finish());
    if (received.ok() && !finished.ok()) return finished;
    if (received.ok()) received = assembler.Finish();
    // Damaged or cut off: what is missing is fetched again.
    return absl::IsDataLoss(received) ? Error(absl::StatusCode::kUnavailable, received.message())
                                      : WithAddress(received);
  }

  absl::StatusOr<SubmitUpdateReply> SubmitUpdate(absl::string_view lease_id,
                                                 absl::string_view update) override {
    grpc::ClientContext context;
    SetDeadline(context, static_cast<int64_t>(update.size()));
    v1::SubmitUpdateReply reply;
    const auto writer = stub_->SubmitUpdate(&context, &reply);
    const absl::Status sent = SendChunks(update, 0, lease_id, [&writer](Chunk&& chunk) {
      v1::Chunk message;
      ToProto(std::move(chunk), message);
      return writer->Write(message) ? absl::OkStatus() : absl::UnavailableError("refused");
    });
    // Where the coordinator stops reading, its answer says why.
    if (sent.ok()) writer->WritesDone();
    TERN_RETURN_IF_ERROR(FromGrpc(writer->Finish()));
    return Value<SubmitUpdateReply>(reply);
  }

 private:
  // A unary call: the value as a message, there and back.
  template <typename Reply, typename Request, typename RequestMessage, typename ReplyMessage>
  absl::StatusOr<Reply> Call(const Request& request,
                             grpc::Status (v1::Coordinator::Stub::*method)(grpc::ClientContext*,
                                                                           const RequestMessage&,
                                                                           ReplyMessage*)) {
    RequestMessage message;
    ToProto(request, message);
    grpc::ClientContext context;
    SetDeadline(context, 0);
    ReplyMessage reply;
    TERN_RETURN_IF_ERROR(FromGrpc((stub_.get()->*method)(&context, message, &reply)));
    return Value<Reply>(reply);
  }

  template <typename Reply, typename Message>
  absl::StatusOr<Reply> Value(const Message& message) const {
    absl::StatusOr<Reply> value = FromProto(message);
    if (!value.ok()) return WithAddress(value.status());
    return value;
  }

  void SetDeadline(grpc::ClientContext& context, int64_t bytes) const {
    const double seconds =
        static_cast<double>(bytes) / static_cast<double>(options_.min_bytes_per_second);
    context.set_deadline(
        absl::ToChronoTime(absl::Now() + options_.call_timeout + absl::Seconds(seconds)));
  }

  absl::Status Error(absl::StatusCode code, absl::string_view message) const {
    return absl::Status(code, absl::StrCat("coordinator at ", options_.server, ": ", message));
  }

  absl::Status WithAddress(const absl::Status& status) const {
    return status.ok() ? status : Error(status.code(), status.message());
  }

  // absl and gRPC number their codes alike.
  absl::Status FromGrpc(const grpc::Status& status) const {
    switch (status.error_code()) {
      case grpc::StatusCode::OK:
        return absl::OkStatus();
      case grpc::StatusCode::UNAVAILABLE:
        return Error(absl::StatusCode::kUnavailable,
                     ExplainUnavailable(status.error_message(), options_.insecure));
      case grpc::StatusCode::UNKNOWN:
        // No code of the contract: what gRPC says where a stream ended without a status.
        return Error(absl::StatusCode::kUnavailable,
                     absl::StrCat("the call was cut off: ", status.error_message()));
      default:
        return Error(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
    }
  }

  const GrpcTransportOptions options_;
  const std::unique_ptr<v1::Coordinator::Stub> stub_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Transport>> MakeGrpcTransport(const GrpcTransportOptions& options) {
  if (!IsHostPort(options.server, /*min_port=*/1)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "server is '", options.server, "', expected HOST:PORT, such as fl.example.org:9092"));
  }
  TERN_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::ChannelCredentials> credentials,
                        MakeCredentials(options));
  return std::make_unique<GrpcTransport>(
      options, grpc::CreateCustomChannel(options.server, credentials, MakeArguments()));
}

}  // namespace tern::client
