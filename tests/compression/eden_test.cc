#include "compression/eden.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "compression/random_subset.h"
#include "compression/rotation.h"
#include "core/base/crc32c.h"
#include "tests/compression/eden_tools.h"
#include "tests/testing/status_matchers.h"

namespace tern::compression {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

double LaneSum(absl::Span<const float> a, absl::Span<const float> b) {
  std::array<double, 16> lanes{};
  for (size_t i = 0; i < a.size(); ++i) lanes[i % 16] += double{a[i]} * double{b[i]};
  double sum = 0.0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

uint8_t SymbolByDefinition(const NormalCodebook& book, float sigma, float z) {
  const int half = book.alphabet / 2;
  if (book.step > 0.0) {
    const auto steps = static_cast<float>(1.0 / (double{sigma} * book.step));
    const int cell = static_cast<int>(std::nearbyint(z * steps));
    return static_cast<uint8_t>(std::clamp(cell, -half, half) + half);
  }
  int above = 0;
  for (int i = half; i + 1 < book.alphabet; ++i) {
    const double threshold = book.thresholds[static_cast<size_t>(i)] * double{sigma};
    if (std::abs(z) > static_cast<float>(threshold)) ++above;
  }
  return static_cast<uint8_t>(std::signbit(z) ? half - 1 - above : half + above);
}

ScaleBits ScaleByDefinition(float scale, bool unbiased, const RandomKey& key) {
  const auto bits = std::bit_cast<uint32_t>(scale);
  const uint32_t rest = bits % 0x8000;
  if (unbiased) {
    const bool up = rest + RandomStream(key).Next64() % 0x8000 >= 0x8000;
    return static_cast<ScaleBits>(bits / 0x8000 + (up ? 1 : 0));
  }
  const bool up = rest > 0x4000 || (rest == 0x4000 && bits / 0x8000 % 2 == 1);
  return static_cast<ScaleBits>(bits / 0x8000 + (up ? 1 : 0));
}

// eden.h, one coordinate at a time.
Coded QuantizeByDefinition(const StageSpec& spec, absl::Span<const float> values,
                           const RandomKey& key, int64_t first) {
  const double bits = spec.arguments[0];
  const bool eden = spec.name == "eden";
  const NormalCodebook book =
      eden ? LloydMaxCodebook(std::max(1, static_cast<int>(bits))) : UniformCodebook(bits);
  std::vector<float> kept(values.begin(), values.end());
  if (eden && bits < 1.0) {
    auto number = static_cast<size_t>(std::ceil(bits * static_cast<double>(values.size())));
    number = std::min((number + 7) / 8 * 8, values.size());
    std::vector<int32_t> subset(number);
    DrawSubset(key, first / 4096, static_cast<int64_t>(values.size()), absl::MakeSpan(subset));
    kept.clear();
    for (const int32_t i : subset) kept.push_back(values[static_cast<size_t>(i)]);
  }
  const double norm = LaneSum(kept, kept);
  const auto sigma = static_cast<float>(std::sqrt(norm / static_cast<double>(kept.size())));
  Coded coded;
  if (sigma < 0x1p-100f) {
    coded.symbols.assign(kept.size(), static_cast<uint8_t>(book.alphabet / 2));
    return coded;
  }
  std::vector<float> centroids;
  for (const float z : kept) {
    coded.symbols.push_back(SymbolByDefinition(book, sigma, z));
    centroids.push_back(static_cast<float>(book.centroids[coded.symbols.back()]));
  }
  if (std::all_of(centroids.begin(), centroids.end(), [](float c) { return c == 0.0f; })) {
    const auto less = [](float a, float b) { return std::abs(a) < std::abs(b); };
    const auto at = std::max_element(kept.begin(), kept.end(), less) - kept.begin();
    const auto i = static_cast<size_t>(at);
    coded.symbols[i] = static_cast<uint8_t>(coded.symbols[i] + (kept[i] < 0.0f ? -1 : 1));
    centroids[i] = static_cast<float>(book.centroids[coded.symbols[i]]);
  }
  const double product = LaneSum(centroids, kept);
  const bool unbiased = eden ? spec.option != "mse" : spec.option == "unbiased";
  const double weight = static_cast<double>(values.size()) / static_cast<double>(kept.size());
  const double scale = unbiased ? norm / product * weight : product / LaneSum(centroids, centroids);
  coded.scale = ScaleByDefinition(static_cast<float>(scale), unbiased, key);
  return coded;
}

TEST(Eden, Quantize_IsTheDefinition) {
  const RandomKey key = {.seed = 4, .round = 5, .client = 6};
  for (const StageSpec& spec : AllSpecs()) {
    const auto quantizer = QuantizerOf(spec);
    for (const size_t size :
         {1u, 2u, 7u, 8u, 9u, 15u, 16u, 17u, 255u, 256u, 257u, 1000u, 4095u, 4096u}) {
      const int64_t first = 4096 * static_cast<int64_t>(size);
      const std::vector<float> values = Gaussian(size, size, 0.01f);
      const Coded expected = QuantizeByDefinition(spec, values, key, first);
      const Coded coded = Quantize(*quantizer, values, key, first);
      ASSERT_EQ(coded.symbols, expected.symbols) << NameOf(spec) << " " << size;
      ASSERT_EQ(coded.scale, expected.scale) << NameOf(spec) << " " << size;
    }
  }
}

TEST(Eden, Dequantize_IsCentroidTimesScale) {
  const RandomKey key = {.seed = 4, .round = 5, .client = 6};
  for (const StageSpec& spec : AllSpecs()) {
    const NormalCode code = spec.name == "eden" ? EdenCode(spec) : EcsqCode(spec);
    for (const size_t size : {1u, 8u, 9u, 100u, 1000u, 4096u}) {
      const Coded coded = Quantize(*QuantizerOf(spec), Gaussian(size, size), key, 8192);
      std::vector<int32_t> subset(coded.symbols.size());
      DrawSubset(key, 2, static_cast<int64_t>(size), absl::MakeSpan(subset));
      std::vector<float> expected(size);
      for (size_t i = 0; i < subset.size(); ++i) {
        expected[static_cast<size_t>(subset[i])] =
            static_cast<float>(code.book.centroids[coded.symbols[i]]) * ScaleOf(coded.scale);
      }
      ASSERT_EQ(Dequantize(*DequantizerOf(spec), coded, size, key, 8192), expected) << NameOf(spec);
    }
  }
}

// The bytes themselves, of numbers that no library function had a part in.
TEST(Eden, Quantize_IsTheSameOnEveryMachine) {
  uint32_t crc = 0;
  const RandomKey key = {.seed = 1};
  for (const StageSpec& spec : AllSpecs()) {
    RandomStream random({.seed = 2});
    std::vector<float> values(4000);
    for (float& value : values) {
      value = 0.0f;
      for (int i = 0; i < 6; ++i) value += random.NextFloat() - 0.5f;
    }
    Rotation(key).Forward(0, absl::MakeSpan(values));
    const Coded coded = Quantize(*QuantizerOf(spec), values, key);
    std::string bytes(coded.symbols.begin(), coded.symbols.end());
    bytes.append(reinterpret_cast<const char*>(&coded.scale), 2);
    crc = crc * 31 + Crc32c(bytes);
  }
  EXPECT_EQ(crc, 0x1A2202A3u);
}

// Up to the step of a scale.
TEST(Eden, UnbiasedScale_KeepsTheProductWithTheValues) {
  for (const StageSpec& spec : {Eden(1), Eden(2), Eden(3), Eden(4), Ecsq(2, "unbiased")}) {
    for (const size_t size : {1u, 3u, 100u, 4096u}) {
      const std::vector<float> values = Gaussian(size, 7);
      const std::vector<float> decoded =
          Dequantize(*DequantizerOf(spec), Quantize(*QuantizerOf(spec), values, {}), size, {});
      const double norm = SquaredNorm(values);
      EXPECT_NEAR(LaneSum(values, decoded), norm, 0x1p-8 * norm) << NameOf(spec) << " " << size;
    }
  }
}

// A scale that was always rounded to the same side would be off by up to 2^-9. At random it
// deviates by at most 2^-9, the mean of 2000 by 2^-9 / 45.
TEST(Eden, UnbiasedScale_OnAverageKeepsTheProductItself) {
  constexpr int kRoundings = 2000;
  const std::vector<float> values = Gaussian(4096, 14);
  const double norm = LaneSum(values, values);
  for (const StageSpec& spec : {Eden(1), Eden(4), Ecsq(6, "unbiased")}) {
    const auto quantizer = QuantizerOf(spec);
    const auto dequantizer = DequantizerOf(spec);
    double sum = 0.0;
    for (uint64_t i = 0; i < kRoundings; ++i) {
      const Coded coded = Quantize(*quantizer, values, {.client = i});
      sum += LaneSum(values, Dequantize(*dequantizer, coded, values.size(), {}));
    }
    EXPECT_NEAR(sum / kRoundings / norm, 1.0, 6.0 * 0x1p-9 / 44.0) << NameOf(spec);
  }
}

TEST(Eden, ClientAndBlock_ChooseOtherCoordinates) {
  const auto quantizer = MakeEdenQuantizer(Eden(0.25));
  const std::vector<float> values = Gaussian(4096, 8);
  const Coded coded = Quantize(*quantizer, values, {.client = 1});
  EXPECT_EQ(coded.symbols.size(), 1024u);
  EXPECT_NE(Quantize(*quantizer, values, {.client = 2}).symbols, coded.symbols);
  EXPECT_NE(Quantize(*quantizer, values, {.client = 1}, 4096).symbols, coded.symbols);
  EXPECT_EQ(Quantize(*quantizer, values, {.client = 1}).symbols, coded.symbols);
}

TEST(Eden, BlocksOfNoSize_DecodeToZero) {
  for (const StageSpec& spec : AllSpecs()) {
    for (const float value : {0.0f, -0.0f, 0x1p-149f, 0x1p-101f}) {
      for (const size_t size : {1u, 100u, 4096u}) {
        const std::vector<float> values(size, value);
        const Coded coded = Quantize(*QuantizerOf(spec), values, {});
        EXPECT_EQ(coded.scale, 0);
        EXPECT_THAT(Dequantize(*DequantizerOf(spec), coded, size, {}), ::testing::Each(0.0f));
      }
    }
  }
}

// As a rotation leaves them: magnitudes up to 2^106, and as small as a block may have.
TEST(Eden, Magnitudes_DoNotMatter) {
  for (const StageSpec& spec : AllSpecs()) {
    const std::vector<float> values = Gaussian(4096, 9);
    const Coded coded = Quantize(*QuantizerOf(spec), values, {});
    for (const int exponent : {-98, -20, 20, 100}) {
      std::vector<float> scaled = values;
      for (float& value : scaled) value = std::ldexp(value, exponent);
      const Coded other = Quantize(*QuantizerOf(spec), scaled, {});
      EXPECT_EQ(other.symbols, coded.symbols) << NameOf(spec) << " " << exponent;
      EXPECT_EQ(ScaleOf(other.scale), std::ldexp(ScaleOf(coded.scale), exponent));
      EXPECT_THAT(DequantizerOf(spec)->Check(BlockOf(other, 4096), 1.0f), IsOk());
    }
  }
  std::vector<float> spike(4096);
  spike[17] = 0x1p106f;
  for (const StageSpec& spec : AllSpecs()) {
    const Coded coded = Quantize(*QuantizerOf(spec), spike, {});
    EXPECT_THAT(DequantizerOf(spec)->Check(BlockOf(coded, 4096), 1.0f), IsOk());
  }
}

TEST(Eden, Shape_IsThatOfBothSidesAndFits) {
  for (const StageSpec& spec : AllSpecs()) {
    const QuantizerShape shape = QuantizerOf(spec)->shape();
    const QuantizerShape other = DequantizerOf(spec)->shape();
    EXPECT_EQ(shape.alphabet, other.alphabet);
    EXPECT_EQ(shape.bits, other.bits);
    EXPECT_EQ(shape.symbol_share, other.symbol_share);
    EXPECT_LE(shape.alphabet, 1 << shape.bits);
    EXPECT_GT(shape.alphabet, 1 << (shape.bits - 1));
    EXPECT_EQ(shape.block, 4096);
    EXPECT_EQ(shape.header_bytes, 0);
    EXPECT_EQ(shape.parameter_bytes, 2);
  }
  EXPECT_EQ(MakeEdenQuantizer(Eden(0.1))->shape().Symbols(4096), 416);
  EXPECT_EQ(MakeEdenQuantizer(Eden(0.1))->shape().Symbols(5), 5);
}

TEST(Eden, Check_RefusesScalesThatNoQuantizerWrites) {
  for (const StageSpec& spec : AllSpecs()) {
    const auto dequantizer = DequantizerOf(spec);
    Coded coded;
    coded.symbols.resize(static_cast<size_t>(dequantizer->shape().Symbols(100)));
    // Subnormal, infinite, and not a number.
    for (const int scale : {0x0001, 0x00FF, 0xFF00, 0xFF01, 0xFFFF}) {
      coded.scale = static_cast<ScaleBits>(scale);
      EXPECT_THAT(dequantizer->Check(BlockOf(coded, 100, 8192), 1.0f),
                  StatusIs(kInvalid, "block 2 (from coordinate 8192): scale is"));
    }
    coded.scale = kInfiniteScale - 1;
    const NormalCode code = spec.name == "eden" ? EdenCode(spec) : EcsqCode(spec);
    EXPECT_EQ(dequantizer->Check(BlockOf(coded, 100), 1.0f).ok(),
              code.book.centroids[static_cast<size_t>(code.book.alphabet - 1)] <= 1.0);
  }
}

TEST(Ecsq, Check_RefusesSymbolsBeyondTheAlphabet) {
  const auto dequantizer = MakeEcsqDequantizer(Ecsq(2));
  for (const size_t at : {0u, 50u, 99u, 4000u}) {
    Coded coded = {.scale = 0x7F00, .symbols = std::vector<uint8_t>(4001, 6)};
    EXPECT_THAT(dequantizer->Check(BlockOf(coded, 4001, 4096), 1.0f), IsOk());
    coded.symbols[at] = 7;
    EXPECT_THAT(dequantizer->Check(BlockOf(coded, 4001, 4096), 1.0f),
                StatusIs(kInvalid, std::to_string(4096 + at)));
  }
}

TEST(Eden, AnyBytesThatCheckAccepts_DecodeToFiniteNumbers) {
  RandomStream random({.seed = 12});
  for (const StageSpec& spec : AllSpecs()) {
    const auto dequantizer = DequantizerOf(spec);
    const uint32_t symbols = uint32_t{1} << dequantizer->shape().bits;
    int accepted = 0;
    for (int i = 0; i < 300; ++i) {
      const int64_t count = 1 + random.Below(40);
      Coded coded;
      coded.symbols.resize(static_cast<size_t>(dequantizer->shape().Symbols(count)));
      for (uint8_t& symbol : coded.symbols) symbol = static_cast<uint8_t>(random.Below(symbols));
      coded.scale = static_cast<ScaleBits>(random.Next32());
      if (!dequantizer->Check(BlockOf(coded, count), 1.0f).ok()) continue;
      ++accepted;
      for (const float value :
           Dequantize(*dequantizer, coded, static_cast<size_t>(count), {.client = 3})) {
        ASSERT_TRUE(std::isfinite(value)) << NameOf(spec);
      }
    }
    EXPECT_GT(accepted, 0);
  }
}

TEST(Eden, Arguments_AreChecked) {
  for (const double bits : {1.0, 2.0, 3.0, 4.0, 0.5, 1e-9, 0.999}) {
    EXPECT_THAT(CheckEdenArguments(Eden(bits)), IsEmpty());
    EXPECT_THAT(CheckEdenArguments(Eden(bits, "mse")), IsEmpty());
  }
  for (const double bits : {5.0, 0.0, -1.0, 1.5, 2.5, 1e300, std::nan("")}) {
    EXPECT_THAT(CheckEdenArguments(Eden(bits)),
                HasSubstr("expected 1, 2, 3, 4 or above 0 and below 1"));
  }
  EXPECT_THAT(CheckEdenArguments(Eden(5)), HasSubstr("bits is 5"));
  EXPECT_THAT(CheckEdenArguments(Eden(2, "x")), HasSubstr("option is 'x', expected mse"));
  EXPECT_THAT(CheckEdenArguments({.name = "eden", .arguments = {}, .option = {}}),
              HasSubstr("expected one: bits"));
  for (const double bits : {0.1, 1.0, 2.5, 6.0}) {
    EXPECT_THAT(CheckEcsqArguments(Ecsq(bits)), IsEmpty());
    EXPECT_THAT(CheckEcsqArguments(Ecsq(bits, "unbiased")), IsEmpty());
  }
  for (const double bits : {0.0, 0.09, 6.1, -1.0, std::nan("")}) {
    EXPECT_THAT(CheckEcsqArguments(Ecsq(bits)), HasSubstr("expected 0.1 to 6"));
  }
  EXPECT_THAT(CheckEcsqArguments(Ecsq(2, "mse")), HasSubstr("option is 'mse', expected unbiased"));
}

// Its root mean square is its magnitude, which is less than half a step at low rates.
TEST(Ecsq, BlockOfOneNumber_IsSentAtAnyRate) {
  for (const double rate : {0.1, 0.5, 1.0, 2.0, 4.0}) {
    for (const char* option : {"", "unbiased"}) {
      for (const float value : {0.01f, -3.0f}) {
        const StageSpec spec = {.name = "ecsq", .arguments = {rate}, .option = option};
        const Coded coded = Quantize(*QuantizerOf(spec), {value}, {.seed = 1});
        const std::vector<float> decoded =
            Dequantize(*DequantizerOf(spec), coded, 1, {.seed = 1}, 0);
        EXPECT_NEAR(decoded[0], value, 0.01f * std::abs(value)) << rate;
      }
    }
  }
}

}  // namespace
}  // namespace tern::compression
