#include "aggregation/sealed_bytes.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/base/crc32c.h"
#include "core/base/status_macros.h"

namespace tern::aggregation {
namespace {

constexpr size_t kMagicBytes = 8;

}  // namespace

std::string BeginSeal(const SealFormat& format) {
  TERN_CHECK(format.magic.size() == kMagicBytes);
  std::string bytes;
  ByteWriter writer(&bytes);
  writer.WriteBytes(format.magic);
  writer.Write<uint32_t>(format.version);
  writer.Write<uint32_t>(format.fingerprint);
  return bytes;
}

void EndSeal(std::string& bytes) {
  const uint32_t checksum = Crc32c(bytes);
  ByteWriter(&bytes).Write<uint32_t>(checksum);
}

absl::StatusOr<absl::string_view> OpenSeal(const SealFormat& format, absl::string_view bytes) {
  const std::string of = absl::StrCat("state of ", format.writer, ": ");
  if (bytes.size() < kSealBytes) {
    return absl::DataLossError(
        absl::StrCat(of, "truncated: ", bytes.size(), " bytes, expected at least ", kSealBytes));
  }
  const absl::string_view checked = bytes.substr(0, bytes.size() - sizeof(uint32_t));
  ByteReader end(bytes.substr(checked.size()));
  TERN_ASSIGN_OR_RETURN(const uint32_t expected, end.Read<uint32_t>());
  const uint32_t checksum = Crc32c(checked);
  if (checksum != expected) {
    return absl::DataLossError(absl::StrFormat(
        "%schecksum is 0x%08x, expected 0x%08x: damaged or truncated", of, checksum, expected));
  }
  ByteReader reader(checked);
  TERN_ASSIGN_OR_RETURN(const absl::string_view magic, reader.ReadBytes(kMagicBytes));
  TERN_ASSIGN_OR_RETURN(const uint32_t version, reader.Read<uint32_t>());
  TERN_ASSIGN_OR_RETURN(const uint32_t fingerprint, reader.Read<uint32_t>());
  if (magic != format.magic) {
    return absl::DataLossError(
        absl::StrCat(of, "does not begin with ", format.magic, ": something else"));
  }
  if (version != format.version) {
    return absl::DataLossError(
        absl::StrCat(of, "format version is ", version, ", expected ", format.version));
  }
  if (fingerprint != format.fingerprint) {
    return absl::DataLossError(
        absl::StrCat(of, "written by another, or under other options or limits"));
  }
  return checked.substr(kSealHeaderBytes);
}

}  // namespace tern::aggregation
