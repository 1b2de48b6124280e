#include "compression/rans.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "compression/bit_packing.h"
#include "compression/bit_stream.h"

namespace tern::compression {
namespace {

constexpr double kSlots = 1 << kRansSlotBits;

// The symbols of each byte, one in each byte of a word.
template <typename Word, int kAlphabet>
constexpr std::array<Word, 256> MakeDigits() {
  std::array<Word, 256> digits{};
  for (unsigned byte = 0; byte < digits.size(); ++byte) {
    uint64_t word = 0;
    unsigned rest = byte;
    for (size_t i = 0; i < sizeof(Word); ++i, rest /= kAlphabet) {
      word |= uint64_t{rest % kAlphabet} << (8 * i);
    }
    digits[byte] = static_cast<Word>(word);
  }
  return digits;
}

// A word may hold more symbols than a byte has: those are overwritten.
template <typename Word, int kAlphabet>
void Split(const uint8_t* bytes, int64_t count, uint8_t* symbols) {
  static constexpr std::array<Word, 256> kDigits = MakeDigits<Word, kAlphabet>();
  const int64_t per_byte = SymbolsPerByte(kAlphabet);
  const auto room = static_cast<int64_t>(sizeof(Word));
  int64_t i = 0;
  for (; count - i >= room; i += per_byte) {
    std::memcpy(symbols + i, &kDigits[*bytes++], sizeof(Word));
  }
  for (; i < count; i += per_byte) {
    std::memcpy(symbols + i, &kDigits[*bytes++],
                static_cast<size_t>(std::min(per_byte, count - i)));
  }
}

// Symbols of `alphabet` are numbers of this many bits, so that joining them is packing; 0: no.
int PackedBits(int alphabet) {
  return alphabet == 2 || alphabet == 4 || alphabet == 16 ? std::countr_zero(unsigned(alphabet))
                                                          : 0;
}

// One byte of `count` symbols, no more than it holds.
uint8_t JoinOne(const uint8_t* symbols, int64_t count, int alphabet) {
  int joined = 0;
  for (int64_t i = SymbolsPerByte(alphabet) - 1; i >= 0; --i) {
    joined = joined * alphabet + (i < count ? symbols[i] : alphabet / 2);
  }
  return static_cast<uint8_t>(joined);
}

// Bytes of `per_byte` symbols, 2 to 7, as long as there are 8 to read; returns how many symbols.
int64_t JoinFast(const uint8_t* symbols, int64_t count, int alphabet, uint8_t* bytes) {
  const int64_t per_byte = SymbolsPerByte(alphabet);
  uint64_t factors = 0;
  uint64_t power = 1;
  for (int64_t i = per_byte - 1; i >= 0; --i, power *= static_cast<uint64_t>(alphabet)) {
    factors |= power << (8 * i);
  }
  const int64_t shift = 8 * (per_byte - 1);
  uint64_t word;
  int64_t i = 0;
  for (; count - i >= static_cast<int64_t>(sizeof(word)); i += per_byte) {
    std::memcpy(&word, symbols + i, sizeof(word));
    *bytes++ = static_cast<uint8_t>(word * factors >> shift);
  }
  return i;
}

}  // namespace

int SymbolsPerByte(int alphabet) {
  int symbols = 1;
  for (int size = alphabet; size * alphabet <= 256; size *= alphabet) ++symbols;
  return symbols;
}

// With symbols s0, s1, ... in the bytes of a word, lowest first, byte n - 1 of the word's product
// with the number whose byte n - 1 - i is alphabet^i is their sum: no lower byte of the product
// carries, as each is below alphabet^n <= 256 too.
void JoinSymbols(const uint8_t* symbols, int64_t count, int alphabet, uint8_t* bytes) {
  const int64_t per_byte = SymbolsPerByte(alphabet);
  int64_t done = 0;
  if (const int bits = PackedBits(alphabet); bits > 0) {
    done = count / per_byte * per_byte;
    PackBits(symbols, done, bits, reinterpret_cast<char*>(bytes));
  } else if (per_byte == 1) {
    std::copy_n(symbols, count, bytes);
    return;
  } else {
    done = JoinFast(symbols, count, alphabet, bytes);
  }
  for (; done < count; done += per_byte) {
    bytes[done / per_byte] = JoinOne(symbols + done, count - done, alphabet);
  }
}

void SplitSymbols(const uint8_t* bytes, int64_t count, int alphabet, uint8_t* symbols) {
  switch (alphabet) {
    case 2:
    case 4:
    case 16:
      return UnpackBits(reinterpret_cast<const char*>(bytes), count, PackedBits(alphabet), symbols);
    case 3:
      return Split<uint64_t, 3>(bytes, count, symbols);
    case 5:
      return Split<uint32_t, 5>(bytes, count, symbols);
    case 6:
      return Split<uint32_t, 6>(bytes, count, symbols);
    case 7:
      return Split<uint16_t, 7>(bytes, count, symbols);
    case 8:
      return Split<uint16_t, 8>(bytes, count, symbols);
    case 9:
      return Split<uint16_t, 9>(bytes, count, symbols);
    case 10:
      return Split<uint16_t, 10>(bytes, count, symbols);
    case 11:
      return Split<uint16_t, 11>(bytes, count, symbols);
    case 12:
      return Split<uint16_t, 12>(bytes, count, symbols);
    case 13:
      return Split<uint16_t, 13>(bytes, count, symbols);
    case 14:
      return Split<uint16_t, 14>(bytes, count, symbols);
    case 15:
      return Split<uint16_t, 15>(bytes, count, symbols);
    default:
      std::copy_n(bytes, count, symbols);
  }
}

int64_t MaxRansBytes(int64_t count) { return MinRansBytes(count) + 2 * count; }

int64_t MinRansBytes(int64_t count) {
  if (count == 0) return 0;
  return static_cast<int64_t>(sizeof(uint32_t)) * (count < kInterleavedFrom ? 1 : kRansStates);
}

namespace {

// Probabilities of bytes, from those of symbols; returns how many bytes there are.
size_t JoinProbabilities(absl::Span<const double> symbols, std::array<double, 256>& bytes) {
  bytes[0] = 1.0;
  size_t size = 1;
  const int per_byte = SymbolsPerByte(static_cast<int>(symbols.size()));
  for (int k = 0; k < per_byte; ++k) {
    for (size_t symbol = symbols.size(); symbol-- > 0;) {
      for (size_t i = 0; i < size; ++i) bytes[symbol * size + i] = bytes[i] * symbols[symbol];
    }
    size *= symbols.size();
  }
  return size;
}

// Bits that one slot more saves, but for a factor: p * ln(1 + 1 / f), by the first terms of the
// series of 2 artanh(1 / (2 f + 1)); a logarithm would not be the same on every machine.
double Gain(double probability, uint16_t frequency) {
  const double t = 1.0 / (2.0 * frequency + 1.0);
  return probability * (t + t * t * t / 3.0);
}

// Slots per probability where those that would get less than one get one. That takes slots from
// all others, so that there may then be more of them. Marks them.
double Scale(absl::Span<const double> probabilities, std::array<bool, 256>& rare) {
  while (true) {
    double slots = kSlots;
    double sum = 0.0;
    for (size_t i = 0; i < probabilities.size(); ++i) {
      if (rare[i]) {
        slots -= 1.0;
      } else {
        sum += probabilities[i];
      }
    }
    const double scale = slots / sum;
    bool changed = false;
    for (size_t i = 0; i < probabilities.size(); ++i) {
      if (rare[i] || probabilities[i] * scale >= 1.0) continue;
      rare[i] = changed = true;
    }
    if (!changed) return scale;
  }
}

}  // namespace

// Slots in proportion to the probabilities, rounded down, at least one. Those that are left, fewer
// than there are bytes, go where they gain most.
RansFrequencies JoinedFrequencies(absl::Span<const double> probabilities) {
  std::array<double, 256> bytes;
  const size_t size = JoinProbabilities(probabilities, bytes);
  const double total = std::accumulate(bytes.begin(), bytes.begin() + size, 0.0);
  // Whatever a caller says, there are frequencies.
  if (!(total > 0.5 && total < 2.0)) bytes.fill(1.0 / 256.0);
  std::array<bool, 256> rare{};
  const double scale = Scale(absl::MakeConstSpan(bytes.data(), size), rare);
  RansFrequencies frequencies{};
  std::array<std::pair<double, size_t>, 256> gains;
  int left = 1 << kRansSlotBits;
  for (size_t i = 0; i < size; ++i) {
    frequencies[i] = rare[i] ? uint16_t{1} : static_cast<uint16_t>(bytes[i] * scale);
    gains[i] = {-Gain(bytes[i], frequencies[i]), i};
    left -= frequencies[i];
  }
  std::nth_element(gains.begin(), gains.begin() + left, gains.begin() + size);
  for (int i = 0; i < left; ++i) ++frequencies[gains[static_cast<size_t>(i)].second];
  return frequencies;
}

namespace {

constexpr int kTableBits = 12;
constexpr int kMostOnes = 2 * (kTableBits + 1);  // from no bits to those of 2^12
constexpr int kMaxCodeBits = kMostOnes + 1 + kTableBits;

double Probability(int64_t frequency) { return static_cast<double>(frequency) / (1 << kTableBits); }

// Reads the frequency at bit `position`, and moves behind it; -1: there is none. `width`: bits of
// the frequency before, then of this one.
int64_t ReadFrequency(absl::string_view bytes, int64_t& position, int& width) {
  const uint64_t window = BitsAt(bytes, position);
  const int ones = std::countr_one(window);
  if (ones > kMostOnes) return -1;
  width += ones % 2 == 0 ? ones / 2 : -(ones + 1) / 2;
  if (width < 0 || width > kTableBits + 1) return -1;
  position += ones + 1 + std::max(width - 1, 0);
  if (width == 0) return 0;
  const uint64_t highest = uint64_t{1} << (width - 1);
  return static_cast<int64_t>(highest | (window >> (ones + 1) & (highest - 1)));
}

}  // namespace

int64_t MaxTableBytes(int alphabet) { return (int64_t{alphabet} * kMaxCodeBits + 7) / 8; }

// A frequency is what the cumulative sum of the counts, as a multiple of total / 2^12, rounded
// down, grows by: so they add up to 2^12.
int64_t WriteTable(absl::Span<const int64_t> counts, char* out, absl::Span<double> probabilities) {
  const int64_t counted = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  const auto alphabet = static_cast<int64_t>(counts.size());
  BitWriter writer(out);
  int64_t sum = 0;
  int64_t slots = 0;
  int width_before = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    sum += counted == 0 ? 1 : counts[i];
    const int64_t end = (sum << kTableBits) / (counted == 0 ? alphabet : counted);
    const auto frequency = static_cast<uint64_t>(end - slots);
    probabilities[i] = Probability(end - slots);
    slots = end;
    const auto width = static_cast<int>(std::bit_width(frequency));
    const int change = width - width_before;
    writer.WriteOnes(change < 0 ? -2 * change - 1 : 2 * change);
    writer.Write(0, 1);
    if (width > 1) writer.Write(frequency - std::bit_floor(frequency), width - 1);
    width_before = width;
  }
  return writer.Finish() - out;
}

absl::StatusOr<int64_t> ReadTable(absl::string_view bytes, absl::Span<double> probabilities) {
  int64_t position = 0;
  int64_t sum = 0;
  int width = 0;
  for (size_t i = 0; i < probabilities.size(); ++i) {
    const int64_t frequency = ReadFrequency(bytes, position, width);
    if (frequency < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("frequency ", i, " of the table is not from 0 to 4096"));
    }
    if (position > 8 * static_cast<int64_t>(bytes.size())) {
      return absl::DataLossError(
          absl::StrCat("truncated: table ends in frequency ", i, " of ", probabilities.size()));
    }
    sum += frequency;
    probabilities[i] = Probability(frequency);
  }
  if (sum != int64_t{1} << kTableBits) {
    return absl::InvalidArgumentError(
        absl::StrCat("frequencies of the table add up to ", sum, ", expected 4096"));
  }
  const int64_t padding = -position & 7;
  if ((BitsAt(bytes, position) & ((uint64_t{1} << padding) - 1)) != 0) {
    return absl::InvalidArgumentError("bits behind the table are not 0");
  }
  return (position + padding) / 8;
}

}  // namespace tern::compression
