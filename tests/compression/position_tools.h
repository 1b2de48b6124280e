// Positions for the tests of their coders.
#ifndef TERN_TESTS_COMPRESSION_POSITION_TOOLS_H_
#define TERN_TESTS_COMPRESSION_POSITION_TOOLS_H_

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "compression/positions.h"
#include "core/base/random.h"

namespace tern::compression {

// Each of `count` coordinates with probability `share`, independently.
inline std::vector<int32_t> RandomPositions(int64_t count, double share, uint64_t seed) {
  RandomStream random({.seed = seed});
  std::vector<int32_t> positions;
  for (int64_t i = 0; i < count; ++i) {
    if (random.NextFloat() < share) positions.push_back(static_cast<int32_t>(i));
  }
  return positions;
}

inline PositionCounts CountsOf(const std::vector<int32_t>& positions, int64_t count) {
  return {.kept = static_cast<int64_t>(positions.size()), .count = count};
}

// Bytes of `count` coordinates each of which is kept with probability `share`.
inline double EntropyBytes(double share, int64_t count) {
  const double bits = -share * std::log2(share) - (1 - share) * std::log2(1 - share);
  return bits * static_cast<double>(count) / 8;
}

// Everything below `count`, `room` positions at a time and stopping at every multiple of `step`,
// where decoding goes on from a copy of the state.
inline std::vector<int32_t> ReadAll(const PositionReader& reader, int64_t count, size_t room,
                                    int64_t step) {
  std::vector<int32_t> positions;
  PositionState state;
  for (int64_t start = 0; start < count; start += step) {
    const PositionState copy = state;
    state = copy;
    int64_t read = 0;
    do {
      std::vector<int32_t> some(room);
      read = reader.Read(state, std::min(start + step, count), absl::MakeSpan(some));
      positions.insert(positions.end(), some.begin(), some.begin() + read);
      if (!positions.empty()) {
        EXPECT_LT(positions.back(), start + step);
      }
    } while (read == static_cast<int64_t>(room));
  }
  return positions;
}

// What Check promises of bytes that it accepts.
inline void ExpectInRangeIfAccepted(const PositionReader& reader, const PositionCounts& counts) {
  if (!reader.Check().ok()) return;
  const std::vector<int32_t> positions = ReadAll(reader, counts.count, 7, 100);
  ASSERT_EQ(static_cast<int64_t>(positions.size()), counts.kept);
  int64_t next = 0;
  for (const int32_t position : positions) {
    ASSERT_GE(position, next);
    next = int64_t{position} + 1;
  }
  ASSERT_LE(next, counts.count);
}

}  // namespace tern::compression

#endif  // TERN_TESTS_COMPRESSION_POSITION_TOOLS_H_
