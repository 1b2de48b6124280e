#include "compression/frame.h"

#include <cstring>
#include <limits>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "compression/magnitude.h"
#include "core/base/check.h"
#include "core/base/crc32c.h"
#include "core/base/status_macros.h"

namespace tern::compression {
namespace {

constexpr absl::string_view kMagic = "TRN";
constexpr uint8_t kFormatVersion = 2;
constexpr absl::string_view kBeginningOfVersion1("TERN\1\0\0\0", 8);
constexpr size_t kChecksummedBytes = 12;  // of the header: all before the checksum itself

// The header as docs/wire-format.md lists it, behind the magic.
struct Header {
  uint8_t format_version;
  uint32_t model_version;
  uint32_t count;
  uint32_t checksum;
};

uint32_t Checksum(absl::string_view bytes) {
  return Crc32c(bytes.substr(kFrameHeaderBytes), Crc32c(bytes.substr(0, kChecksummedBytes)));
}

absl::Status CheckFormatVersion(int version) {
  if (version == kFormatVersion) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("frame: format version is ", version,
                                                 ", expected ", int{kFormatVersion},
                                                 "; update the older of the two programs"));
}

absl::StatusOr<Header> ReadHeader(absl::string_view bytes) {
  if (bytes.size() < kFrameHeaderBytes) {
    return absl::DataLossError(absl::StrCat("frame: truncated: ", bytes.size(),
                                            " bytes, expected a header of ", kFrameHeaderBytes));
  }
  ByteReader reader(bytes);
  TERN_ASSIGN_OR_RETURN(const absl::string_view magic, reader.ReadBytes(kMagic.size()));
  if (magic != kMagic) {
    if (absl::StartsWith(bytes, kBeginningOfVersion1)) return CheckFormatVersion(1);
    uint32_t shown;
    std::memcpy(&shown, bytes.data(), sizeof(shown));
    return absl::InvalidArgumentError(absl::StrFormat(
        "frame: begins with 0x%08x, expected \"TRN\" and a version: not a Tern frame", shown));
  }
  Header header;
  TERN_ASSIGN_OR_RETURN(header.format_version, reader.Read<uint8_t>());
  TERN_ASSIGN_OR_RETURN(header.model_version, reader.Read<uint32_t>());
  TERN_ASSIGN_OR_RETURN(header.count, reader.Read<uint32_t>());
  TERN_ASSIGN_OR_RETURN(header.checksum, reader.Read<uint32_t>());
  return header;
}

absl::Status CheckHeader(const Header& header, absl::string_view bytes, int64_t count) {
  TERN_RETURN_IF_ERROR(CheckFormatVersion(header.format_version));
  const uint32_t checksum = Checksum(bytes);
  if (header.checksum != checksum) {
    return absl::DataLossError(
        absl::StrFormat("frame: checksum of what arrived is 0x%08x, expected 0x%08x: damaged, "
                        "truncated or with bytes behind it",
                        checksum, header.checksum));
  }
  if (header.count != count) {
    return absl::InvalidArgumentError(absl::StrCat("frame: count is ", header.count,
                                                   " coordinates, expected the model's ", count));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status AppendFrame(const Encoder& encoder, const FrameContents& contents, std::string& out) {
  constexpr uint64_t kLargest = std::numeric_limits<uint32_t>::max();
  const size_t count = contents.values.size();
  if (count > kLargest || contents.model_version > kLargest) {
    return absl::InvalidArgumentError(
        absl::StrCat("frame: ", count, " coordinates of model version ", contents.model_version,
                     ", expected both below 2^32"));
  }
  const size_t begin = out.size();
  ByteWriter writer(&out);
  writer.Extend(kFrameHeaderBytes);
  CodecContext context = contents.context;
  context.count = static_cast<int64_t>(count);
  TERN_RETURN_IF_ERROR(encoder.Encode(contents.values, context, contents.scratch, writer));

  std::string header;
  ByteWriter header_writer(&header);
  header_writer.WriteBytes(kMagic);
  header_writer.Write(kFormatVersion);
  header_writer.Write(static_cast<uint32_t>(contents.model_version));
  header_writer.Write(static_cast<uint32_t>(count));
  out.replace(begin, header.size(), header);
  header_writer.Write(Checksum(absl::string_view(out).substr(begin)));
  out.replace(begin, header.size(), header);
  return absl::OkStatus();
}

absl::StatusOr<std::string> EncodeFrame(const Encoder& encoder, absl::Span<const float> values,
                                        uint64_t model_version, const CodecContext& context) {
  CodecContext counted = context;
  counted.count = static_cast<int64_t>(values.size());
  std::string bytes;
  bytes.reserve(static_cast<size_t>(MaxFrameBytes(encoder, counted)));
  std::vector<char> scratch(static_cast<size_t>(encoder.ScratchBytes(counted)));
  TERN_RETURN_IF_ERROR(AppendFrame(encoder,
                                   {.values = values,
                                    .model_version = model_version,
                                    .context = counted,
                                    .scratch = absl::MakeSpan(scratch)},
                                   bytes));
  return bytes;
}

absl::StatusOr<Frame> ReadFrame(absl::string_view bytes, const Decoder& decoder,
                                const CodecContext& context, float max_abs_value) {
  TERN_ASSIGN_OR_RETURN(const Header header, ReadHeader(bytes));
  TERN_RETURN_IF_ERROR(CheckHeader(header, bytes, context.count));
  const absl::string_view payload = bytes.substr(kFrameHeaderBytes);
  TERN_RETURN_IF_ERROR(decoder.Validate(payload, context, max_abs_value));
  return Frame{.model_version = header.model_version, .payload = payload};
}

}  // namespace tern::compression
