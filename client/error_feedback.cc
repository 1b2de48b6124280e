#include "client/error_feedback.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/bytes.h"
#include "core/base/crc32c.h"
#include "core/base/status_macros.h"
#include "core/crypto/sha256.h"
#include "core/wire/plan_bytes.h"

namespace tern::client {
namespace {

constexpr absl::string_view kMagic = "TERNRESI";
constexpr uint32_t kFormatVersion = 1;
constexpr size_t kOwnerBytes = 32;
constexpr size_t kHeaderBytes = kResidualHeaderBytes;
constexpr size_t kChecksummedBytes = kHeaderBytes - sizeof(uint32_t);  // of the header
constexpr int64_t kBlockFloats = 4096;

// The header as docs/wire-format.md lists it, behind magic and format version.
struct Header {
  uint64_t model_version = 0;
  uint64_t count = 0;
  std::string owner;
  uint32_t checksum = 0;
};

absl::string_view AsBytes(absl::Span<const float> floats) {
  return {reinterpret_cast<const char*>(floats.data()), floats.size() * sizeof(float)};
}

// Whose residual it is.
std::string Owner(const Lease& lease) {
  return Sha256(absl::StrCat(lease.task, absl::string_view("\0", 1), lease.plan.submodel));
}

absl::Status Damaged(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("the stored residual is damaged: ", what));
}

absl::StatusOr<Header> ParseHeader(absl::string_view bytes) {
  ByteReader reader(bytes);
  if (*reader.ReadBytes(kMagic.size()) != kMagic) return Damaged("it does not begin with its name");
  const uint32_t version = *reader.Read<uint32_t>();
  if (version != kFormatVersion) {
    return Damaged(absl::StrCat("its format version is ", version, ", expected ", kFormatVersion));
  }
  Header header;
  header.model_version = *reader.Read<uint64_t>();
  header.count = *reader.Read<uint64_t>();
  header.owner = std::string(*reader.ReadBytes(kOwnerBytes));
  header.checksum = *reader.Read<uint32_t>();
  return header;
}

// Calls `use` with one block of the coordinates after another, and with where it begins.
template <typename Use>
absl::Status ForEachBlock(DeviceState& state, int64_t count, const Use& use) {
  std::array<float, kBlockFloats> floats;
  for (int64_t first = 0; first < count; first += kBlockFloats) {
    const auto size = static_cast<size_t>(std::min(kBlockFloats, count - first));
    TERN_RETURN_IF_ERROR(state.Read(
        kResidualName, kResidualHeaderBytes + first * static_cast<int64_t>(sizeof(float)),
        {reinterpret_cast<char*>(floats.data()), size * sizeof(float)}));
    use(first, absl::MakeConstSpan(floats.data(), size));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status AddResidual(const Lease& lease, DeviceState& state, absl::Span<float> update) {
  TERN_ASSIGN_OR_RETURN(const int64_t stored_bytes, state.Size(kResidualName));
  if (stored_bytes == 0) return absl::OkStatus();
  if (stored_bytes < kResidualHeaderBytes) {
    return Damaged(absl::StrCat("it has ", stored_bytes, " bytes, expected a header of ",
                                kResidualHeaderBytes));
  }
  std::array<char, kHeaderBytes> bytes;
  TERN_RETURN_IF_ERROR(state.Read(kResidualName, 0, absl::MakeSpan(bytes)));
  const absl::string_view header_bytes(bytes.data(), bytes.size());
  TERN_ASSIGN_OR_RETURN(const Header header, ParseHeader(header_bytes));
  if (header.owner != Owner(lease) || header.count != update.size() ||
      header.model_version > lease.model_version) {
    return absl::OkStatus();
  }
  const auto count = static_cast<int64_t>(update.size());
  const int64_t expected = kResidualHeaderBytes + count * static_cast<int64_t>(sizeof(float));
  if (stored_bytes != expected) {
    return Damaged(absl::StrCat("it has ", stored_bytes, " bytes, expected ", expected));
  }
  // All of it is checked before any of it is added.
  uint32_t checksum = Crc32c(header_bytes.substr(0, kChecksummedBytes));
  TERN_RETURN_IF_ERROR(
      ForEachBlock(state, count, [&checksum](int64_t, absl::Span<const float> block) {
        checksum = Crc32c(AsBytes(block), checksum);
      }));
  if (checksum != header.checksum) {
    return Damaged(
        absl::StrFormat("its checksum is 0x%08x, expected 0x%08x", checksum, header.checksum));
  }
  return ForEachBlock(state, count, [&update](int64_t first, absl::Span<const float> block) {
    float* target = update.data() + first;
    for (size_t i = 0; i < block.size(); ++i) target[i] += block[i];
  });
}

absl::Status WriteResidual(const Lease& lease, absl::Span<const float> residual,
                           std::string& buffer, DeviceState& state) {
  const absl::string_view floats = AsBytes(residual);
  buffer.clear();
  ByteWriter writer(&buffer);
  writer.WriteBytes(kMagic);
  writer.Write(kFormatVersion);
  writer.Write(lease.model_version);
  writer.Write(uint64_t{residual.size()});
  writer.WriteBytes(Owner(lease));
  writer.Write(Crc32c(floats, Crc32c(buffer)));
  writer.WriteBytes(floats);
  const absl::Status written = state.Write(kResidualName, buffer);
  if (!written.ok()) (void)state.Write(kResidualName, "");
  return written;
}

}  // namespace tern::client
