#include "compression/quantize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/compression/quantizer_tools.h"
#include "tests/testing/status_matchers.h"

namespace tern::compression {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::Each;
using ::testing::ElementsAre;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr float kSmallestNormal = std::numeric_limits<float>::min();
constexpr float kMax = std::numeric_limits<float>::max();

StageSpec Stage(int bits, const std::string& option = "") {
  return {.name = "quantize", .arguments = {static_cast<double>(bits)}, .option = option};
}

Quantized QuantizeWith(const StageSpec& stage, absl::Span<const float> values, uint64_t seed = 1) {
  return QuantizeAll(*MakeQuantizeQuantizer(stage), values, seed).value();
}

std::vector<float> RoundTrip(const StageSpec& stage, absl::Span<const float> values) {
  return DequantizeAll(*MakeQuantizeDequantizer(stage), QuantizeWith(stage, values));
}

float ScaleOfBlock(Quantized& quantized, int64_t block) {
  return ScaleOf(quantized.Parameter<ScaleBits>(block));
}

// The largest float with the low 15 bits 0 that is at most `scale`.
float Truncated(float scale) {
  return std::bit_cast<float>(std::bit_cast<uint32_t>(scale) & 0xFFFF8000u);
}

TEST(QuantizeShape, IsWhatTheBitsAllow) {
  EXPECT_EQ(QuantizeShape(1).alphabet, 2);
  EXPECT_EQ(QuantizeShape(2).alphabet, 3);
  EXPECT_EQ(QuantizeShape(4).alphabet, 15);
  EXPECT_EQ(QuantizeShape(8).alphabet, 255);
  EXPECT_EQ(QuantizeShape(5).parameter_bytes, 2);
  EXPECT_EQ(QuantizeShape(5).block, 256);
}

// What quantize.h says, one value at a time.
TEST(QuantizeNearest, IsTheDefinition) {
  for (int bits = 2; bits <= 8; ++bits) {
    const float levels = static_cast<float>((1 << (bits - 1)) - 1);
    for (const int64_t size : kBlockSizes) {
      const std::vector<float> values = SomeValues(size, 20);
      Quantized quantized = QuantizeWith(Stage(bits), values);
      for (int64_t i = 0; i < size; ++i) {
        const int64_t first = i / 256 * 256;
        const float largest =
            LargestOf(absl::MakeConstSpan(values).subspan(static_cast<size_t>(first), 256));
        const float scale = Truncated(largest / levels);
        ASSERT_EQ(ScaleOfBlock(quantized, i / 256), scale);
        const float q =
            std::nearbyint(values[static_cast<size_t>(i)] * (scale > 0 ? 1.0f / scale : 0.0f));
        ASSERT_EQ(quantized.Symbol(i), std::clamp(q, -levels, levels) + levels) << bits << " " << i;
      }
    }
  }
}

// One magnitude of block after another over the whole range of floats.
TEST(QuantizeNearest, AnyMagnitude_KeepsTheErrorBoundAndTheLargestMagnitude) {
  RandomStream random({.seed = 21});
  for (int exponent = -149; exponent <= 127; ++exponent) {
    std::vector<float> values(256);
    for (float& value : values) {
      value = std::ldexp(1.9999f * (2.0f * random.NextFloat() - 1.0f), exponent);
    }
    if (exponent == 127) values[7] = kMax;
    for (int bits = 2; bits <= 8; ++bits) {
      Quantized quantized = QuantizeWith(Stage(bits), values);
      const auto dequantizer = MakeQuantizeDequantizer(Stage(bits));
      ASSERT_THAT(CheckAll(*dequantizer, quantized, LargestOf(values)), IsOk());
      const std::vector<float> decoded = DequantizeAll(*dequantizer, quantized);
      const double scale = ScaleOfBlock(quantized, 0);
      const double bound = scale == 0.0 ? ((1 << (bits - 1)) - 1) * double{kSmallestNormal}
                                        : scale * (0.5 + 0x1p-16);
      for (size_t i = 0; i < values.size(); ++i) {
        ASSERT_LE(std::abs(double{values[i]} - decoded[i]), bound) << exponent << " " << bits;
      }
      ASSERT_LE(LargestOf(decoded), LargestOf(values)) << exponent << " " << bits;
    }
  }
}

// Every scale of one exponent, with the largest magnitudes that are nearest to reaching it.
TEST(QuantizeNearest, EveryScale_DoesNotReachAboveTheLargestMagnitude) {
  for (int bits = 2; bits <= 8; ++bits) {
    const auto levels = static_cast<float>(QuantizeLevels(bits));
    for (int mantissa = 256; mantissa < 512; ++mantissa) {
      const float reached = levels * static_cast<float>(mantissa);
      for (const float largest : {std::nextafter(reached, 0.0f), reached}) {
        Quantized quantized = QuantizeWith(Stage(bits), {largest});
        const float scale = ScaleOfBlock(quantized, 0);
        ASSERT_LE(levels * scale, largest);
        ASSERT_EQ(scale == static_cast<float>(mantissa), largest == reached);
      }
    }
  }
}

TEST(QuantizeNearest, Ties_GoToTheEvenNumber) {
  EXPECT_THAT(RoundTrip(Stage(8), {127.0f, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 0.49f, -126.5f}),
              ElementsAre(127, 0, 2, 2, 0, -2, -2, 0, -126));
  EXPECT_THAT(RoundTrip(Stage(2), {1.0f, 0.5f, -0.5f, 0.51f, -0.51f}), ElementsAre(1, 0, 0, 1, -1));
}

TEST(QuantizeNearest, ZeroBlocks_StayZero) {
  for (int bits = 1; bits <= 8; ++bits) {
    EXPECT_THAT(RoundTrip(Stage(bits), {0.0f, -0.0f, 0.0f}), Each(0.0f));
    EXPECT_THAT(RoundTrip(Stage(bits, "stochastic"), {0.0f, -0.0f, 0.0f}), Each(0.0f));
  }
}

TEST(QuantizeNearest, BlockTooSmallForANormalScale_IsZero) {
  const float smallest_kept = 127.0f * kSmallestNormal;
  EXPECT_THAT(RoundTrip(Stage(8), {smallest_kept}), ElementsAre(smallest_kept));
  EXPECT_THAT(RoundTrip(Stage(8), {std::nextafter(smallest_kept, 0.0f)}), ElementsAre(0));
  EXPECT_THAT(RoundTrip(Stage(8), {std::numeric_limits<float>::denorm_min()}), ElementsAre(0));
  EXPECT_THAT(RoundTrip(Stage(1), {std::numeric_limits<float>::denorm_min()}), ElementsAre(0));
}

TEST(QuantizeNearest, Blocks_HaveScalesOfTheirOwn) {
  std::vector<float> values(257, 127.0f);
  values[256] = 1270.0f;
  Quantized quantized = QuantizeWith(Stage(8), values);
  EXPECT_EQ(ScaleOfBlock(quantized, 0), 1.0f);
  EXPECT_EQ(ScaleOfBlock(quantized, 1), 10.0f);
}

TEST(QuantizeOneBit, Scale_IsTheMeanMagnitude) {
  EXPECT_THAT(RoundTrip(Stage(1), {1, -2, 3, -0.0f, 0}),
              ElementsAre(1.19921875f, -1.19921875f, 1.19921875f, 1.19921875f,
                          1.19921875f));  // of 1.2
  for (const int64_t size : kBlockSizes) {
    const std::vector<float> values = SomeValues(size, 24);
    Quantized quantized = QuantizeWith(Stage(1), values);
    for (size_t first = 0; first < values.size(); first += 256) {
      const auto block = absl::MakeConstSpan(values).subspan(first, 256);
      double mean = 0.0;
      for (const float value : block) mean += std::abs(value) / static_cast<double>(block.size());
      const double scale = ScaleOfBlock(quantized, static_cast<int64_t>(first / 256));
      // A value alone is not rounded up.
      EXPECT_NEAR(scale, mean, mean * (block.size() == 1 ? 0x1p-8 : 0x1.001p-9));
      EXPECT_LE(scale, LargestOf(block));
    }
  }
}

TEST(QuantizeOneBit, EqualMagnitudes_AreNeverExceeded) {
  RandomStream random({.seed = 25});
  for (int i = 0; i < 5000; ++i) {
    const float value = std::ldexp(1.0f + random.NextFloat(), static_cast<int>(random.Below(60)));
    const std::vector<float> decoded =
        RoundTrip(Stage(1), std::vector<float>(1 + random.Below(5), value));
    ASSERT_LE(LargestOf(decoded), value);
    ASSERT_GE(LargestOf(decoded), value * (1 - 0x1p-8f));
  }
  EXPECT_THAT(RoundTrip(Stage(1), {kMax, -kMax}), ElementsAre(Truncated(kMax), -Truncated(kMax)));
}

TEST(QuantizeStochastic, AnyMagnitude_IsWithinOneStep) {
  RandomStream random({.seed = 26});
  for (int exponent = -149; exponent <= 127; ++exponent) {
    std::vector<float> values(300);
    for (float& value : values) {
      value = std::ldexp(1.9999f * (2.0f * random.NextFloat() - 1.0f), exponent);
    }
    if (exponent == 127) values[7] = -kMax;
    for (int bits = 1; bits <= 8; ++bits) {
      const StageSpec stage = Stage(bits, "stochastic");
      Quantized quantized = QuantizeWith(stage, values);
      const auto dequantizer = MakeQuantizeDequantizer(stage);
      ASSERT_THAT(CheckAll(*dequantizer, quantized), IsOk()) << exponent << " " << bits;
      const std::vector<float> decoded = DequantizeAll(*dequantizer, quantized);
      for (size_t i = 0; i < values.size(); ++i) {
        const double scale = ScaleOfBlock(quantized, static_cast<int64_t>(i / 256));
        const double step = bits == 1 ? 2.0 * scale : scale;
        ASSERT_LE(std::abs(double{values[i]} - decoded[i]), step * (1 + 0x1p-14));
      }
      if (exponent >= -110 && exponent < 127) {
        ASSERT_LE(LargestOf(decoded), LargestOf(values) * (1 + 0x1.01p-8f));
      }
    }
  }
}

TEST(QuantizeStochastic, Expectation_IsTheValue) {
  constexpr int kTrials = 4000;
  std::vector<float> values = SomeValues(300, 27);
  values[0] = 1.0f;
  values[1] = -1.0f;
  for (const int bits : {1, 2, 3, 8}) {
    const StageSpec stage = Stage(bits, "stochastic");
    const auto quantizer = MakeQuantizeQuantizer(stage);
    const auto dequantizer = MakeQuantizeDequantizer(stage);
    std::vector<double> mean(values.size());
    double scale = 0.0;
    for (int trial = 0; trial < kTrials; ++trial) {
      Quantized quantized = QuantizeAll(*quantizer, values, static_cast<uint64_t>(trial)).value();
      scale = std::max(ScaleOfBlock(quantized, 0), ScaleOfBlock(quantized, 1));
      const std::vector<float> decoded = DequantizeAll(*dequantizer, quantized);
      for (size_t i = 0; i < mean.size(); ++i) mean[i] += decoded[i] / double{kTrials};
    }
    const double step = bits == 1 ? 2.0 * scale : scale;
    for (size_t i = 0; i < mean.size(); ++i) {
      EXPECT_NEAR(mean[i], values[i], HoeffdingBound(step, kTrials) + step * 0x1p-14) << bits;
    }
  }
}

// Values whose symbols are certain: nothing is random about them.
TEST(QuantizeStochastic, MultiplesOfTheScale_StayThemselves) {
  const std::vector<float> values = {7, -7, 3, 0, -1, 5};
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const StageSpec stage = Stage(4, "stochastic");
    EXPECT_EQ(DequantizeAll(*MakeQuantizeDequantizer(stage), QuantizeWith(stage, values, seed)),
              values);
  }
}

TEST(QuantizeStochastic, TheStreamDecides) {
  const std::vector<float> values = SomeValues(1000, 28);
  const StageSpec stage = Stage(2, "stochastic");
  EXPECT_EQ(QuantizeWith(stage, values, 1).symbols, QuantizeWith(stage, values, 1).symbols);
  EXPECT_NE(QuantizeWith(stage, values, 1).symbols, QuantizeWith(stage, values, 2).symbols);
}

// All scales there are.
TEST(QuantizeCheck, Scales_AreZeroOrNormalAndReachAtMostTheLimit) {
  for (const int bits : {1, 2, 8}) {
    const auto dequantizer = MakeQuantizeDequantizer(Stage(bits));
    Quantized quantized = QuantizeWith(Stage(bits), {1.0f});
    for (const float limit : {16.0f, kMax, std::numeric_limits<float>::infinity()}) {
      for (int scale = 0; scale <= 0xFFFF; ++scale) {
        const auto scale_bits = static_cast<ScaleBits>(scale);
        std::memcpy(quantized.Parameters(0), &scale_bits, sizeof(scale_bits));
        const float value = ScaleOf(scale_bits);
        const float largest = value * static_cast<float>(QuantizeLevels(bits));
        const bool good = std::isfinite(largest) && largest <= limit &&
                          (value == 0.0f || value >= kSmallestNormal);
        ASSERT_EQ(CheckAll(*dequantizer, quantized, limit).ok(), good) << value;
      }
    }
  }
}

TEST(QuantizeCheck, BadScale_NamesBlockAndValue) {
  const auto dequantizer = MakeQuantizeDequantizer(Stage(8));
  const Quantized good = QuantizeWith(Stage(8), SomeValues(600, 23));
  const auto with = [&](int64_t block, ScaleBits scale) {
    Quantized changed = good;
    std::memcpy(changed.Parameters(block), &scale, sizeof(scale));
    return CheckAll(*dequantizer, changed, 16.0f);
  };
  for (int64_t block = 0; block < 3; ++block) {
    const std::string name =
        absl::StrCat("block ", block, " (from value ", 256 * block, "): scale ");
    EXPECT_THAT(with(block, 0xFF00), StatusIs(kInvalid, name + "is inf, expected 0 or a normal"));
    EXPECT_THAT(with(block, 0xFF01), StatusIs(kInvalid, name + "is nan, expected 0 or a normal"));
    EXPECT_THAT(with(block, 0x0001), StatusIs(kInvalid, name + "is 4.59"));
    EXPECT_THAT(with(block, 125 << 8),
                StatusIs(kInvalid, name + "0.25 reaches magnitude 31.75, expected at most 16"));
    EXPECT_THAT(with(block, 124 << 8), IsOk());
  }
}

TEST(QuantizeCheck, SymbolOutsideTheAlphabet_NamesTheValue) {
  for (int bits = 2; bits <= 8; ++bits) {
    const auto dequantizer = MakeQuantizeDequantizer(Stage(bits));
    const Quantized good = QuantizeWith(Stage(bits), SomeValues(600, 24));
    ASSERT_THAT(CheckAll(*dequantizer, good), IsOk());
    for (const int64_t value : {0, 63, 64, 255, 256, 512, 599}) {
      Quantized changed = good;
      const int symbol = (1 << bits) - 1;
      changed.Symbol(value) = static_cast<uint8_t>(symbol);
      EXPECT_THAT(CheckAll(*dequantizer, changed),
                  StatusIs(kInvalid, absl::StrCat("value ", value, ": symbol is ", symbol,
                                                  ", expected below ", symbol)));
    }
  }
}

TEST(QuantizeDequantize, EverySymbol_IsAnExactMultiple) {
  for (int bits = 1; bits <= 8; ++bits) {
    const auto dequantizer = MakeQuantizeDequantizer(Stage(bits));
    const int alphabet = QuantizeShape(bits).alphabet;
    Quantized quantized = QuantizeWith(Stage(bits), std::vector<float>(256, 3.0f));
    const double scale = ScaleOfBlock(quantized, 0);
    for (int i = 0; i < 256; ++i) quantized.Symbol(i) = static_cast<uint8_t>(i % alphabet);
    const std::vector<float> decoded = DequantizeAll(*dequantizer, quantized);
    for (int i = 0; i < 256; ++i) {
      const int q = bits == 1 ? 2 * (i % 2) - 1 : i % alphabet - QuantizeLevels(bits);
      EXPECT_EQ(decoded[static_cast<size_t>(i)], q * scale);
    }
  }
}

TEST(CheckQuantizeArguments, SaysTheProblem) {
  for (int bits = 1; bits <= 8; ++bits) {
    EXPECT_EQ(CheckQuantizeArguments(Stage(bits)), "");
    EXPECT_EQ(CheckQuantizeArguments(Stage(bits, "stochastic")), "");
  }
  EXPECT_EQ(CheckQuantizeArguments(Stage(9)), "bits is 9, expected a whole number from 1 to 8");
  EXPECT_EQ(CheckQuantizeArguments(Stage(0)), "bits is 0, expected a whole number from 1 to 8");
  EXPECT_EQ(CheckQuantizeArguments({.name = "quantize", .arguments = {2.5}}),
            "bits is 2.5, expected a whole number from 1 to 8");
  EXPECT_EQ(CheckQuantizeArguments({.name = "quantize", .arguments = {1e300}}),
            "bits is 1e+300, expected a whole number from 1 to 8");
  EXPECT_EQ(CheckQuantizeArguments({.name = "quantize"}), "has 0 arguments, expected one: bits");
  EXPECT_EQ(CheckQuantizeArguments({.name = "quantize", .arguments = {8, 2}}),
            "has 2 arguments, expected one: bits");
  EXPECT_EQ(CheckQuantizeArguments(Stage(8, "foo")),
            "option is 'foo', expected stochastic or none");
}

}  // namespace
}  // namespace tern::compression
