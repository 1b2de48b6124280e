#include "compression/rotation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

namespace tern::compression {
namespace {

using ::testing::Pointwise;

constexpr RandomKey kKey = {.seed = 7, .round = 3, .client = 5};

std::vector<int64_t> Sizes() {
  std::vector<int64_t> sizes(131);
  std::iota(sizes.begin(), sizes.end(), 0);
  for (const int64_t size : {255, 256, 257, 511, 1000, 1024, 2047, 2049, 3000, 4094, 4095, 4096}) {
    sizes.push_back(size);
  }
  return sizes;
}

std::vector<float> RandomValues(int64_t count, uint64_t seed = 1) {
  RandomStream random({.seed = seed});
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = 2.0f * random.NextFloat() - 1.0f;
  return values;
}

std::vector<float> Forward(const RandomKey& key, int64_t block, std::vector<float> values) {
  Rotation(key).Forward(block, absl::MakeSpan(values));
  return values;
}

std::vector<float> Inverse(const RandomKey& key, int64_t block, std::vector<float> values) {
  Rotation(key).Inverse(block, absl::MakeSpan(values));
  return values;
}

double SquaredNorm(absl::Span<const float> values) {
  double sum = 0.0;
  for (const float value : values) sum += double{value} * double{value};
  return sum;
}

// One step of rotation.h, one pair at a time.
void RotateByDefinition(uint64_t rotation_seed, uint32_t block, uint32_t step,
                        absl::Span<float> values) {
  for (uint32_t i = 0; i < values.size(); ++i) {
    const uint32_t word = Philox(rotation_seed, {block, step, i / 128, 0})[i / 32 % 4];
    if ((word >> (i % 32) & 1) != 0) values[i] = -values[i];
  }
  for (size_t h = 1; h < values.size(); h *= 2) {
    for (size_t i = 0; i < values.size(); ++i) {
      if ((i & h) != 0) continue;
      const float sum = values[i] + values[i + h];
      values[i + h] = values[i] - values[i + h];
      values[i] = sum;
    }
  }
  const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(values.size())));
  for (float& value : values) value *= scale;
}

TEST(Rotation, Forward_IsTheDefinition) {
  const auto words = Philox(kKey.seed, {0, 0, static_cast<uint32_t>(kKey.round),
                                        static_cast<uint32_t>(RandomPurpose::kRotation)});
  const uint64_t seed = words[0] | static_cast<uint64_t>(words[1]) << 32;
  for (const int64_t size : Sizes()) {
    std::vector<float> expected = RandomValues(size);
    const size_t step_size = std::bit_floor(expected.size());
    const size_t last = expected.size() - step_size;
    for (uint32_t step = 0; step < (last == 0 ? 2 : 4); ++step) {
      const size_t start = step % 2 == 0 ? 0 : last;
      RotateByDefinition(seed, 9, step, absl::MakeSpan(expected).subspan(start, step_size));
    }
    const std::vector<float> rotated = Forward(kKey, 9, RandomValues(size));
    ASSERT_TRUE(size == 0 || std::memcmp(rotated.data(), expected.data(), expected.size() * 4) == 0)
        << size;
  }
}

TEST(Rotation, Inverse_GivesTheValuesBack) {
  for (const int64_t size : Sizes()) {
    const std::vector<float> values = RandomValues(size);
    EXPECT_THAT(Inverse(kKey, 2, Forward(kKey, 2, values)),
                Pointwise(::testing::FloatNear(2e-6f), values));
    EXPECT_THAT(Forward(kKey, 2, Inverse(kKey, 2, values)),
                Pointwise(::testing::FloatNear(2e-6f), values));
  }
}

TEST(Rotation, Forward_KeepsTheNorm) {
  for (const int64_t size : Sizes()) {
    const std::vector<float> values = RandomValues(size);
    const double norm = SquaredNorm(values);
    EXPECT_NEAR(SquaredNorm(Forward(kKey, 0, values)), norm, 1e-6 * norm) << size;
  }
}

TEST(Rotation, UnitVectors_StayOrthonormal) {
  for (const int64_t size : {1, 2, 5, 8, 13, 33}) {
    std::vector<std::vector<float>> columns;
    for (int64_t i = 0; i < size; ++i) {
      std::vector<float> unit(static_cast<size_t>(size));
      unit[static_cast<size_t>(i)] = 1.0f;
      columns.push_back(Forward(kKey, 1, unit));
    }
    for (size_t i = 0; i < columns.size(); ++i) {
      for (size_t j = 0; j < columns.size(); ++j) {
        const double product =
            std::inner_product(columns[i].begin(), columns[i].end(), columns[j].begin(), 0.0);
        EXPECT_NEAR(product, i == j ? 1.0 : 0.0, 1e-6) << size << " " << i << " " << j;
      }
    }
  }
}

// After two steps it looks normal: of 4096 numbers of variance 1 none is far out, a third is
// beyond 1.
TEST(Rotation, FewCoordinatesOfAWholeBlock_AreSpreadOverAll) {
  std::vector<float> values(kRotationBlock);
  values[1234] = 64.0f * 0.8f;
  values[77] = 64.0f * 0.6f;
  int beyond_one = 0;
  for (const float value : Forward(kKey, 0, values)) {
    ASSERT_LT(std::abs(value), 6.0f);
    if (std::abs(value) > 1.0f) ++beyond_one;
  }
  EXPECT_NEAR(beyond_one, 0.317 * kRotationBlock, 0.05 * kRotationBlock);
}

TEST(Rotation, ZerosAndExtremes_StayFinite) {
  EXPECT_EQ(SquaredNorm(Forward(kKey, 0, std::vector<float>(kRotationBlock))), 0.0);
  for (const float magnitude : {0x1p100f, 0x1p-149f, 0x1p-126f}) {
    for (const int64_t size : {1, 100, 4095, 4096}) {
      std::vector<float> values = RandomValues(size);
      for (float& value : values) value = std::copysign(magnitude, value);
      for (const float value : Forward(kKey, 0, values)) ASSERT_TRUE(std::isfinite(value));
    }
  }
}

TEST(Rotation, SeedRoundAndBlock_AreDifferentRotations) {
  const std::vector<float> values = RandomValues(100);
  const std::vector<float> rotated = Forward(kKey, 0, values);
  EXPECT_NE(Forward({.seed = 8, .round = 3}, 0, values), rotated);
  EXPECT_NE(Forward({.seed = 7, .round = 4}, 0, values), rotated);
  EXPECT_NE(Forward(kKey, 1, values), rotated);
}

TEST(Rotation, Client_MakesNoDifference) {
  const RandomKey other = {.seed = 7, .round = 3, .client = 6, .purpose = RandomPurpose::kEncode};
  EXPECT_EQ(Rotation(other), Rotation(kKey));
  EXPECT_EQ(Forward(other, 0, RandomValues(100)), Forward(kKey, 0, RandomValues(100)));
}

}  // namespace
}  // namespace tern::compression
