#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "compression/bit_packing.h"
#include "compression/bitmap.h"
#include "core/base/simd_clones.h"
#include "core/base/status_macros.h"

namespace tern::compression {
namespace {

constexpr int64_t kWordBits = 64;
constexpr int64_t kWordBytes = 8;

// Takes the lowest ones of `word`, whose lowest bit is coordinate `first`, at most `room`. Returns
// how many.
inline int64_t TakePositions(uint64_t& word, int64_t first, int64_t room, int32_t* positions) {
  int64_t taken = 0;
  for (; word != 0 && taken < room; word &= word - 1) {
    positions[taken++] = static_cast<int32_t>(first + std::countr_zero(word));
  }
  return taken;
}

// The `bits` lowest, > 0, or all.
inline uint64_t LowBits(int64_t bits) {
  return bits >= kWordBits ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
}

TERN_SIMD_CLONES int64_t CountOnes(const char* bytes, int64_t count) {
  int64_t ones = 0;
  uint64_t word = 0;
  int64_t i = 0;
  for (; count - i >= kWordBytes; i += kWordBytes) {
    std::memcpy(&word, bytes + i, sizeof(word));
    ones += std::popcount(word);
  }
  word = 0;
  std::memcpy(&word, bytes + i, static_cast<size_t>(count - i));
  return ones + std::popcount(word);
}

absl::Status CheckOnes(int64_t ones, const PositionCounts& counts) {
  if (ones == counts.kept) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("bitmap of ", ones, " positions, expected ", counts.kept));
}

absl::Status CheckPadding(char last_byte, int64_t count) {
  if (PaddingIsZero(&last_byte, (count - 1) % 8 + 1, 1)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("bits of the bitmap behind its ", count, " coordinates are not 0"));
}

class BitmapReader final : public PositionReader {
 public:
  BitmapReader(absl::string_view bytes, const PositionCounts& counts)
      : bytes_(bytes), counts_(counts) {}

  absl::Status Check() const override {
    const auto size = static_cast<int64_t>(bytes_.size());
    const int64_t expected = BitmapBytes(counts_.count);
    if (size != expected) {
      return absl::DataLossError(absl::StrCat(size < expected ? "truncated" : "trailing bytes",
                                              ": bitmap of ", size, " bytes, expected ", expected));
    }
    if (size == 0) return absl::OkStatus();
    TERN_RETURN_IF_ERROR(CheckPadding(bytes_.back(), counts_.count));
    return CheckOnes(CountOnes(bytes_.data(), size), counts_);
  }

  int64_t Read(PositionState& state, int64_t end, absl::Span<int32_t> indices) const override {
    end = std::min(end, counts_.count);
    const auto room = static_cast<int64_t>(indices.size());
    int64_t read = 0;
    while (state.next < end && read < room) {
      const int64_t first = state.next / kWordBits * kWordBits;
      uint64_t word =
          WordAt(first / 8) & LowBits(end - first) & ~uint64_t{0} << (state.next - first);
      read += TakePositions(word, first, room - read, indices.data() + read);
      state.next = word == 0 ? std::min(first + kWordBits, end) : first + std::countr_zero(word);
    }
    state.handed_out += read;
    return read;
  }

 private:
  // Coordinates 8 * `byte` and the 63 behind it; those behind the end are 0.
  uint64_t WordAt(int64_t byte) const {
    uint64_t word = 0;
    const int64_t rest = static_cast<int64_t>(bytes_.size()) - byte;
    if (rest >= kWordBytes) {
      std::memcpy(&word, bytes_.data() + byte, sizeof(word));
    } else if (rest > 0) {
      std::memcpy(&word, bytes_.data() + byte, static_cast<size_t>(rest));
    }
    return word;
  }

  const absl::string_view bytes_;
  const PositionCounts counts_;
};

std::array<double, 256> Probabilities(const PositionCounts& counts) {
  std::array<double, 256> probabilities;
  BitmapProbabilities(counts, absl::MakeSpan(probabilities));
  return probabilities;
}

class RansBitmapReader final : public PositionReader {
 public:
  RansBitmapReader(absl::string_view bytes, const PositionCounts& counts)
      : decoder_(bytes, BitmapBytes(counts.count), JoinedFrequencies(Probabilities(counts))),
        counts_(counts) {}

  absl::Status Check() const override {
    RansState state;
    TERN_RETURN_IF_ERROR(decoder_.Begin(state));
    Chunk chunk;
    int64_t ones = 0;
    char last = 0;
    for (int64_t left = BitmapBytes(counts_.count); left > 0; left -= kChunkBytes) {
      const int64_t size = std::min(kChunkBytes, left);
      decoder_.Read(state, size, chunk.data());
      ones += CountOnes(reinterpret_cast<const char*>(chunk.data()), size);
      last = static_cast<char>(chunk[static_cast<size_t>(size - 1)]);
    }
    TERN_RETURN_IF_ERROR(decoder_.CheckEnd(state));
    TERN_RETURN_IF_ERROR(CheckPadding(last, counts_.count));
    return CheckOnes(ones, counts_);
  }

  int64_t Read(PositionState& state, int64_t end, absl::Span<int32_t> indices) const override {
    end = std::min(end, counts_.count);
    if (state.rans.position == 0 && !decoder_.Begin(state.rans).ok()) return 0;
    int64_t read = TakePending(state, end, indices);
    while (state.next < end && read < static_cast<int64_t>(indices.size())) {
      read += ReadChunk(state, end, indices.subspan(static_cast<size_t>(read)));
    }
    state.handed_out += read;
    return read;
  }

 private:
  static constexpr int64_t kChunkBytes = 64;
  using Chunk = std::array<uint8_t, kChunkBytes>;

  // What is left of the byte before `state.next`.
  static int64_t TakePending(PositionState& state, int64_t end, absl::Span<int32_t> indices) {
    if (state.pending == 0) return 0;
    const int64_t first = state.next - 8;
    const uint64_t later = state.pending & ~LowBits(end - first);
    uint64_t word = state.pending ^ later;
    const int64_t read =
        TakePositions(word, first, static_cast<int64_t>(indices.size()), indices.data());
    state.pending = static_cast<uint32_t>(word | later);
    return read;
  }

  // Reads a chunk, or as much of it as gives the positions for which there is room.
  int64_t ReadChunk(PositionState& state, int64_t end, absl::Span<int32_t> indices) const {
    const RansState before = state.rans;
    const int64_t first = state.next;
    const int64_t size = std::min(kChunkBytes, BitmapBytes(end - first));
    Chunk chunk{};
    decoder_.Read(state.rans, size, chunk.data());
    state.next = first + 8 * size;
    int64_t read = 0;
    for (int64_t byte = 0; byte < size; byte += kWordBytes) {
      uint64_t word;
      std::memcpy(&word, chunk.data() + byte, sizeof(word));
      const uint64_t later = word & ~LowBits(end - first - 8 * byte);
      word ^= later;
      read += TakePositions(word, first + 8 * byte, static_cast<int64_t>(indices.size()) - read,
                            indices.data() + read);
      word |= later;
      if (word == 0) continue;
      // Decoding goes on behind the byte of the first position that was not taken.
      const int behind = std::countr_zero(word) / 8 + 1;
      state.pending = static_cast<uint8_t>(word >> (8 * behind - 8));
      state.next = first + 8 * (byte + behind);
      state.rans = before;
      decoder_.Read(state.rans, byte + behind, chunk.data());
      break;
    }
    return read;
  }

  const RansDecoder decoder_;
  const PositionCounts counts_;
};

}  // namespace

std::unique_ptr<PositionReader> MakeBitmapReader(absl::string_view bytes,
                                                 const PositionCounts& counts) {
  return std::make_unique<BitmapReader>(bytes, counts);
}

std::unique_ptr<PositionReader> MakeRansBitmapReader(absl::string_view bytes,
                                                     const PositionCounts& counts) {
  return std::make_unique<RansBitmapReader>(bytes, counts);
}

}  // namespace tern::compression
