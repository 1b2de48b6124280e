#include "compression/rans.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "tests/compression/rans_tools.h"
#include "tests/testing/status_matchers.h"

namespace tern::compression {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::ElementsAre;

constexpr auto kDataLoss = absl::StatusCode::kDataLoss;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

// Decodes all bytes, at most `step` at a time; `check` is what Begin and CheckEnd say.
std::vector<uint8_t> Decode(absl::string_view coded, int64_t count,
                            const RansFrequencies& frequencies, int64_t step, absl::Status& check) {
  const RansDecoder decoder(coded, count, frequencies);
  RansState state;
  std::vector<uint8_t> bytes(static_cast<size_t>(count));
  check = decoder.Begin(state);
  for (int64_t i = 0; i < count; i += step) {
    decoder.Read(state, std::min(step, count - i), bytes.data() + i);
  }
  if (check.ok()) check = decoder.CheckEnd(state);
  return bytes;
}

TEST(Rans, SymbolsPerByte_AreAsManyAsABytesHolds) {
  EXPECT_EQ(SymbolsPerByte(2), 8);
  EXPECT_EQ(SymbolsPerByte(3), 5);
  EXPECT_EQ(SymbolsPerByte(4), 4);
  EXPECT_EQ(SymbolsPerByte(6), 3);
  EXPECT_EQ(SymbolsPerByte(7), 2);
  EXPECT_EQ(SymbolsPerByte(16), 2);
  EXPECT_EQ(SymbolsPerByte(17), 1);
  EXPECT_EQ(SymbolsPerByte(256), 1);
}

TEST(Rans, Join_ByHand) {
  EXPECT_THAT(Joined({2, 1, 0, 0, 2, 1, 2}, 3),
              ElementsAre(2 + 3 + 2 * 81, 1 + 2 * 3 + 9 + 27 + 81));
  EXPECT_THAT(Joined({1, 2, 3, 0, 3}, 4),
              ElementsAre(1 + 2 * 4 + 3 * 16, 3 + 2 * 4 + 2 * 16 + 2 * 64));
  EXPECT_THAT(Joined({14, 13, 7}, 15), ElementsAre(14 + 13 * 15, 7 + 7 * 15));
}

TEST(Rans, AnyAlphabet_IsJoinedAndSplit) {
  for (int alphabet = 2; alphabet <= 256; ++alphabet) {
    const std::vector<double> uniform(static_cast<size_t>(alphabet), 1.0 / alphabet);
    for (const int64_t count : {0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 100, 1001}) {
      const std::vector<uint8_t> symbols = Draw(count, uniform, 30);
      const std::vector<uint8_t> bytes = Joined(symbols, alphabet);
      for (size_t i = 0; i < bytes.size(); ++i) {
        int64_t sum = 0;
        const auto per_byte = static_cast<size_t>(SymbolsPerByte(alphabet));
        for (size_t k = (i + 1) * per_byte; k-- > i * per_byte;) {
          sum = sum * alphabet + (k < symbols.size() ? symbols[k] : alphabet / 2);
        }
        ASSERT_EQ(bytes[i], sum) << alphabet;
      }
      std::vector<uint8_t> split(symbols.size());
      SplitSymbols(bytes.data(), count, alphabet, split.data());
      ASSERT_EQ(split, symbols) << alphabet << " " << count;
    }
  }
}

TEST(Rans, Frequencies_AddUpAndAreNeverZero) {
  RandomStream random({.seed = 31});
  for (int alphabet = 2; alphabet <= 256; ++alphabet) {
    for (int kind = 0; kind < 4; ++kind) {
      std::vector<double> probabilities(static_cast<size_t>(alphabet));
      for (double& p : probabilities) {
        p = kind == 0 ? 1.0 : kind == 1 ? random.NextFloat() : std::pow(random.NextFloat(), 30.0);
      }
      if (kind == 3) probabilities.assign(probabilities.size(), 0.0);
      probabilities.back() += 1e-3;
      const double sum = std::accumulate(probabilities.begin(), probabilities.end(), 0.0);
      for (double& p : probabilities) p /= sum;
      const RansFrequencies frequencies = JoinedFrequencies(probabilities);
      EXPECT_EQ(std::accumulate(frequencies.begin(), frequencies.end(), 0), 1 << kRansSlotBits);
      const auto joined = static_cast<size_t>(std::pow(alphabet, SymbolsPerByte(alphabet)));
      EXPECT_GE(*std::min_element(frequencies.begin(), frequencies.begin() + joined), 1);
      EXPECT_TRUE(std::all_of(frequencies.begin() + joined, frequencies.end(),
                              [](uint16_t frequency) { return frequency == 0; }));
    }
  }
}

TEST(Rans, Frequencies_AreTheProbabilitiesRounded) {
  const RansFrequencies uniform = JoinedFrequencies(std::vector<double>(4, 0.25));
  EXPECT_THAT(uniform, ::testing::Each(64));
  const RansFrequencies skewed = JoinedFrequencies({0.75, 0.25});
  for (unsigned byte = 0; byte < 256; ++byte) {
    const int ones = std::popcount(byte);
    const double expected = std::pow(0.75, 8 - ones) * std::pow(0.25, ones) * 16384;
    EXPECT_NEAR(skewed[byte], expected, std::max(1.0, expected / 50)) << byte;
  }
}

// Never used by a correct quantizer, but no reason to have no frequencies.
TEST(Rans, WhatIsNoDistribution_GivesFrequencies) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  for (const auto& probabilities :
       {std::vector<double>{0, 0, 0}, {nan, 1, 0}, {infinity, 0, 0}, {1e-310, 0, 0}, {-1, 1, 1}}) {
    const RansFrequencies frequencies = JoinedFrequencies(probabilities);
    EXPECT_EQ(std::accumulate(frequencies.begin(), frequencies.end(), 0), 1 << kRansSlotBits);
    EXPECT_GE(*std::min_element(frequencies.begin(), frequencies.begin() + 243), 1);
  }
}

TEST(Rans, AnyCount_ComesBack) {
  for (const int alphabet : {2, 3, 4, 15, 16, 31, 255, 256}) {
    const std::vector<double> probabilities = NormalCells(alphabet, 6.0 / alphabet);
    const RansFrequencies frequencies = JoinedFrequencies(probabilities);
    for (const int64_t count : {0, 1, 2, 5, 4095, 4096, 4097, 4098, 4099, 10000}) {
      const std::vector<uint8_t> symbols =
          Draw(count * SymbolsPerByte(alphabet), probabilities, 32);
      const std::vector<uint8_t> bytes = Joined(symbols, alphabet);
      const std::string coded = RansEncoded(bytes, frequencies);
      for (const int64_t step : {1, 3, 4, 64, 4097, 100000}) {
        absl::Status check;
        ASSERT_EQ(Decode(coded, count, frequencies, step, check), bytes) << alphabet << " " << step;
        ASSERT_THAT(check, IsOk());
      }
    }
  }
}

TEST(Rans, RarestAndMostFrequentBytes_StayWithinTheBounds) {
  const RansFrequencies frequencies = JoinedFrequencies({1.0, 0.0});
  EXPECT_EQ(frequencies[0], (1 << kRansSlotBits) - 255);
  for (const int64_t count : {1, 100, 4095, 4096, 20000}) {
    for (const int byte : {0, 1, 255}) {
      const std::vector<uint8_t> bytes(static_cast<size_t>(count), static_cast<uint8_t>(byte));
      absl::Status check;
      EXPECT_EQ(Decode(RansEncoded(bytes, frequencies), count, frequencies, 100, check), bytes);
      EXPECT_THAT(check, IsOk());
    }
  }
}

// The encoder divides by a reciprocal, which must be exact for each of them.
TEST(Rans, EveryFrequency_ComesBack) {
  for (uint32_t frequency = 1; frequency < (1 << kRansSlotBits); frequency += 13) {
    RansFrequencies frequencies{};
    frequencies[0] = static_cast<uint16_t>(frequency);
    frequencies[1] = static_cast<uint16_t>((1 << kRansSlotBits) - frequency);
    RandomStream random({.seed = frequency});
    std::vector<uint8_t> bytes(200);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.Below(2));
    absl::Status check;
    ASSERT_EQ(Decode(RansEncoded(bytes, frequencies), 200, frequencies, 200, check), bytes);
    ASSERT_THAT(check, IsOk());
  }
}

TEST(Rans, CopyOfTheState_IsAPointToGoOnFrom) {
  const std::vector<double> probabilities = NormalCells(4, 1.0);
  const RansFrequencies frequencies = JoinedFrequencies(probabilities);
  const std::vector<uint8_t> bytes = Joined(Draw(40000, probabilities, 33), 4);
  const std::string coded = RansEncoded(bytes, frequencies);
  const RansDecoder decoder(coded, 10000, frequencies);
  RansState state;
  ASSERT_THAT(decoder.Begin(state), IsOk());
  std::vector<uint8_t> all(10000);
  decoder.Read(state, 5001, all.data());
  RansState copy = state;
  decoder.Read(state, 4999, all.data() + 5001);
  EXPECT_EQ(all, bytes);
  std::fill(all.begin() + 5001, all.end(), uint8_t{0});
  decoder.Read(copy, 100000, all.data() + 5001);  // as far as there are any
  EXPECT_EQ(all, bytes);
  EXPECT_THAT(decoder.CheckEnd(copy), IsOk());
}

TEST(Rans, Bytes_AreNearTheEntropy) {
  const int64_t count = 300000;
  for (const auto& [alphabet, step] :
       {std::pair(2, 1.0), std::pair(4, 0.98), std::pair(7, 0.6), std::pair(8, 0.586),
        std::pair(15, 0.45), std::pair(16, 0.335), std::pair(63, 0.1), std::pair(255, 0.025)}) {
    const std::vector<double> probabilities = NormalCells(alphabet, step);
    const RansFrequencies frequencies = JoinedFrequencies(probabilities);
    const std::vector<uint8_t> symbols = Draw(count, probabilities, 34);
    double bits = 0.0;  // of what was drawn, so that chance has no part
    for (const uint8_t symbol : symbols) bits -= std::log2(probabilities[symbol]);
    const auto bytes =
        static_cast<double>(RansEncoded(Joined(symbols, alphabet), frequencies).size());
    EXPECT_LE(bytes, 1.002 * bits / 8) << alphabet;
  }
}

TEST(Rans, Golden_Frequencies) {
  std::vector<double> probabilities;
  for (int i = 0; i < 15; ++i) probabilities.push_back((i * i + 0.1) / 1016.5);
  const RansFrequencies frequencies = JoinedFrequencies(probabilities);
  int64_t sum = 0;
  for (int64_t i = 0; i < 256; ++i) sum += i * i * i * frequencies[static_cast<size_t>(i)];
  EXPECT_EQ(sum, 99779864784);
}

TEST(Rans, ByHand) {
  const RansFrequencies frequencies = JoinedFrequencies({0.25, 0.5, 0.25});
  EXPECT_EQ(frequencies[0], 16);
  EXPECT_EQ(frequencies[1], 32);
  EXPECT_EQ(frequencies[1 + 3 + 9 + 27 + 81], 512);
  EXPECT_EQ(frequencies[242], 16);
  // State 2^16, byte 242 of 16 slots from 16368 on: 2^16 / 16 * 2^14 + 16368.
  EXPECT_EQ(RansEncoded({242}, frequencies), std::string("\xF0\x3F\x00\x04", 4));
  // Then byte 0 of 16 slots from 0 on: 0x04003FF0 is above 16 * 2^18, so the word 3FF0 goes, and
  // 0x400 / 16 * 2^14 is left.
  EXPECT_EQ(RansEncoded({0, 242}, frequencies), std::string("\x00\x00\x10\x00\xF0\x3F", 6));
}

struct Sample {
  RansFrequencies frequencies;
  std::vector<uint8_t> bytes;
  std::string coded;
};

Sample MakeSample(int64_t count) {
  const std::vector<double> probabilities = NormalCells(15, 0.5);
  Sample sample = {.frequencies = JoinedFrequencies(probabilities),
                   .bytes = Joined(Draw(2 * count, probabilities, 38), 15),
                   .coded = ""};
  sample.coded = RansEncoded(sample.bytes, sample.frequencies);
  return sample;
}

TEST(Rans, Truncated_IsDataLoss) {
  for (const int64_t count : {300, 4200}) {
    const Sample sample = MakeSample(count);
    for (size_t size = 0; size < sample.coded.size(); size += count == 300 ? 1 : 37) {
      absl::Status check;
      Decode(sample.coded.substr(0, size), count, sample.frequencies, 64, check);
      EXPECT_THAT(check, StatusIs(kDataLoss, "truncated"));
    }
  }
}

TEST(Rans, TrailingBytes_AreDataLoss) {
  for (const int64_t count : {0, 300, 4200}) {
    const Sample sample = MakeSample(count);
    absl::Status check;
    Decode(sample.coded + 'x', count, sample.frequencies, 64, check);
    EXPECT_THAT(check, StatusIs(kDataLoss, "trailing bytes"));
  }
}

// Decoding is the inverse of encoding: bytes that are accepted are those that an encoder gives.
void ExpectRefusedOrCanonical(const std::string& coded, int64_t count,
                              const RansFrequencies& frequencies) {
  absl::Status check;
  const std::vector<uint8_t> bytes = Decode(coded, count, frequencies, 100, check);
  for (const uint8_t byte : bytes) ASSERT_GT(frequencies[byte], 0);
  if (!check.ok()) return;
  ASSERT_EQ(RansEncoded(bytes, frequencies), coded);
}

TEST(Rans, EveryFlippedBit_IsRefusedOrCanonical) {
  for (const int64_t count : {100, 4100}) {
    const Sample sample = MakeSample(count);
    for (size_t bit = 0; bit < 8 * sample.coded.size(); bit += count == 100 ? 1 : 41) {
      std::string flipped = sample.coded;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << (bit % 8));
      ASSERT_NO_FATAL_FAILURE(ExpectRefusedOrCanonical(flipped, count, sample.frequencies));
    }
  }
}

TEST(Rans, RandomBytes_AreRefusedOrCanonical) {
  const RansFrequencies frequencies = MakeSample(1).frequencies;
  RandomStream random({.seed = 39});
  for (int i = 0; i < 3000; ++i) {
    std::string coded(random.Below(40), '\0');
    for (char& byte : coded) byte = static_cast<char>(random.Below(256));
    const int64_t count = i % 100 == 0 ? 4096 : random.Below(30);
    ASSERT_NO_FATAL_FAILURE(ExpectRefusedOrCanonical(coded, count, frequencies));
  }
}

TEST(Rans, StatesThatNoEncoderLeaves_AreRefused) {
  const RansFrequencies frequencies = JoinedFrequencies(std::vector<double>(4, 0.25));
  absl::Status check;
  Decode(std::string("\0\0\0\x01", 4), 1, frequencies, 1, check);
  EXPECT_THAT(check, IsOk());
  // Ends elsewhere than at 2^16.
  Decode(std::string("\0\0\0\x03", 4), 1, frequencies, 1, check);
  EXPECT_THAT(check, StatusIs(kInvalid, "none that an encoder leaves"));
  // Begins at 1, which decodes to 1 and, with a word, to 2^16.
  Decode(std::string("\x01\0\0\0\0\0", 6), 1, frequencies, 1, check);
  EXPECT_THAT(check, StatusIs(kInvalid, "none that an encoder leaves"));
}

}  // namespace
}  // namespace tern::compression
