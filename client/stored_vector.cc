#include "client/stored_vector.h"

#include <algorithm>
#include <array>
#include <bit>
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

// The format version says how the coordinates are kept.
constexpr uint32_t kFloat32Version = 1;
constexpr uint32_t kBfloat16Version = 2;
constexpr size_t kMagicBytes = 8;
constexpr size_t kOwnerBytes = 32;
constexpr size_t kHeaderBytes = kStoredHeaderBytes;
constexpr size_t kChecksummedBytes = kHeaderBytes - sizeof(uint32_t);  // of the header
constexpr int64_t kBlockFloats = 4096;

// The header as docs/wire-format.md lists it, behind magic and format version.
struct Header {
  uint32_t format_version = 0;
  uint64_t model_version = 0;
  uint64_t count = 0;
  std::string owner;
  uint32_t checksum = 0;
};

// Whose it is.
std::string Owner(const Lease& lease) {
  return Sha256(absl::StrCat(lease.task, absl::string_view("\0", 1), lease.plan.submodel));
}

absl::Status Damaged(const StoredVector& which, absl::string_view what) {
  return absl::DataLossError(absl::StrCat("the value '", which.name, "' is damaged: ", what));
}

absl::StatusOr<Header> ParseHeader(const StoredVector& which, absl::string_view bytes) {
  ByteReader reader(bytes);
  if (*reader.ReadBytes(kMagicBytes) != which.magic) {
    return Damaged(which, "it does not begin with its name");
  }
  Header header;
  header.format_version = *reader.Read<uint32_t>();
  if (header.format_version != kFloat32Version && header.format_version != kBfloat16Version) {
    return Damaged(which, absl::StrCat("its format version is ", header.format_version,
                                       ", expected ", kFloat32Version, " or ", kBfloat16Version));
  }
  header.model_version = *reader.Read<uint64_t>();
  header.count = *reader.Read<uint64_t>();
  header.owner = std::string(*reader.ReadBytes(kOwnerBytes));
  header.checksum = *reader.Read<uint32_t>();
  return header;
}

int64_t CoordinateBytes(uint32_t format_version) {
  return format_version == kBfloat16Version ? 2 : 4;
}

// The upper half of a float's bits, rounded to nearest, ties to even. What would round to infinity
// stays the largest.
uint16_t ToBfloat16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = bits + 0x7FFF + ((bits >> 16) & 1);
  return static_cast<uint16_t>(((rounded & 0x7F800000) == 0x7F800000 ? bits : rounded) >> 16);
}

float FromBfloat16(uint16_t half) { return std::bit_cast<float>(uint32_t{half} << 16); }

// Calls `use` with the bytes of one block of coordinates after another, and with which is the
// first.
template <typename Use>
absl::Status ForEachBlock(const StoredVector& which, DeviceState& state, const Header& header,
                          const Use& use) {
  std::array<char, kBlockFloats * sizeof(float)> bytes;
  const int64_t each = CoordinateBytes(header.format_version);
  const auto count = static_cast<int64_t>(header.count);
  for (int64_t first = 0; first < count; first += kBlockFloats) {
    const auto size = static_cast<size_t>(std::min(kBlockFloats, count - first) * each);
    TERN_RETURN_IF_ERROR(
        state.Read(which.name, kStoredHeaderBytes + first * each, {bytes.data(), size}));
    use(first, absl::string_view(bytes.data(), size));
  }
  return absl::OkStatus();
}

// target[i] += factor * coordinate i of the block.
void AddBlock(absl::string_view block, uint32_t format_version, float factor, float* target) {
  if (format_version == kBfloat16Version) {
    for (size_t i = 0; i < block.size() / 2; ++i) {
      uint16_t half;
      std::memcpy(&half, block.data() + 2 * i, 2);
      target[i] += factor * FromBfloat16(half);
    }
    return;
  }
  for (size_t i = 0; i < block.size() / 4; ++i) {
    float value;
    std::memcpy(&value, block.data() + 4 * i, 4);
    target[i] += factor * value;
  }
}

}  // namespace

absl::StatusOr<bool> AddStoredVector(const StoredVector& which, const Lease& lease,
                                     absl::FunctionRef<float(uint64_t age)> factor_of_age,
                                     DeviceState& state, absl::Span<float> values) {
  TERN_ASSIGN_OR_RETURN(const int64_t stored_bytes, state.Size(which.name));
  if (stored_bytes == 0) return false;
  if (stored_bytes < kStoredHeaderBytes) {
    return Damaged(which, absl::StrCat("it has ", stored_bytes, " bytes, expected a header of ",
                                       kStoredHeaderBytes));
  }
  std::array<char, kHeaderBytes> bytes;
  TERN_RETURN_IF_ERROR(state.Read(which.name, 0, absl::MakeSpan(bytes)));
  const absl::string_view header_bytes(bytes.data(), bytes.size());
  TERN_ASSIGN_OR_RETURN(const Header header, ParseHeader(which, header_bytes));
  const bool is_later = header.model_version > lease.model_version;
  if (header.owner != Owner(lease) || header.count != values.size() ||
      (is_later && !which.outlives_models)) {
    return false;
  }
  const float factor = factor_of_age(is_later ? 0 : lease.model_version - header.model_version);
  if (factor == 0.0f) return false;
  const int64_t expected = kStoredHeaderBytes + static_cast<int64_t>(values.size()) *
                                                    CoordinateBytes(header.format_version);
  if (stored_bytes != expected) {
    return Damaged(which, absl::StrCat("it has ", stored_bytes, " bytes, expected ", expected));
  }
  // All of it is checked before any of it is added.
  uint32_t checksum = Crc32c(header_bytes.substr(0, kChecksummedBytes));
  TERN_RETURN_IF_ERROR(ForEachBlock(
      which, state, header,
      [&checksum](int64_t, absl::string_view block) { checksum = Crc32c(block, checksum); }));
  if (checksum != header.checksum) {
    return Damaged(which, absl::StrFormat("its checksum is 0x%08x, expected 0x%08x", checksum,
                                          header.checksum));
  }
  TERN_RETURN_IF_ERROR(
      ForEachBlock(which, state, header, [&](int64_t first, absl::string_view block) {
        AddBlock(block, header.format_version, factor, values.data() + first);
      }));
  return true;
}

absl::Status WriteStoredVector(const StoredVector& which, const Lease& lease,
                               absl::Span<const float> values, ResidualFormat format,
                               std::string& buffer, DeviceState& state) {
  const bool is_half = format == ResidualFormat::kBfloat16;
  buffer.clear();
  ByteWriter writer(&buffer);
  writer.WriteBytes(which.magic);
  writer.Write(is_half ? kBfloat16Version : kFloat32Version);
  writer.Write(lease.model_version);
  writer.Write(uint64_t{values.size()});
  writer.WriteBytes(Owner(lease));
  writer.Write(uint32_t{0});
  if (is_half) {
    for (const float value : values) writer.Write(ToBfloat16(value));
  } else {
    writer.WriteFloats(values);
  }
  const absl::string_view written_bytes = buffer;
  const uint32_t checksum = Crc32c(written_bytes.substr(kHeaderBytes),
                                   Crc32c(written_bytes.substr(0, kChecksummedBytes)));
  std::memcpy(buffer.data() + kChecksummedBytes, &checksum, sizeof(checksum));
  return state.Write(which.name, buffer);
}

}  // namespace tern::client
