#include "server/tensorboard.h"

#include <unistd.h>

#include <climits>

#include "absl/strings/str_cat.h"
#include "core/base/bytes.h"
#include "core/base/crc32c.h"
#include "core/base/status_macros.h"

namespace tern::server {
namespace {

// Messages are written by hand: TensorBoard's own would be a generated library for five fields.
enum class WireType : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

constexpr uint32_t kEventWallTime = 1;     // double, seconds since 1970
constexpr uint32_t kEventStep = 2;         // int64
constexpr uint32_t kEventFileVersion = 3;  // string
constexpr uint32_t kEventSummary = 5;      // Summary
constexpr uint32_t kSummaryValue = 1;      // repeated Summary.Value
constexpr uint32_t kValueTag = 1;          // string
constexpr uint32_t kValueSimpleValue = 2;  // float

void WriteVarint(uint64_t value, ByteWriter& out) {
  while (value >= 0x80) {
    out.Write(static_cast<uint8_t>(value | 0x80));
    value >>= 7;
  }
  out.Write(static_cast<uint8_t>(value));
}

void WriteKey(uint32_t field, WireType type, ByteWriter& out) {
  WriteVarint(field << 3 | static_cast<uint32_t>(type), out);
}

void WriteBytesField(uint32_t field, absl::string_view bytes, ByteWriter& out) {
  WriteKey(field, WireType::kBytes, out);
  WriteVarint(bytes.size(), out);
  out.WriteBytes(bytes);
}

std::string EventAt(absl::Time now) {
  std::string event;
  ByteWriter writer(&event);
  WriteKey(kEventWallTime, WireType::kFixed64, writer);
  writer.Write(absl::ToDoubleSeconds(now - absl::UnixEpoch()));
  return event;
}

// A checksum over bytes that hold checksums would be weak: TFRecord rotates and shifts it.
uint32_t MaskedCrc32c(absl::string_view bytes) {
  const uint32_t crc = Crc32c(bytes);
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

std::string HostName() {
  char name[HOST_NAME_MAX + 1] = {};
  if (gethostname(name, HOST_NAME_MAX) != 0 || name[0] == '\0') return "localhost";
  return name;
}

}  // namespace

absl::StatusOr<TensorBoardWriter> TensorBoardWriter::Create(const std::string& directory,
                                                            absl::Time now) {
  const std::string path =
      absl::StrCat(directory, "/events.out.tfevents.", absl::ToUnixSeconds(now), ".", HostName());
  TensorBoardWriter writer(path, std::ofstream(path, std::ios::binary));
  std::string event = EventAt(now);
  ByteWriter fields(&event);
  WriteBytesField(kEventFileVersion, "brain.Event:2", fields);
  TERN_RETURN_IF_ERROR(writer.WriteRecord(event));
  return writer;
}

absl::Status TensorBoardWriter::Add(int64_t step, absl::Time now,
                                    absl::Span<const Scalar> scalars) {
  std::string summary;
  ByteWriter summary_fields(&summary);
  for (const Scalar& scalar : scalars) {
    std::string value;
    ByteWriter value_fields(&value);
    WriteBytesField(kValueTag, scalar.tag, value_fields);
    WriteKey(kValueSimpleValue, WireType::kFixed32, value_fields);
    value_fields.Write(static_cast<float>(scalar.value));
    WriteBytesField(kSummaryValue, value, summary_fields);
  }
  std::string event = EventAt(now);
  ByteWriter fields(&event);
  WriteKey(kEventStep, WireType::kVarint, fields);
  WriteVarint(static_cast<uint64_t>(step), fields);
  WriteBytesField(kEventSummary, summary, fields);
  return WriteRecord(event);
}

absl::Status TensorBoardWriter::WriteRecord(absl::string_view event) {
  std::string record;
  ByteWriter writer(&record);
  writer.Write(uint64_t{event.size()});
  writer.Write(MaskedCrc32c(record));
  writer.WriteBytes(event);
  writer.Write(MaskedCrc32c(event));
  file_ << record << std::flush;
  if (file_) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(path_, ": cannot be written"));
}

}  // namespace tern::server
