// Coder `rans`: range asymmetric numeral systems (Duda 2013, arXiv 1311.2540) over bytes.
//
// Symbols of a small alphabet are first joined, as many as a byte holds, into one: five of three
// symbols, two of sixteen. The table has 2^14 slots in all. 32-bit states, renormalised by 16-bit
// words (little-endian): one state, or four interleaved from kInterleavedFrom bytes on, state i
// coding bytes i, i + 4, ...; bytes are coded from the last to the first, so that they are decoded
// in order. The coded bytes are the states, first to last (u32), then the words in the order in
// which the decoder reads them. Of no bytes there are none. The encoder begins, and so the decoder
// ends, with every state at 2^16; none is ever below.
#ifndef TERN_COMPRESSION_RANS_H_
#define TERN_COMPRESSION_RANS_H_

#include <array>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace tern::compression {

inline constexpr int kRansSlotBits = 14;
inline constexpr int kRansStates = 4;
inline constexpr uint32_t kLowestRansState = 1 << 16;
inline constexpr int64_t kInterleavedFrom = 4096;

// Frequencies of bytes: their sum is 2^14, and every byte of the joined alphabet has at least 1.
using RansFrequencies = std::array<uint16_t, 256>;

// Symbols that are joined into one byte: the largest n with alphabet^n <= 256. Alphabets have 2 to
// 256 symbols.
int SymbolsPerByte(int alphabet);
inline int64_t JoinedBytes(int64_t count, int alphabet) {
  const int64_t per_byte = SymbolsPerByte(alphabet);
  return (count + per_byte - 1) / per_byte;
}
// The first symbol of a byte counts 1, the next `alphabet`, and so on. Those that the last byte
// lacks are alphabet / 2, which of most quantizers is the likeliest.
void JoinSymbols(const uint8_t* symbols, int64_t count, int alphabet, uint8_t* bytes);
void SplitSymbols(const uint8_t* bytes, int64_t count, int alphabet, uint8_t* symbols);

// From probabilities of the symbols (independent of one another), the same bits on every machine.
// They need not sum to 1 exactly; a symbol of probability 0 gets frequency 1.
RansFrequencies JoinedFrequencies(absl::Span<const double> probabilities);

// A table of the counts of symbols, for a distribution that the receiver does not know: what it
// reads gives JoinedFrequencies the same probabilities that the sender used. Bytes: at most
// MaxTableBytes(alphabet).
//
//   bits  for each symbol its frequency f, all of which add up to 2^12: with w the bits of f (of 0
//         none), and d how many more they are than of the symbol before (at first than 0), 2d ones,
//         or -2d - 1 where d < 0, a zero, then the w - 1 bits of f below its highest, lowest first
//
// Bits fill bytes from the lowest; those left in the last byte are 0.
int64_t MaxTableBytes(int alphabet);
// `counts`: `alphabet` of them. Writes the table to `out`, and the probabilities that it says to
// `probabilities`. Returns how many bytes.
int64_t WriteTable(absl::Span<const int64_t> counts, char* out, absl::Span<double> probabilities);
// Returns how many bytes it has. DATA_LOSS: too short. INVALID_ARGUMENT: no table.
absl::StatusOr<int64_t> ReadTable(absl::string_view bytes, absl::Span<double> probabilities);

int64_t MaxRansBytes(int64_t count);
int64_t MinRansBytes(int64_t count);  // the states alone

// Codes `count` bytes, all of which have a frequency, into `out`, room for MaxRansBytes; returns
// how many bytes. 8 KiB of stack.
int64_t RansEncode(const uint8_t* bytes, int64_t count, const RansFrequencies& frequencies,
                   char* out);

// Where decoding stands.
struct RansState {
  std::array<uint32_t, kRansStates> states{};
  int64_t position = 0;  // in the coded bytes
  int64_t decoded = 0;   // bytes
};

// Decodes one sequence of `count` bytes. kTableBytes in memory of its own. The coded bytes must
// outlive it. Immutable.
class RansDecoder {
 public:
  RansDecoder(absl::string_view coded, int64_t count, const RansFrequencies& frequencies);
  ~RansDecoder();
  RansDecoder(RansDecoder&&) noexcept;
  RansDecoder& operator=(RansDecoder&&) noexcept;

  static constexpr int64_t kTableBytes = (int64_t{1} << kRansSlotBits) + 4 * 256;

  // DATA_LOSS: fewer bytes than the states.
  absl::Status Begin(RansState& state) const;
  // Decodes the next `count` bytes, as far as there are any. Any coded bytes are safe to decode.
  void Read(RansState& state, int64_t count, uint8_t* bytes) const;
  // After the last byte: all that was coded was read, and nothing else. DATA_LOSS: trailing bytes
  // or too few; INVALID_ARGUMENT: what no encoder gives.
  absl::Status CheckEnd(const RansState& state) const;

 private:
  struct Table;

  void ReadByte(RansState& state, uint8_t* byte) const;
  int64_t ReadRounds(RansState& state, int64_t rounds, uint8_t* bytes) const;

  absl::string_view coded_;
  int64_t count_;
  std::unique_ptr<Table> table_;
};

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_RANS_H_
