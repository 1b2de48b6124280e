#include <array>
#include <cstring>

#include "compression/rans.h"

namespace tern::compression {
namespace {

constexpr int kReciprocalBits = 46;

struct CodedByte {
  // 2^46 / frequency, rounded up. For x below frequency * 2^18, x * reciprocal does not overflow
  // and x * reciprocal / 2^46, rounded down, is x / frequency, rounded down: the error of the
  // reciprocal is below frequency < 2^14, and x < 2^32 times it below 2^46.
  uint64_t reciprocal;
  uint32_t limit;       // frequency * 2^18: from here on a word is sent first
  uint16_t complement;  // 2^14 - frequency
  uint16_t start;       // the sum of the frequencies before
};
using CodedBytes = std::array<CodedByte, 256>;

CodedBytes MakeCodedBytes(const RansFrequencies& frequencies) {
  CodedBytes coded;
  uint32_t start = 0;
  for (size_t i = 0; i < coded.size(); ++i) {
    const uint32_t frequency = frequencies[i];
    if (frequency == 0) {
      coded[i] = {};
      continue;
    }
    coded[i] = {.reciprocal = ((uint64_t{1} << kReciprocalBits) + frequency - 1) / frequency,
                .limit = frequency << 18,
                .complement = static_cast<uint16_t>((1 << kRansSlotBits) - frequency),
                .start = static_cast<uint16_t>(start)};
    start += frequency;
  }
  return coded;
}

// One step of a state, without branches: what is written in front of `words` counts only if `words`
// moves there.
inline uint32_t Step(uint32_t state, const CodedByte& byte, char*& words) {
  const auto word = static_cast<uint16_t>(state);
  std::memcpy(words - sizeof(word), &word, sizeof(word));
  const uint32_t all_if_large = 0 - static_cast<uint32_t>(state >= byte.limit);
  words -= all_if_large & sizeof(word);
  state ^= (state ^ state >> 16) & all_if_large;
  const auto quotient = static_cast<uint32_t>(state * byte.reciprocal >> kReciprocalBits);
  return state + byte.start + quotient * byte.complement;
}

}  // namespace

int64_t RansEncode(const uint8_t* bytes, int64_t count, const RansFrequencies& frequencies,
                   char* out) {
  if (count == 0) return 0;
  const CodedBytes coded = MakeCodedBytes(frequencies);
  const int64_t size = MinRansBytes(count);  // of the states
  char* const end = out + MaxRansBytes(count);
  char* words = end;
  std::array<uint32_t, kRansStates> states;
  states.fill(kLowestRansState);
  if (size == sizeof(states)) {
    int64_t i = count;
    for (; i % kRansStates != 0; --i) {
      uint32_t& state = states[static_cast<size_t>((i - 1) % kRansStates)];
      state = Step(state, coded[bytes[i - 1]], words);
    }
    auto [a, b, c, d] = states;
    for (; i > 0; i -= kRansStates) {
      d = Step(d, coded[bytes[i - 1]], words);
      c = Step(c, coded[bytes[i - 2]], words);
      b = Step(b, coded[bytes[i - 3]], words);
      a = Step(a, coded[bytes[i - 4]], words);
    }
    states = {a, b, c, d};
  } else {
    for (int64_t i = count; i > 0; --i) states[0] = Step(states[0], coded[bytes[i - 1]], words);
  }
  std::memcpy(out, states.data(), static_cast<size_t>(size));
  std::memmove(out + size, words, static_cast<size_t>(end - words));
  return size + (end - words);
}

}  // namespace tern::compression
