#include <array>
#include <bit>

#include "absl/strings/str_cat.h"
#include "compression/bit_stream.h"
#include "compression/rice.h"

namespace tern::compression {
namespace {

class RiceReader final : public PositionReader {
 public:
  RiceReader(absl::string_view bytes, const PositionCounts& counts)
      : bytes_(bytes),
        counts_(counts),
        parameter_(bytes.empty() ? 0 : static_cast<uint8_t>(bytes[0])),
        bits_(bytes.substr(bytes.empty() ? 0 : 1)) {}

  absl::Status Check() const override;
  int64_t Read(PositionState& state, int64_t end, absl::Span<int32_t> indices) const override;

 private:
  bool ReadFour(PositionState& state, int64_t end, int32_t* indices) const;
  bool ReadOne(PositionState& state, int64_t end, int32_t* index) const;
  absl::Status CheckEnd(int64_t end) const;

  const absl::string_view bytes_;
  const PositionCounts counts_;
  const int parameter_;
  const absl::string_view bits_;  // behind the parameter
};

// The next four positions, if they lie in the bits that one load gives and are all below `end`.
inline bool RiceReader::ReadFour(PositionState& state, int64_t end, int32_t* indices) const {
  const uint64_t mask = (uint64_t{1} << parameter_) - 1;
  uint64_t window = BitsAt(bits_, state.offset);
  int64_t next = state.next;
  int length = 0;
  for (int i = 0; i < 4; ++i) {
    // At most 63, so that no shift is too wide; what was not in the window is not used.
    const int ones = std::countr_zero(~window | uint64_t{1} << 63);
    window = window >> ones >> 1;
    next += static_cast<int64_t>(uint64_t(ones) << parameter_ | (window & mask));
    window >>= parameter_;
    length += ones + 1 + parameter_;
    indices[i] = static_cast<int32_t>(next++);
  }
  if (length > kBitWindow || next > end) return false;
  state.next = next;
  state.offset += length;
  return true;
}

// The next position, if it is below `end`. Ones that do not fit into a load are consumed as they
// come: what is left is the rest of the gap.
inline bool RiceReader::ReadOne(PositionState& state, int64_t end, int32_t* index) const {
  const uint64_t mask = (uint64_t{1} << parameter_) - 1;
  while (state.next < end) {
    const uint64_t window = BitsAt(bits_, state.offset);
    const int ones = std::countr_zero(~window | uint64_t{1} << (kBitWindow - 1));
    const auto skipped = static_cast<int64_t>(uint64_t(ones) << parameter_);
    if (ones + 1 + parameter_ >= kBitWindow) {
      state.offset += ones;
      state.next += skipped;
      continue;
    }
    const auto low = static_cast<int64_t>(window >> (ones + 1) & mask);
    const int64_t position = state.next + skipped + low;
    if (position >= end) return false;
    *index = static_cast<int32_t>(position);
    state.offset += ones + 1 + parameter_;
    state.next = position + 1;
    return true;
  }
  return false;
}

int64_t RiceReader::Read(PositionState& state, int64_t end, absl::Span<int32_t> indices) const {
  const int64_t wanted =
      std::min(static_cast<int64_t>(indices.size()), counts_.kept - state.handed_out);
  PositionState at = state;
  int64_t read = 0;
  while (read < wanted) {
    if (wanted - read >= 4 && ReadFour(at, end, indices.data() + read)) {
      read += 4;
    } else if (ReadOne(at, end, indices.data() + read)) {
      ++read;
    } else {
      break;
    }
  }
  state = at;
  state.handed_out += read;
  return read;
}

// `end`: where the last position ends.
absl::Status RiceReader::CheckEnd(int64_t end) const {
  const auto size = static_cast<int64_t>(bits_.size());
  const int64_t expected = (end + 7) / 8;
  if (size != expected) {
    return absl::DataLossError(absl::StrCat(
        size < expected ? "truncated: " : "trailing bytes: ", size,
        " bytes of rice positions, expected ", size < expected ? "at least " : "", expected));
  }
  if (BitsAt(bits_, end) != 0) {
    return absl::InvalidArgumentError("bits behind the last rice position are not 0");
  }
  return absl::OkStatus();
}

absl::Status RiceReader::Check() const {
  if (bytes_.empty()) {
    return absl::DataLossError("truncated: expected the parameter of rice positions");
  }
  if (parameter_ > kMaxRiceParameter || (counts_.kept == 0 && parameter_ != 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("rice parameter is ", parameter_, ", expected ",
                     counts_.kept == 0 ? "0 for no positions" : "at most 30"));
  }
  // Bits behind the end read as 0, so this bounds what follows by the size of the payload.
  const int64_t least = counts_.kept * (1 + parameter_);
  if (least > 8 * static_cast<int64_t>(bits_.size())) return CheckEnd(least);
  PositionState state;
  std::array<int32_t, 256> indices;
  while (state.handed_out < counts_.kept) {
    if (Read(state, counts_.count, absl::MakeSpan(indices)) > 0) continue;
    if (state.offset > 8 * static_cast<int64_t>(bits_.size())) break;
    return absl::InvalidArgumentError(absl::StrCat("rice position ", state.handed_out, " of ",
                                                   counts_.kept, " is not below ", counts_.count));
  }
  return CheckEnd(state.offset);
}

}  // namespace

std::unique_ptr<PositionReader> MakeRiceReader(absl::string_view bytes,
                                               const PositionCounts& counts) {
  return std::make_unique<RiceReader>(bytes, counts);
}

}  // namespace tern::compression
