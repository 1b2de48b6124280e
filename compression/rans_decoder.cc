#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "compression/rans.h"

namespace tern::compression {
namespace {

constexpr uint32_t kSlots = 1 << kRansSlotBits;
constexpr int64_t kWordBytes = 2;

}  // namespace

// The byte of each slot and the slots of each byte: both stay in a first-level cache, which a table
// of all members for each slot would not.
struct RansDecoder::Table {
  struct Interval {
    uint16_t frequency;
    uint16_t start;
  };
  std::array<uint8_t, kSlots> bytes;
  std::array<Interval, 256> intervals;

  uint32_t Decode(uint32_t state, uint8_t* byte) const {
    const uint32_t slot = state % kSlots;
    *byte = bytes[slot];
    const Interval& interval = intervals[*byte];
    return interval.frequency * (state / kSlots) + slot - interval.start;
  }
};

namespace {

// A state that has become too small takes up a word; without branches, which nobody could predict.
inline uint32_t Renormalize(uint32_t state, const char*& words) {
  uint16_t word;
  std::memcpy(&word, words, sizeof(word));
  const uint32_t all_if_small = 0 - static_cast<uint32_t>(state < kLowestRansState);
  words += all_if_small & kWordBytes;
  return state ^ ((state ^ (state << 16 | word)) & all_if_small);
}

}  // namespace

RansDecoder::RansDecoder(absl::string_view coded, int64_t count, const RansFrequencies& frequencies)
    : coded_(coded), count_(count), table_(std::make_unique<Table>()) {
  static_assert(sizeof(Table) == kTableBytes);
  uint32_t start = 0;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    table_->intervals[i] = {frequencies[i], static_cast<uint16_t>(start)};
    const uint32_t end = std::min<uint32_t>(start + frequencies[i], kSlots);
    std::fill(table_->bytes.begin() + start, table_->bytes.begin() + end, static_cast<uint8_t>(i));
    start = end;
  }
}
RansDecoder::~RansDecoder() = default;
RansDecoder::RansDecoder(RansDecoder&&) noexcept = default;
RansDecoder& RansDecoder::operator=(RansDecoder&&) noexcept = default;

absl::Status RansDecoder::Begin(RansState& state) const {
  const int64_t states = MinRansBytes(count_);
  if (static_cast<int64_t>(coded_.size()) < states) {
    return absl::DataLossError(
        absl::StrCat("truncated: ", coded_.size(), " coded bytes, expected at least ", states));
  }
  state = RansState{.position = states};
  if (states > 0) std::memcpy(state.states.data(), coded_.data(), static_cast<size_t>(states));
  return absl::OkStatus();
}

// One byte; words behind the end are 0.
inline void RansDecoder::ReadByte(RansState& state, uint8_t* byte) const {
  const int64_t turn = count_ < kInterleavedFrom ? 0 : state.decoded % kRansStates;
  uint32_t& x = state.states[static_cast<size_t>(turn)];
  x = table_->Decode(x, byte);
  ++state.decoded;
  if (x >= kLowestRansState) return;
  uint16_t word = 0;
  const auto position = static_cast<size_t>(state.position);
  if (position + sizeof(word) <= coded_.size()) {
    std::memcpy(&word, coded_.data() + position, sizeof(word));
  }
  x = x << 16 | word;
  state.position += kWordBytes;
}

// `rounds` times four bytes, from state 0 on; fewer where the words come near to their end. Returns
// how many rounds.
int64_t RansDecoder::ReadRounds(RansState& state, int64_t rounds, uint8_t* bytes) const {
  constexpr int64_t kWords = kRansStates * kWordBytes;  // the most that a round takes
  const Table& table = *table_;
  const auto size = static_cast<int64_t>(coded_.size());
  if (state.position + kWords > size) return 0;
  const char* words = coded_.data() + state.position;
  const char* const last = coded_.data() + size - kWords;
  auto [a, b, c, d] = state.states;
  int64_t round = 0;
  for (; round < rounds && words <= last; ++round, bytes += kRansStates) {
    a = table.Decode(a, bytes);
    b = table.Decode(b, bytes + 1);
    c = table.Decode(c, bytes + 2);
    d = table.Decode(d, bytes + 3);
    a = Renormalize(a, words);
    b = Renormalize(b, words);
    c = Renormalize(c, words);
    d = Renormalize(d, words);
  }
  state.states = {a, b, c, d};
  state.position = words - coded_.data();
  state.decoded += round * kRansStates;
  return round;
}

void RansDecoder::Read(RansState& state, int64_t count, uint8_t* bytes) const {
  const uint8_t* const end = bytes + std::min(count, count_ - state.decoded);
  if (count_ >= kInterleavedFrom) {
    while (bytes < end && state.decoded % kRansStates != 0) ReadByte(state, bytes++);
    bytes += kRansStates * ReadRounds(state, (end - bytes) / kRansStates, bytes);
  }
  while (bytes < end) ReadByte(state, bytes++);
}

absl::Status RansDecoder::CheckEnd(const RansState& state) const {
  const auto size = static_cast<int64_t>(coded_.size());
  if (state.position != size) {
    return absl::DataLossError(
        absl::StrCat(state.position < size ? "trailing bytes: " : "truncated: ", size,
                     " coded bytes, expected ", state.position, " for ", count_));
  }
  RansState first;
  if (absl::Status status = Begin(first); !status.ok()) return status;
  const auto states = static_cast<size_t>(MinRansBytes(count_)) / sizeof(uint32_t);
  for (size_t i = 0; i < states; ++i) {
    if (first.states[i] < kLowestRansState || state.states[i] != kLowestRansState) {
      return absl::InvalidArgumentError(
          absl::StrCat("state ", i, " of the coded bytes is none that an encoder leaves"));
    }
  }
  return absl::OkStatus();
}

}  // namespace tern::compression
