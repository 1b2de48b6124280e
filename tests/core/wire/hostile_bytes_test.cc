// Property: no bytes crash a parser, and what a parser accepts is serialized again and parsed again
// to the same bytes. Seeds are fixed.
#include <google/protobuf/stubs/logging.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "core/base/random.h"
#include "core/wire/serialize.h"
#include "tests/core/wire/example_messages.h"

namespace tern {
namespace {

template <typename T>
void TryParse(absl::string_view bytes) {
  const absl::StatusOr<T> value = Parse<T>(bytes);
  if (!value.ok()) {
    EXPECT_EQ(value.status().code(), absl::StatusCode::kInvalidArgument);
    return;
  }
  const std::string once = Serialize(*value);
  const absl::StatusOr<T> again = Parse<T>(once);
  ASSERT_TRUE(again.ok()) << again.status() << " for " << absl::BytesToHexString(bytes);
  EXPECT_EQ(Serialize(*again), once);
}

void TryParseAsEverything(absl::string_view bytes) {
  TryParse<ModelSpec>(bytes);
  TryParse<CheckInRequest>(bytes);
  TryParse<CheckInReply>(bytes);
  TryParse<FetchModelRequest>(bytes);
  TryParse<Chunk>(bytes);
  TryParse<Update>(bytes);
  TryParse<SubmitUpdateReply>(bytes);
  TryParse<ReportFailureRequest>(bytes);
  TryParse<ReportFailureReply>(bytes);
}

std::vector<std::string> Corpus() {
  return {Serialize(ExampleModelSpec()),
          Serialize(ExampleCheckInRequest()),
          Serialize<CheckInReply>(ExampleLease()),
          Serialize<CheckInReply>(ComeBack{.retry_after = absl::Seconds(1), .reason = "wait"}),
          Serialize<CheckInReply>(Refusal{.message = "not enrolled"}),
          Serialize<CheckInReply>(TaskFinished{.task = "quickstart", .num_rounds = 3}),
          Serialize(FetchModelRequest{.lease_id = std::string(16, 'x'), .offset = 5}),
          Serialize(ExampleChunk()),
          Serialize(ExampleUpdate()),
          Serialize(SubmitUpdateReply{.round = 1, .retry_after = absl::Seconds(1)}),
          Serialize(ReportFailureRequest{.lease_id = std::string(16, 'x'), .message = "no"}),
          Serialize(ReportFailureReply{.retry_after = absl::Seconds(1)})};
}

class HostileBytes : public testing::Test {
  google::protobuf::LogSilencer
      silencer_;  // protobuf complains about every string that is not text
};

TEST_F(HostileBytes, Parse_RandomBytes_NeverCrashes) {
  RandomStream random({.seed = 1});
  for (int i = 0; i < 5000; ++i) {
    std::string bytes(random.Below(200), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.Next32());
    TryParseAsEverything(bytes);
  }
}

TEST_F(HostileBytes, Parse_EveryTruncation_NeverCrashes) {
  for (const std::string& message : Corpus()) {
    for (size_t size = 0; size < message.size(); ++size) {
      TryParseAsEverything(absl::string_view(message).substr(0, size));
    }
  }
}

TEST_F(HostileBytes, Parse_MutatedMessages_NeverCrashes) {
  RandomStream random({.seed = 2});
  const std::vector<std::string> corpus = Corpus();
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = corpus[random.Below(static_cast<uint32_t>(corpus.size()))];
    for (uint32_t changes = 1 + random.Below(4); changes > 0; --changes) {
      bytes[random.Below(static_cast<uint32_t>(bytes.size()))] = static_cast<char>(random.Next32());
    }
    TryParseAsEverything(bytes);
  }
}

// A length of 2^31 - 1 in front of nothing, and groups nested without end: neither may be believed.
TEST_F(HostileBytes, Parse_HugeLengthsAndDeepNesting_NeverCrashes) {
  TryParseAsEverything(absl::string_view("\x0A\xFF\xFF\xFF\xFF\x07", 6));
  TryParseAsEverything(std::string(100000, '\x0B'));
  TryParseAsEverything(std::string(100000, '\x0A'));
}

}  // namespace
}  // namespace tern
