#include "core/wire/serialize.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/wire/proto_conversion.h"

namespace tern {
namespace {

// The message of a value.
template <typename T>
struct MessageOf;
// clang-format off
template <> struct MessageOf<ModelSpec> { using Type = v1::ModelSpec; };
template <> struct MessageOf<CheckInRequest> { using Type = v1::CheckInRequest; };
template <> struct MessageOf<CheckInReply> { using Type = v1::CheckInReply; };
template <> struct MessageOf<FetchModelRequest> { using Type = v1::FetchModelRequest; };
template <> struct MessageOf<Chunk> { using Type = v1::Chunk; };
template <> struct MessageOf<Update> { using Type = v1::Update; };
template <> struct MessageOf<SubmitUpdateReply> { using Type = v1::SubmitUpdateReply; };
template <> struct MessageOf<ReportFailureRequest> { using Type = v1::ReportFailureRequest; };
template <> struct MessageOf<ReportFailureReply> { using Type = v1::ReportFailureReply; };
// clang-format on

// Maps in the order of their keys: the same value always has the same bytes, which is how an update
// that is sent twice is recognised.
std::string SerializeMessage(const google::protobuf::MessageLite& message) {
  std::string bytes;
  bytes.reserve(message.ByteSizeLong());
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream output(&stream);
  output.SetSerializationDeterministic(true);
  TERN_CHECK(message.SerializeToCodedStream(&output));
  output.Trim();
  return bytes;
}

// Of a field that is a message, a string or bytes.
constexpr uint32_t LengthDelimitedTag(int field_number) {
  constexpr uint32_t kLengthDelimited = 2;
  return static_cast<uint32_t>(field_number) << 3 | kLengthDelimited;
}

// The bytes of a section before its frame, which is its last field.
std::string BeforeFrame(const v1::Section& section, int64_t frame_bytes) {
  using google::protobuf::io::CodedOutputStream;
  TERN_CHECK(frame_bytes > 0 && frame_bytes <= kMaxMessageBytes);
  const uint32_t section_tag = LengthDelimitedTag(v1::Update::kSectionsFieldNumber);
  const uint32_t frame_tag = LengthDelimitedTag(v1::Section::kFrameFieldNumber);
  const auto frame_size = static_cast<uint32_t>(frame_bytes);
  const std::string fields = SerializeMessage(section);
  const size_t section_bytes = fields.size() + CodedOutputStream::VarintSize32(frame_tag) +
                               CodedOutputStream::VarintSize32(frame_size) + frame_size;
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  CodedOutputStream output(&stream);
  output.WriteTag(section_tag);
  output.WriteVarint32(static_cast<uint32_t>(section_bytes));
  output.WriteString(fields);
  output.WriteTag(frame_tag);
  output.WriteVarint32(frame_size);
  output.Trim();
  return bytes;
}

}  // namespace

template <typename T>
std::string Serialize(const T& value) {
  typename MessageOf<T>::Type message;
  ToProto(value, message);
  return SerializeMessage(message);
}

std::string Serialize(Chunk&& chunk) {
  v1::Chunk message;
  ToProto(std::move(chunk), message);
  return SerializeMessage(message);
}

std::string Serialize(Update&& update) {
  v1::Update message;
  ToProto(std::move(update), message);
  return SerializeMessage(message);
}

UpdateEnvelope MakeUpdateEnvelope(const Update& update, absl::Span<const int64_t> frame_bytes) {
  TERN_CHECK(!update.sections.empty() && update.sections.size() == frame_bytes.size());
  v1::Update head;
  v1::Update tail;
  ToProto(update, tail);
  UpdateEnvelope envelope;
  for (size_t i = 0; i < frame_bytes.size(); ++i) {
    TERN_CHECK(update.sections[i].frame.empty());
    envelope.before.push_back(BeforeFrame(tail.sections(static_cast<int>(i)), frame_bytes[i]));
  }
  tail.clear_sections();
  head.mutable_lease_id()->swap(*tail.mutable_lease_id());
  head.mutable_base_hash()->swap(*tail.mutable_base_hash());
  envelope.before[0].insert(0, SerializeMessage(head));
  envelope.after = SerializeMessage(tail);
  return envelope;
}

template <typename T>
absl::StatusOr<T> Parse(absl::string_view bytes) {
  typename MessageOf<T>::Type message;
  if (bytes.size() > static_cast<uint64_t>(kMaxMessageBytes)) {
    return absl::InvalidArgumentError(absl::StrCat(message.GetTypeName(), " of ", bytes.size(),
                                                   " bytes, expected at most ", kMaxMessageBytes));
  }
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::InvalidArgumentError(
        absl::StrCat(bytes.size(), " bytes that are not a message ", message.GetTypeName()));
  }
  return FromProto(std::move(message));
}

#define TERN_SERIALIZABLE(T)                   \
  template std::string Serialize<T>(const T&); \
  template absl::StatusOr<T> Parse<T>(absl::string_view)

TERN_SERIALIZABLE(ModelSpec);
TERN_SERIALIZABLE(CheckInRequest);
TERN_SERIALIZABLE(CheckInReply);
TERN_SERIALIZABLE(FetchModelRequest);
TERN_SERIALIZABLE(Chunk);
TERN_SERIALIZABLE(Update);
TERN_SERIALIZABLE(SubmitUpdateReply);
TERN_SERIALIZABLE(ReportFailureRequest);
TERN_SERIALIZABLE(ReportFailureReply);

#undef TERN_SERIALIZABLE

}  // namespace tern
