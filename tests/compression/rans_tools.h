// Symbols, and their coding, for the tests of coder `rans`.
#ifndef TERN_TESTS_COMPRESSION_RANS_TOOLS_H_
#define TERN_TESTS_COMPRESSION_RANS_TOOLS_H_

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "compression/rans.h"
#include "core/base/random.h"

namespace tern::compression {

// Probabilities of cells of width `step` of a standard normal, the outermost without end.
inline std::vector<double> NormalCells(int alphabet, double step) {
  const auto below = [](double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); };
  std::vector<double> probabilities;
  double before = 0.0;
  for (int i = 1; i <= alphabet; ++i) {
    const double next = i == alphabet ? 1.0 : below((i - alphabet / 2.0) * step);
    probabilities.push_back(next - before);
    before = next;
  }
  return probabilities;
}

inline std::vector<uint8_t> Draw(int64_t count, absl::Span<const double> probabilities,
                                 uint64_t seed) {
  RandomStream random({.seed = seed});
  std::vector<uint8_t> symbols;
  for (int64_t i = 0; i < count; ++i) {
    double left = random.NextFloat();
    size_t symbol = 0;
    while (symbol + 1 < probabilities.size() && left >= probabilities[symbol]) {
      left -= probabilities[symbol++];
    }
    symbols.push_back(static_cast<uint8_t>(symbol));
  }
  return symbols;
}

inline std::vector<uint8_t> Joined(const std::vector<uint8_t>& symbols, int alphabet) {
  const auto count = static_cast<int64_t>(symbols.size());
  std::vector<uint8_t> bytes(static_cast<size_t>(JoinedBytes(count, alphabet)));
  JoinSymbols(symbols.data(), count, alphabet, bytes.data());
  return bytes;
}

inline std::string RansEncoded(const std::vector<uint8_t>& bytes,
                               const RansFrequencies& frequencies) {
  const auto count = static_cast<int64_t>(bytes.size());
  std::vector<char> out(static_cast<size_t>(MaxRansBytes(count)));
  const int64_t size = RansEncode(bytes.data(), count, frequencies, out.data());
  EXPECT_GE(size, MinRansBytes(count));
  EXPECT_LE(size, MaxRansBytes(count));
  return std::string(out.begin(), out.begin() + size);
}

}  // namespace tern::compression

#endif  // TERN_TESTS_COMPRESSION_RANS_TOOLS_H_
