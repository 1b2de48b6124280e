// The table of frequencies that coder `rans` sends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "compression/rans.h"
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

double Entropy(absl::Span<const double> probabilities) {
  double bits = 0.0;
  for (const double p : probabilities) bits -= p > 0.0 ? p * std::log2(p) : 0.0;
  return bits;
}

std::vector<int64_t> BellCounts(int alphabet, double step) {
  std::vector<int64_t> counts;
  for (const double p : NormalCells(alphabet, step)) counts.push_back(std::llround(p * 1e6));
  return counts;
}

// Writes a table, reads it, and expects the same probabilities; returns the bytes.
std::string Table(const std::vector<int64_t>& counts, std::vector<double>& probabilities) {
  const auto alphabet = static_cast<int>(counts.size());
  std::vector<char> out(static_cast<size_t>(MaxTableBytes(alphabet)));
  probabilities.assign(counts.size(), -1.0);
  const int64_t size = WriteTable(counts, out.data(), absl::MakeSpan(probabilities));
  EXPECT_LE(size, MaxTableBytes(alphabet));
  std::string bytes(out.begin(), out.begin() + size);
  std::vector<double> read(counts.size());
  const std::string with_more = bytes + "more";
  const absl::StatusOr<int64_t> read_size = ReadTable(with_more, absl::MakeSpan(read));
  EXPECT_THAT(read_size, IsOk());
  EXPECT_EQ(*read_size, size);
  EXPECT_EQ(read, probabilities);
  return bytes;
}

TEST(RansTable, ByHand) {
  std::vector<double> probabilities;
  // 1024 of 11 bits: 22 ones, 0, ten zeros; 3072 of 12 bits: 110, ten zeros and a one.
  EXPECT_EQ(Table({1, 3}, probabilities), std::string("\xFF\xFF\x3F\x00\x06\x40", 6));
  EXPECT_THAT(probabilities, ElementsAre(0.25, 0.75));
}

TEST(RansTable, AnyCounts_ComeBack) {
  RandomStream random({.seed = 35});
  for (int i = 0; i < 1000; ++i) {
    std::vector<int64_t> counts(2 + random.Below(255));
    const uint32_t zeros = random.Below(4);
    for (int64_t& count : counts) {
      count = random.Below(4) < zeros ? 0 : random.Below(1u << random.Below(31));
    }
    std::vector<double> probabilities;
    Table(counts, probabilities);
    const auto total =
        static_cast<double>(std::accumulate(counts.begin(), counts.end(), int64_t{0}));
    for (size_t k = 0; k < counts.size() && total > 0; ++k) {
      ASSERT_NEAR(probabilities[k], static_cast<double>(counts[k]) / total, 1.0 / 4096);
    }
  }
}

TEST(RansTable, NoCounts_AreAllEqual) {
  std::vector<double> probabilities;
  Table(std::vector<int64_t>(4, 0), probabilities);
  EXPECT_THAT(probabilities, ::testing::Each(0.25));
}

TEST(RansTable, Bells_AreSmall) {
  std::vector<double> probabilities;
  EXPECT_LE(Table(BellCounts(15, 0.45), probabilities).size(), 20u);
  EXPECT_LE(Table(BellCounts(255, 0.025), probabilities).size(), 140u);
  EXPECT_LE(Table(BellCounts(255, 0.05), probabilities).size(), 140u);
}

TEST(RansTable, WhatItSays_IsNearTheCounts) {
  for (const auto& [alphabet, step] :
       {std::pair(4, 1.0), std::pair(15, 0.45), std::pair(255, 0.025)}) {
    std::vector<double> said;
    Table(BellCounts(alphabet, step), said);
    const std::vector<double> p = NormalCells(alphabet, step);
    const RansFrequencies frequencies = JoinedFrequencies(said);
    const std::vector<uint8_t> bytes = Joined(Draw(200000, p, 36), alphabet);
    const double bits = 200000 * Entropy(p);
    EXPECT_LE(static_cast<double>(RansEncoded(bytes, frequencies).size()), 1.004 * bits / 8)
        << alphabet;
  }
}

TEST(RansTable, Truncated_IsDataLoss) {
  std::vector<double> probabilities;
  for (const int alphabet : {2, 15, 255}) {
    const std::string table = Table(BellCounts(alphabet, 5.0 / alphabet), probabilities);
    for (size_t size = 0; size < table.size(); ++size) {
      EXPECT_THAT(ReadTable(table.substr(0, size), absl::MakeSpan(probabilities)),
                  StatusIs(kDataLoss, "truncated"));
    }
  }
}

// The frequencies that a table says, as counts, write the same table.
void ExpectRefusedOrCanonical(const std::string& bytes, size_t alphabet) {
  std::vector<double> said(alphabet);
  const absl::StatusOr<int64_t> size = ReadTable(bytes, absl::MakeSpan(said));
  if (!size.ok()) return;
  std::vector<int64_t> counts;
  for (const double p : said) counts.push_back(std::llround(p * 4096));
  std::vector<double> probabilities;
  ASSERT_EQ(Table(counts, probabilities), bytes.substr(0, static_cast<size_t>(*size)));
}

TEST(RansTable, EveryFlippedBit_IsRefusedOrCanonical) {
  std::vector<double> probabilities;
  for (const int alphabet : {2, 15, 255}) {
    const std::string table = Table(BellCounts(alphabet, 5.0 / alphabet), probabilities) + "abcdef";
    for (size_t bit = 0; bit < 8 * table.size(); ++bit) {
      std::string flipped = table;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << (bit % 8));
      ASSERT_NO_FATAL_FAILURE(ExpectRefusedOrCanonical(flipped, probabilities.size()));
    }
  }
}

TEST(RansTable, RandomBytes_AreRefusedOrCanonical) {
  RandomStream random({.seed = 37});
  for (int i = 0; i < 20000; ++i) {
    std::string bytes(random.Below(60), '\0');
    const uint32_t mask = random.Below(256);
    for (char& byte : bytes) byte = static_cast<char>(random.Below(256) & mask);
    ASSERT_NO_FATAL_FAILURE(ExpectRefusedOrCanonical(bytes, 2 + random.Below(20)));
  }
}

TEST(RansTable, WrongSumOrPadding_IsRefused) {
  std::vector<double> probabilities(3);
  // Three of no bits.
  EXPECT_THAT(ReadTable(std::string(1, '\0'), absl::MakeSpan(probabilities)),
              StatusIs(kInvalid, "add up to 0"));
  probabilities.resize(2);
  std::string table = Table({1, 3}, probabilities);
  table.back() = static_cast<char>(table.back() | 0x80);
  EXPECT_THAT(ReadTable(table, absl::MakeSpan(probabilities)),
              StatusIs(kInvalid, "bits behind the table"));
  EXPECT_THAT(ReadTable(std::string(100, '\xFF'), absl::MakeSpan(probabilities)),
              StatusIs(kInvalid, "frequency 0"));
}

}  // namespace
}  // namespace tern::compression
