// The messages between a device and the coordinator, as plain values. The contract and its comments
// are in proto/tern/v1/coordinator.proto; here is what the rest of the program works with.
#ifndef TERN_CORE_WIRE_MESSAGES_H_
#define TERN_CORE_WIRE_MESSAGES_H_

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "core/train/plan.h"

namespace tern {

// The protocol that this build speaks.
inline constexpr uint32_t kProtocolVersion = 3;

// The length of a lease id.
inline constexpr int64_t kLeaseIdBytes = 16;

// The sections of an update: of the parameters, and behind it, where the plan's method sends one,
// of what the client's control variate changes by. Both are as long, and encoded by the same codec.
inline constexpr char kParametersSection[] = "parameters";
inline constexpr char kControlSection[] = "control";

// What a device has; zero and empty mean "not known".
struct Capabilities {
  int64_t ram_bytes = 0;
  double flops_per_second = 0.0;
  double downlink_bytes_per_second = 0.0;
  double uplink_bytes_per_second = 0.0;
  double battery_joules = 0.0;  // that a round may use
  std::vector<std::string> codecs;
  std::vector<LayerKind> layer_kinds;
  int64_t storage_bytes = 0;  // that state between rounds may take
  double joules_per_flop = 0.0;
  double joules_per_byte_down = 0.0;
  double joules_per_byte_up = 0.0;
  absl::Duration round_trip;

  bool operator==(const Capabilities&) const = default;
};

// INVALID_ARGUMENT unless `client_id` is 1 to 128 printable ASCII characters without spaces.
absl::Status ValidateClientId(absl::string_view client_id);

struct CheckInRequest {
  uint32_t min_protocol_version = kProtocolVersion;
  uint32_t max_protocol_version = kProtocolVersion;
  std::string client_id;
  Capabilities capabilities;
  int64_t num_examples = 0;
  uint64_t model_version = 0;

  bool operator==(const CheckInRequest&) const = default;
};

struct Lease {
  std::string lease_id;  // 16 bytes
  std::string task;
  Plan plan;
  uint64_t model_version = 0;
  std::string base_hash;  // 32 bytes
  int64_t model_bytes = 0;
  absl::Duration deadline;  // from now

  bool operator==(const Lease&) const = default;
};

struct ComeBack {
  absl::Duration retry_after;
  std::string reason;

  bool operator==(const ComeBack&) const = default;
};

enum class RefusalReason : int32_t {
  kUnsupportedProtocol = 1,
  kInvalidIdentity = 2,
  kNoExamples = 3,
  kNotCapable = 4,
  kDeviceTooSmall = 5,
  kNotAuthorized = 6,
  kShuttingDown = 7,
  kTooSlow = 8,
};

struct Refusal {
  RefusalReason reason = RefusalReason::kNotAuthorized;
  std::string message;

  bool operator==(const Refusal&) const = default;
};

struct TaskFinished {
  std::string task;
  uint64_t num_rounds = 0;

  bool operator==(const TaskFinished&) const = default;
};

using CheckInReply = std::variant<Lease, ComeBack, Refusal, TaskFinished>;

struct FetchModelRequest {
  std::string lease_id;
  uint64_t offset = 0;
};

// A piece of a long byte string; see core/wire/chunks.h.
struct Chunk {
  std::string lease_id;
  uint64_t total_bytes = 0;
  uint64_t offset = 0;
  std::string data;
  uint32_t crc32c = 0;
};

struct Section {
  std::string name;
  std::string codec;  // empty: the plan's
  std::string frame;
};

struct UpdateReport {
  int64_t num_examples = 0;
  int64_t local_steps = 0;
  double train_loss = 0.0;
  int64_t peak_memory_bytes = 0;
  std::map<std::string, double> metrics;
};

struct Update {
  std::string lease_id;
  std::string base_hash;
  std::vector<Section> sections;
  UpdateReport report;
};

struct SubmitUpdateReply {
  uint64_t round = 0;
  absl::Duration retry_after;
};

struct ReportFailureRequest {
  std::string lease_id;
  std::string message;
};

struct ReportFailureReply {
  absl::Duration retry_after;
};

}  // namespace tern

#endif  // TERN_CORE_WIRE_MESSAGES_H_
