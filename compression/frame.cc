#include "compression/frame.h"

#include <cstring>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "compression/magnitude.h"
#include "core/base/check.h"
#include "core/base/crc32c.h"
#include "core/base/status_macros.h"

namespace tern::compression {
namespace {

constexpr absl::string_view kMagic = "TERN";
constexpr uint16_t kFormatVersion = 1;
constexpr size_t kChecksummedBytes = 28;  // of the header: all before the checksum itself

// The header as docs/wire-format.md lists it, behind the magic.
struct Header {
  uint16_t format_version;
  uint16_t reserved;
  uint64_t model_version;
  uint64_t payload_bytes;
  uint32_t count;
  uint32_t checksum;
};

uint32_t Checksum(absl::string_view bytes) {
  return Crc32c(bytes.substr(kFrameHeaderBytes), Crc32c(bytes.substr(0, kChecksummedBytes)));
}

absl::StatusOr<Header> ReadHeader(absl::string_view bytes) {
  if (bytes.size() < kFrameHeaderBytes) {
    return absl::DataLossError(absl::StrCat("frame: truncated: ", bytes.size(),
                                            " bytes, expected a header of ", kFrameHeaderBytes));
  }
  ByteReader reader(bytes);
  TERN_ASSIGN_OR_RETURN(const absl::string_view magic, reader.ReadBytes(kMagic.size()));
  if (magic != kMagic) {
    uint32_t shown;
    std::memcpy(&shown, magic.data(), sizeof(shown));
    return absl::InvalidArgumentError(absl::StrFormat(
        "frame: magic is 0x%08x, expected 0x4e524554 (\"TERN\"): not a Tern frame", shown));
  }
  Header header;
  TERN_ASSIGN_OR_RETURN(header.format_version, reader.Read<uint16_t>());
  TERN_ASSIGN_OR_RETURN(header.reserved, reader.Read<uint16_t>());
  TERN_ASSIGN_OR_RETURN(header.model_version, reader.Read<uint64_t>());
  TERN_ASSIGN_OR_RETURN(header.payload_bytes, reader.Read<uint64_t>());
  TERN_ASSIGN_OR_RETURN(header.count, reader.Read<uint32_t>());
  TERN_ASSIGN_OR_RETURN(header.checksum, reader.Read<uint32_t>());
  return header;
}

absl::Status CheckHeader(const Header& header, absl::string_view bytes, int64_t count) {
  if (header.format_version != kFormatVersion) {
    return absl::InvalidArgumentError(
        absl::StrCat("frame: format version is ", header.format_version, ", expected ",
                     kFormatVersion, "; update the older of the two programs"));
  }
  if (header.reserved != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("frame: reserved field is ", header.reserved, ", expected 0"));
  }
  if (header.count != count) {
    return absl::InvalidArgumentError(absl::StrCat("frame: count is ", header.count,
                                                   " coordinates, expected the model's ", count));
  }
  const uint64_t left = bytes.size() - kFrameHeaderBytes;
  if (header.payload_bytes != left) {
    return absl::DataLossError(
        absl::StrCat("frame: ", header.payload_bytes > left ? "truncated" : "trailing bytes",
                     ": payload is ", left, " bytes, expected ", header.payload_bytes));
  }
  const uint32_t checksum = Checksum(bytes);
  if (header.checksum != checksum) {
    return absl::DataLossError(absl::StrFormat(
        "frame: checksum of what arrived is 0x%08x, expected 0x%08x", checksum, header.checksum));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status AppendFrame(const Encoder& encoder, const FrameContents& contents, std::string& out) {
  const size_t count = contents.values.size();
  if (count > std::numeric_limits<uint32_t>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat("frame: ", count, " coordinates, expected fewer than 2^32"));
  }
  const size_t begin = out.size();
  ByteWriter writer(&out);
  writer.Extend(kFrameHeaderBytes);
  TERN_RETURN_IF_ERROR(encoder.Encode(contents.values, contents.key, contents.scratch, writer));

  std::string header;
  ByteWriter header_writer(&header);
  header_writer.WriteBytes(kMagic);
  header_writer.Write(kFormatVersion);
  header_writer.Write(uint16_t{0});
  header_writer.Write(contents.model_version);
  header_writer.Write(uint64_t{out.size() - begin - kFrameHeaderBytes});
  header_writer.Write(static_cast<uint32_t>(count));
  out.replace(begin, header.size(), header);
  header_writer.Write(Checksum(absl::string_view(out).substr(begin)));
  out.replace(begin, header.size(), header);
  return absl::OkStatus();
}

absl::StatusOr<std::string> EncodeFrame(const Encoder& encoder, absl::Span<const float> values,
                                        uint64_t model_version, const RandomKey& key) {
  const auto count = static_cast<int64_t>(values.size());
  std::string bytes;
  bytes.reserve(static_cast<size_t>(MaxFrameBytes(encoder, count)));
  std::vector<char> scratch(static_cast<size_t>(encoder.ScratchBytes(count)));
  TERN_RETURN_IF_ERROR(AppendFrame(encoder,
                                   {.values = values,
                                    .model_version = model_version,
                                    .key = key,
                                    .scratch = absl::MakeSpan(scratch)},
                                   bytes));
  return bytes;
}

absl::StatusOr<Frame> ReadFrame(absl::string_view bytes, const Decoder& decoder,
                                const DecodeLimits& limits) {
  TERN_ASSIGN_OR_RETURN(const Header header, ReadHeader(bytes));
  TERN_RETURN_IF_ERROR(CheckHeader(header, bytes, limits.count));
  const absl::string_view payload = bytes.substr(kFrameHeaderBytes);
  TERN_RETURN_IF_ERROR(decoder.Validate(payload, limits));
  return Frame{.model_version = header.model_version, .payload = payload};
}

void DenseSink::Add(int64_t offset, absl::Span<const float> values) {
  TERN_CHECK(offset >= 0 && static_cast<size_t>(offset) <= out_.size() &&
             values.size() <= out_.size() - static_cast<size_t>(offset));
  if (values.empty()) return;
  std::memcpy(out_.data() + offset, values.data(), values.size() * sizeof(float));
}

void DenseSink::AddSparse(absl::Span<const int32_t> indices, absl::Span<const float> values) {
  for (size_t i = 0; i < indices.size(); ++i) {
    TERN_CHECK(indices[i] >= 0 && static_cast<size_t>(indices[i]) < out_.size());
    out_[static_cast<size_t>(indices[i])] = values[i];
  }
}

}  // namespace tern::compression
